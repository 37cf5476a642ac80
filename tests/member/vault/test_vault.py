"""The vault: it gives back what was put in, to nobody without the key, and notices what was changed behind its back."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from keys.oprf.tokens import Token
from member.errors import VaultError, VaultTamperedError
from member.vault.cipher import VaultCipher
from member.vault.hits import ShownHits
from member.vault.rekey import change_key
from member.vault.rows import OwnRow, Source, VaultRows
from member.vault.store import Vault
from member.vault.uploads import PartForm, PartOutcome, Receipt, Upload, Uploads
from schemas.hits import DisclosedHit
from tests.exchange.factories import stated_envelope

KEY = bytes(range(32))
CANARY = "CANARY-20000055779911"
TOKEN = Token(b"canary-token-" + b"t" * 19, b"canary-detail" + b"d" * 19)


def _hit(hit_id: str) -> DisclosedHit:
    return DisclosedHit(
        indicator_type="bank_account",
        institutions="1",
        sectors=[],
        themes=[],
        first_seen="other",
        hit_id=hit_id,
        token=TOKEN.token.hex(),
        stage="hit",
        disclosed_at="2026-11-22T10:00:00.000Z",
    )


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.create(tmp_path / "vault.sqlite", KEY, "a")


def own_row(canonical: str = CANARY, reference: str = "ref-1", line: int = 2, submission: str = "s-1") -> OwnRow:
    source = Source(f" {canonical} ", "mule account", "2026-01-31", reference, {"desk": "fraud"}, line, submission)
    return OwnRow("bank_account", canonical, source)


def keep(vault: Vault, *rows: OwnRow, group: str = "open", epoch: int = 1) -> VaultRows:
    stored = VaultRows(vault)
    stored.store(rows, group, epoch)
    return stored


def test_a_row_is_found_by_its_token_with_all_its_sources(vault: Vault) -> None:
    rows = keep(vault, own_row(), own_row(reference="ref-2", line=3), own_row("20000000000001"))
    rows.store_tokens(1, {rows.lookup("bank_account", CANARY): TOKEN})
    found = rows.find_by_tokens([TOKEN.token, b"x" * 32])
    assert list(found) == [TOKEN.token]
    assert found[TOKEN.token].canonical == CANARY
    assert [source.source_ref for source in found[TOKEN.token].sources] == ["ref-1", "ref-2"]
    assert found[TOKEN.token].sources[0].extra == {"desk": "fraud"}


def test_the_same_rows_again_change_nothing_but_in_another_group_or_epoch(vault: Vault) -> None:
    keep(vault, own_row())
    rows = keep(vault, own_row(line=9), own_row(), own_row(submission="s-2"))
    assert submissions_of(rows) == ["s-1"]
    rows = keep(vault, own_row(submission="s-3"), group="cell")
    rows = keep(vault, own_row(submission="s-4"), epoch=2)
    assert submissions_of(rows) == ["s-1", "s-3", "s-4"]
    assert rows.count() == 1


def submissions_of(rows: VaultRows) -> list[str]:
    """The submissions of the sources of the only indicator."""
    (indicator,) = rows.every_indicator()
    return [source.submission_id for source in indicator.sources]


def test_only_a_later_submission_of_its_group_and_epoch_takes_a_source(vault: Vault) -> None:
    rows = keep(vault, own_row(submission="s-2"), own_row(reference="ref-2", submission="s-2"))
    keep(vault, own_row(submission="s-2"), group="cell")
    keep(vault, own_row(submission="s-2"), epoch=2)
    for later in ("s-3", "s-1"):
        rows.take_over([own_row(submission=later, line=7)], "open", 1)
        assert submissions_of(rows) == ["s-3", "s-2", "s-2", "s-2"]
    rows.take_over([own_row(submission="s-4", reference="never stored")], "open", 1)
    assert submissions_of(rows) == ["s-3", "s-2", "s-2", "s-2"]
    assert rows.store([own_row(submission="s-5"), own_row("20000000000001")], "open", 1) == [
        (rows.lookup("bank_account", CANARY), own_row(submission="s-5"))
    ]


def test_rows_and_tokens_of_all_epochs_come_under_a_new_key_in_batches(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = keep(vault, own_row(), own_row(reference="ref-2"), own_row("20000000000001"))
    held = [rows.lookup("bank_account", canonical) for canonical in (CANARY, "20000000000001")]
    made = {(epoch, lookup): Token(bytes([epoch]) * 32, lookup * 2) for epoch in (1, 2, 3) for lookup in held}
    for (epoch, lookup), token in made.items():
        rows.store_tokens(epoch, {lookup: token})
    monkeypatch.setattr("member.vault.rekey._BATCH", 2)
    with vault.transaction():
        change_key(vault, KEY + bytes(32))
    anew = VaultRows(Vault(vault.connection, VaultCipher(KEY + bytes(32))))
    renewed = {lookup: anew.lookup(*which) for lookup, which in zip(held, canonicals(anew), strict=True)}
    assert {lookup: len(found) for lookup, found in anew.sources_of(list(renewed.values())).items()} == {
        renewed[held[0]]: 2,
        renewed[held[1]]: 1,
    }
    for (epoch, lookup), token in made.items():
        assert anew.cached_tokens(epoch, [renewed[lookup]]) == {renewed[lookup]: token}


def canonicals(rows: VaultRows) -> list[tuple[str, str]]:
    """Every indicator, as it is looked up."""
    return [(held.indicator_type, held.canonical) for held in rows.every_indicator()]


def test_tokens_are_cached_for_their_epoch_only(vault: Vault) -> None:
    rows = keep(vault, own_row())
    lookup = rows.lookup("bank_account", CANARY)
    rows.store_tokens(1, {lookup: TOKEN})
    assert rows.cached_tokens(1, [lookup])[lookup].detail_key == TOKEN.detail_key
    assert rows.cached_tokens(2, [lookup]) == {}


def test_the_same_canonical_form_of_two_types_is_two_indicators(vault: Vault) -> None:
    other = OwnRow("phone", CANARY, own_row().source)
    assert keep(vault, own_row(), other).count() == 2


def test_more_rows_than_one_statement_takes_are_found_again(vault: Vault) -> None:
    rows = keep(vault, *(own_row(f"{number:014}") for number in range(1201)))
    lookups = [rows.lookup("bank_account", f"{number:014}") for number in range(1201)]
    rows.store_tokens(1, {lookup: Token(lookup * 2, lookup * 2) for lookup in lookups})
    assert len(rows.cached_tokens(1, lookups)) == 1201
    assert len(rows.find_by_tokens([lookup * 2 for lookup in lookups])) == 1201


def test_nothing_stands_in_the_clear_in_any_file(vault: Vault, tmp_path: Path) -> None:
    rows = keep(vault, own_row())
    rows.store_tokens(1, {rows.lookup("bank_account", CANARY): TOKEN})
    uploads = Uploads(vault)
    uploads.begin(b"name", Upload("CANARY-submission", stated_envelope(purpose="CANARY-purpose"), 10))
    uploads.confirm("CANARY-submission", 0, PartOutcome(1, 0, [], ["CANARY-hit"]), Receipt(b"CANARY-receipt", b"s"))
    ShownHits(vault).store([_hit("CANARY-hit")])
    written = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    needles = (b"CANARY", b"20000055779911", b"canary-token", b"canary-detail", b"mule account", b"ref-1", b"fraud")
    assert b"indicators" in written
    assert not [needle for needle in (*needles, TOKEN.token.hex().encode(), KEY) if needle in written]


def test_a_thief_without_the_key_cannot_open_the_vault(vault: Vault, tmp_path: Path) -> None:
    vault.close()
    with pytest.raises(VaultError, match="does not open"):
        Vault.open(tmp_path / "vault.sqlite", os.urandom(32), "a")


def test_one_members_vault_does_not_pass_as_anothers(vault: Vault, tmp_path: Path) -> None:
    vault.close()
    with pytest.raises(VaultError, match="does not open"):
        Vault.open(tmp_path / "vault.sqlite", KEY, "b")


def test_a_file_that_is_no_vault_is_refused(tmp_path: Path) -> None:
    (tmp_path / "vault.sqlite").write_bytes(b"not a database at all" * 100)
    with pytest.raises(VaultError, match="not a readable vault"):
        Vault.open(tmp_path / "vault.sqlite", KEY, "a")


@pytest.mark.parametrize("table", ["indicators", "sources", "tokens", "records"])
def test_an_attacker_cannot_change_a_payload_unnoticed(vault: Vault, table: str) -> None:
    rows = keep(vault, own_row())
    rows.store_tokens(1, {rows.lookup("bank_account", CANARY): TOKEN})
    ShownHits(vault).store([_hit("hit")])
    (payload,) = vault.connection.execute(f"SELECT payload FROM {table} LIMIT 1").fetchone()
    changed = payload[:-1] + bytes([payload[-1] ^ 1])
    vault.connection.execute(f"UPDATE {table} SET payload = ?", (changed,))
    with pytest.raises(VaultTamperedError):
        rows.find_by_tokens([TOKEN.token])
        list(ShownHits(vault).all())


@pytest.mark.parametrize("table", ["indicators", "sources"])
def test_an_attacker_cannot_swap_two_rows(vault: Vault, table: str) -> None:
    rows = keep(vault, own_row(), own_row("20000000000001", "ref-2"))
    key = "indicator_id" if table == "indicators" else "source_id"
    held = dict(vault.connection.execute(f"SELECT {key}, payload FROM {table}").fetchall())
    for number, payload in zip(held, reversed(held.values()), strict=True):
        vault.connection.execute(f"UPDATE {table} SET payload = ? WHERE {key} = ?", (payload, number))
    with pytest.raises(VaultTamperedError):
        list(rows.every_indicator())


def test_an_attacker_cannot_give_a_source_to_another_indicator(vault: Vault) -> None:
    rows = keep(vault, own_row(), own_row("20000000000001", "ref-2"))
    vault.connection.execute("UPDATE sources SET indicator_id = 3 - indicator_id")
    with pytest.raises(VaultTamperedError):
        list(rows.every_indicator())


def test_an_attacker_cannot_carry_a_token_to_another_epoch(vault: Vault) -> None:
    rows = keep(vault, own_row())
    lookup = rows.lookup("bank_account", CANARY)
    rows.store_tokens(1, {lookup: TOKEN})
    vault.connection.execute("UPDATE tokens SET epoch = 2")
    with pytest.raises(VaultTamperedError):
        rows.cached_tokens(2, [lookup])


def test_an_attacker_cannot_pass_a_record_off_as_one_of_another_kind(vault: Vault) -> None:
    with vault.transaction():
        vault.put("secret", b"name", b"payload")
    vault.connection.execute("UPDATE records SET kind = 'hit' WHERE kind = 'secret'")
    with pytest.raises(VaultTamperedError):
        list(vault.all("hit"))


def test_a_failed_batch_leaves_nothing_behind(vault: Vault) -> None:
    with pytest.raises(KeyError):
        VaultRows(vault).store_tokens(1, {b"unknown-indicator": TOKEN})
    with pytest.raises(RuntimeError), vault.transaction():
        vault.put("secret", b"name", b"payload")
        raise RuntimeError
    assert vault.get("secret", b"name") is None


def test_an_upload_is_found_until_finished_and_its_receipts_remain(vault: Vault) -> None:
    uploads, upload = Uploads(vault), Upload("s-1", stated_envelope(), 10)
    uploads.begin(b"name", upload)
    outcome = PartOutcome(8, 1, [(3, "first_seen", "in the future")], ["hit"])
    uploads.confirm("s-1", 0, outcome, Receipt(b"payload", b"signature"))
    assert uploads.find(b"name") == upload
    assert uploads.outcome("s-1", 0) == outcome
    assert uploads.outcome("s-1", 1) is None
    uploads.finish(b"name", upload, parts=1)
    assert uploads.find(b"name") is None
    assert uploads.outcome("s-1", 0) is None
    assert list(uploads.receipts()) == [Receipt(b"payload", b"signature")]


def test_idempotency_keys_tell_nothing_without_the_vault_key(vault: Vault, tmp_path: Path) -> None:
    other = Vault.create(tmp_path / "other.sqlite", os.urandom(32), "a")
    keys = {Uploads(each).idempotency_key("s-1", part, PartForm()) for each in (vault, other) for part in (0, 1)}
    assert len(keys) == 4
    again = [Uploads(vault).idempotency_key("s-1", 0, PartForm()) for _ in range(2)]
    assert again[0] == again[1]


def test_a_copy_is_whole_and_as_closed_as_the_vault(vault: Vault, tmp_path: Path) -> None:
    keep(vault, own_row())
    vault.copy_to(tmp_path / "copy.sqlite")
    with Vault.open(tmp_path / "copy.sqlite", KEY, "a") as copy:
        assert VaultRows(copy).count() == 1
    assert b"CANARY" not in (tmp_path / "copy.sqlite").read_bytes()
    assert (tmp_path / "copy.sqlite").stat().st_mode & 0o077 == 0


def test_two_programs_may_use_the_vault_in_turn(vault: Vault, tmp_path: Path) -> None:
    with Vault.open(tmp_path / "vault.sqlite", KEY, "a") as second:
        keep(second, own_row())
        assert VaultRows(vault).count() == 1


def test_keys_do_not_show_in_a_repr(vault: Vault) -> None:
    assert KEY.hex() not in repr(vault.cipher)
    assert repr(KEY)[2:-1] not in repr(VaultCipher(KEY))


def test_the_vault_commits_durably(vault: Vault, tmp_path: Path) -> None:
    assert vault.connection.execute("PRAGMA synchronous").fetchone()[0] == 2
    assert vault.connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    assert isinstance(sqlite3.connect(tmp_path / "vault.sqlite"), sqlite3.Connection)
