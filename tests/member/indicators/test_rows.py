"""One's own rows: each with how it stands, from the vault alone, in the order in which they came."""

from __future__ import annotations

import csv
from collections import Counter
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from openpyxl import load_workbook

from member.commands.shared.passphrases import unlock_representative
from member.identity.access import open_vault
from member.identity.home import Home
from member.vault.cipher import VaultCipher
from member.vault.rekey import change_key
from member.vault.row_states import RowState, StandingRow, StandingRows
from member.vault.rows import OwnRow, Source, VaultRows
from member.vault.store import Vault
from member.vault.taken_back import TakenBackRows
from member.vault.uploads import PartOutcome, Receipt, Upload, Uploads
from schemas.values.identifiers import uuid7
from tests.exchange.factories import stated_envelope
from tests.member.commands.test_cli import passphrases
from tests.taskforce.homes import MemberHomes
from tests.taskforce.member_program import accounts, now, run_member, write_csv

KEY = bytes(32)
TODAY = date(2026, 11, 22)
FIRST = 93_000
WHOLE = 20_000_000_000_000
MANY = 20_000


@pytest.fixture
def vault(tmp_path: Path) -> Vault:
    return Vault.create(tmp_path / "vault.sqlite", KEY, "a")


def own_row(number: int, submission_id: str, line: int = 2, reference: str = "ref") -> OwnRow:
    source = Source(str(number), "mule", "", reference, {}, line, submission_id)
    return OwnRow("bank_account", str(WHOLE + number), source)


def begin(vault: Vault, expires_on: str = "2027-11-22", group: str = "open") -> str:
    """An upload that has begun, under its id as its name."""
    submission_id = uuid7()
    envelope = stated_envelope(group=group, expires_on=expires_on)
    Uploads(vault).begin(submission_id.encode(), Upload(submission_id, envelope, 10))
    return submission_id


def finish(vault: Vault, submission_id: str) -> str:
    Uploads(vault).finish(submission_id.encode(), Upload(submission_id, stated_envelope(), 10), 1)
    return submission_id


def keep(vault: Vault, *rows: OwnRow, group: str = "open", epoch: int = 1) -> None:
    VaultRows(vault).store(rows, group, epoch)


def take_back(vault: Vault, submission_id: str, number: int | None = None, reason: str = "cleared") -> None:
    lookup = None if number is None else VaultRows(vault).lookup("bank_account", str(WHOLE + number))
    with vault.transaction():
        Uploads(vault).keep_withdrawn(submission_id, lookup, reason)


def every(vault: Vault, today: date = TODAY) -> list[StandingRow]:
    return list(StandingRows(vault, today).every())


def states(vault: Vault, today: date = TODAY) -> list[tuple[str, str | None]]:
    return [(str(one.state), one.withdrawal_reason) for one in every(vault, today)]


def test_a_row_is_active_to_the_end_of_its_last_day_and_then_expired(vault: Vault) -> None:
    keep(vault, own_row(1, finish(vault, begin(vault, "2026-11-22"))))
    assert states(vault) == [("active", None)]
    assert states(vault, TODAY + timedelta(days=1)) == [("expired", None)]
    assert every(vault)[0].expires_on == "2026-11-22"


def test_a_row_taken_back_says_why_whether_by_value_or_with_its_submission(vault: Vault) -> None:
    one, other = (finish(vault, begin(vault, "2026-11-01")) for _ in range(2))
    keep(vault, own_row(1, one), own_row(2, one, 3), own_row(3, other))
    take_back(vault, one, 2, "false_positive")
    take_back(vault, other)
    assert states(vault) == [("expired", None), ("withdrawn", "false_positive"), ("withdrawn", "cleared")]


def test_a_row_is_pending_until_its_part_is_confirmed(vault: Vault) -> None:
    hanging = begin(vault)
    keep(vault, own_row(1, hanging, 2), own_row(2, hanging, 3), own_row(3, hanging, 4))
    assert states(vault) == [("pending", None)] * 3
    Uploads(vault).confirm(hanging, 0, PartOutcome(2, 0, [], [], last_line=3), Receipt(b"r", b"s"))
    assert states(vault) == [("active", None)] * 2 + [("pending", None)]
    take_back(vault, hanging, 3)
    assert states(vault)[2] == ("withdrawn", "cleared")
    finish(vault, hanging)
    assert states(vault) == [("active", None)] * 2 + [("withdrawn", "cleared")]


def test_a_row_submitted_twice_has_the_state_of_its_live_original(vault: Vault) -> None:
    first = finish(vault, begin(vault, "2026-12-01"))
    keep(vault, own_row(1, first))
    second = finish(vault, begin(vault))
    keep(vault, own_row(1, second, reference="another"))
    assert states(vault) == [("active", None), ("duplicate", None)]
    assert [one.expires_on for one in every(vault)] == ["2026-12-01"] * 2, "the last day is that of what lives"
    assert states(vault, date(2026, 12, 2)) == [("expired", None)] * 2
    take_back(vault, first)
    assert states(vault) == [("withdrawn", "cleared")] * 2
    third = finish(vault, begin(vault))
    again = own_row(1, third, reference="third")
    keep(vault, again)
    VaultRows(vault).take_over([again], "open", 1)
    assert states(vault) == [("withdrawn", "cleared"), ("duplicate", None), ("active", None)]


def test_what_lives_in_another_group_is_not_what_a_row_duplicates(vault: Vault) -> None:
    here, there = finish(vault, begin(vault)), finish(vault, begin(vault, group="cell"))
    keep(vault, own_row(1, here))
    keep(vault, own_row(1, there), group="cell")
    take_back(vault, here)
    assert states(vault) == [("withdrawn", "cleared"), ("duplicate", None)]
    VaultRows(vault).take_over([own_row(1, there)], "cell", 1)
    assert [(one.group, str(one.state)) for one in every(vault)] == [("open", "withdrawn"), ("cell", "active")]


def test_a_million_rows_are_not_read_at_once(vault: Vault, monkeypatch: pytest.MonkeyPatch) -> None:
    submission_id = finish(vault, begin(vault))
    keep(vault, *(own_row(number, submission_id, number + 2) for number in range(MANY)))
    opened: Counter[str] = Counter()
    honest = vault.cipher.open

    def counting(table: str, place: bytes, sealed: bytes) -> bytes:
        opened[table] += 1
        return honest(table, place, sealed)

    monkeypatch.setattr(vault.cipher, "open", counting)
    statements: list[str] = []
    vault.connection.set_trace_callback(statements.append)
    lines = []
    for position, standing in enumerate(StandingRows(vault, TODAY).every(), 1):
        lines.append(standing.row.source.line)
        assert opened["sources"] == opened["indicators"] == position
    assert lines == list(range(2, MANY + 2)), "in the order in which they came, each once"
    pages = [statement for statement in statements if "FROM sources" in statement]
    assert len(pages) == MANY // 500 + 1
    assert all("LIMIT 500" in page for page in pages)


def test_what_comes_every_night_is_not_read_to_find_what_was_taken_back(
    vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A nightly file with a column of its own each night, as the day of its run, brings other rows of known values."""
    first = finish(vault, begin(vault))
    keep(vault, *(own_row(number, first) for number in range(3)))
    take_back(vault, first)
    lookups = [VaultRows(vault).lookup("bank_account", str(WHOLE + number)) for number in range(3)]
    opened: Counter[str] = Counter()
    honest = vault.cipher.open

    def counting(table: str, place: bytes, sealed: bytes) -> bytes:
        opened[table] += 1
        return honest(table, place, sealed)

    monkeypatch.setattr(vault.cipher, "open", counting)
    for night in range(1, 6):
        submission_id = finish(vault, begin(vault))
        keep(vault, *(own_row(number, submission_id, reference=f"night {night}") for number in range(3)))
        opened.clear()
        assert TakenBackRows(vault).reasons(lookups, "open") == dict.fromkeys(lookups, "cleared")
        assert opened["sources"] == 3, night
    again = own_row(1, finish(vault, begin(vault)), reference="night 5")
    VaultRows(vault).take_over([again], "open", 1)
    assert TakenBackRows(vault).reasons(lookups, "open").keys() == {lookups[0], lookups[2]}


@pytest.fixture(scope="module")
def lonely(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of a bank that has reached nobody yet, with many rows in its vault; the last is taken back."""
    folder = tmp_path_factory.mktemp("rows")
    made = ("init", "--member-id", "a", "--sandbox", "--passphrase-dir", str(passphrases(folder / "pp")))
    assert run_member(folder / "a", *made).status == 0
    home = Home.open(folder / "a")
    with open_vault(home, unlock_representative(home, "analyst")) as opened:
        submission_id = finish(opened, begin(opened, "2999-01-01"))
        keep(opened, *(own_row(number, submission_id, number + 2) for number in range(MANY)))
        take_back(opened, submission_id, MANY - 1)
    return folder / "a"


def test_a_large_vault_is_listed_whole_for_programs_and_to_files(lonely: Path, tmp_path: Path) -> None:
    listed = run_member(lonely, "rows").document["rows"]
    assert [row["line"] for row in listed] == list(range(2, MANY + 2))
    assert run_member(lonely, "rows").document["rows"] == listed
    done = run_member(lonely, "rows", "--state", "active", "--output", str(tmp_path / "rows.csv"))
    assert (done.status, len(done.document["rows"])) == (0, MANY - 1)
    with (tmp_path / "rows.csv").open(encoding="utf-8-sig", newline="") as stream:
        written = list(csv.DictReader(stream))
    assert list(written[0]) == list(listed[0])
    assert [int(row["line"]) for row in written] == [row["line"] for row in listed[:-1]]
    assert run_member(lonely, "rows", "--state", "withdrawn", "--output", str(tmp_path / "rows.xlsx")).status == 0
    sheet = load_workbook(tmp_path / "rows.xlsx").active
    assert [cell.value for cell in sheet[2]][:2] == ["withdrawn", "cleared"]
    assert sheet.max_row == 2


def test_people_are_shown_the_last_rows_at_80_columns(lonely: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said = run_member(lonely, "rows", as_json=False).document["text"]
    lines = said.splitlines()
    assert f"{MANY:,} rows: {MANY - 1:,} active, 1 withdrawn" in said
    assert max(map(len, lines)) <= 80
    assert sum(str(WHOLE)[:8] in line for line in lines) == 500
    assert f"… and {MANY - 500:,} earlier ones; --output F.csv or --json gives all" in lines
    table = [line.split("│") for line in lines if line.count("│") > 1]
    assert [cell.strip() for cell in table[-1]][2] in ("cleared", "Withdrawn: cleared")
    one = run_member(lonely, "rows", "--state", "withdrawn", "--submission", "1", as_json=False).document["text"]
    assert "1 row: 1 withdrawn" in one
    assert "no rows" in run_member(lonely, "rows", "--state", "expired", as_json=False).document["text"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("--state", "gone"), "--state"),
        (("--type", "shoe_size"), "--type"),
        (("--expiring", "soon"), "--expiring"),
        (("--expiring", "-1"), "--expiring"),
        (("--expiring", "99999"), "--expiring"),
        (("--submission", "no id"), "submission"),
        (("--submission", "999"), "submission"),
        (("--submission", uuid7()), "--submission"),
        (("--output", "rows.txt"), "--output"),
    ],
)
def test_a_filter_that_cannot_be_is_refused_by_name(lonely: Path, arguments: tuple[str, ...], named: str) -> None:
    done = run_member(lonely, "rows", *arguments)
    assert (done.status, done.document["error"]["type"]) == (2, "usage")
    assert named in done.document["error"]["detail"]


def listed(taskforce: MemberHomes, bank: str, *filters: str) -> list[tuple[int, str, str | None]]:
    """A bank's rows of this module: number, state, reason."""
    found: list[dict[str, Any]] = taskforce.run(bank, "rows", *filters).document["rows"]
    kept = [(int(row["canonical"]) - WHOLE, row) for row in found if row["indicator_type"] == "bank_account"]
    return [(number, row["state"], row["withdrawal_reason"]) for number, row in kept if FIRST <= number < FIRST + 100]


def test_a_row_that_the_exchange_refuses_is_kept_nowhere(taskforce: MemberHomes, tmp_path: Path) -> None:
    bad, good = FIRST + 50, FIRST + 51
    lines = (f"bank_account,{WHOLE + bad},x,2999-01-01,", *accounts(good), f"bank_account,{WHOLE + bad},again,,")
    done = taskforce.run("b", "submit", str(write_csv(tmp_path / "days.csv", *lines))).document
    assert (done["accepted"], len(done["rejected"])) == (1, 1)
    assert listed(taskforce, "b", "--submission", done["submission_id"]) == [(good, "active", None)]


def test_row_states_are_listed_and_filtered_with_the_exchange_down(
    taskforce: MemberHomes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    one, two, three, four, refused, hung = range(FIRST, FIRST + 6)
    soon = (now().date() + timedelta(days=10)).isoformat()
    near = str(write_csv(tmp_path / "near.csv", *accounts(one, two), "phone,+447700900877,test,,"))
    first = taskforce.run("a", "submit", near, "--expires", soon).document["submission_id"]
    far = str(write_csv(tmp_path / "far.csv", *accounts(three, four), f"bank_account,{WHOLE + one},again,,other"))
    second = taskforce.run("a", "submit", far).document["submission_id"]
    withdrawn = taskforce.run("a", "withdraw", "--type", "bank_account", str(WHOLE + four), "--reason", "cleared")
    assert withdrawn.status == 0
    no_group = str(write_csv(tmp_path / "refused.csv", *accounts(refused)))
    assert taskforce.run("a", "submit", no_group, "--group", "unknown").status == 1
    hanging = str(write_csv(tmp_path / "hung.csv", *accounts(hung)))
    with taskforce.losing_answers("/submissions"):
        assert taskforce.run("a", "submit", hanging).status == 1
    of_first = [(one, "active", None), (two, "active", None)]
    of_second = [(three, "active", None), (four, "withdrawn", "cleared"), (one, "duplicate", None)]
    every_row = [*of_first, *of_second, (hung, "pending", None)]
    with monkeypatch.context() as patch:
        patch.setattr(taskforce, "applications", {})
        assert taskforce.run("a", "hits").document["error"]["type"] == "unreachable"
        assert listed(taskforce, "a") == every_row, "and none of the submission that was refused"
        for state in RowState:
            assert listed(taskforce, "a", "--state", str(state)) == [row for row in every_row if row[1] == state]
        assert listed(taskforce, "a", "--state", "withdrawn", "--state", "duplicate") == of_second[1:]
        assert listed(taskforce, "a", "--submission", first) == of_first
        assert listed(taskforce, "a", "--submission", second[:-1]) == of_second
        assert listed(taskforce, "a", "--expiring", "10") == of_first
        assert listed(taskforce, "a", "--expiring", "9") == []
        phones = taskforce.run("a", "rows", "--type", "phone", "--submission", first).document["rows"]
        assert [(row["canonical"], row["expires_on"], row["line"]) for row in phones] == [("+447700900877", soon, 4)]
        assert taskforce.run("a", "vault", "export", str(tmp_path / "all.csv")).status == 0
    with (tmp_path / "all.csv").open(encoding="utf-8-sig", newline="") as stream:
        marked = [(row["canonical"], row["state"], row["withdrawal_reason"]) for row in csv.DictReader(stream)]
    assert {(str(WHOLE + four), "withdrawn", "cleared"), (str(WHOLE + one), "duplicate", "")} <= set(marked)
    assert taskforce.run("a", "submit", hanging).document["accepted"] == 1
    assert listed(taskforce, "a")[-1] == (hung, "active", None)


def test_what_was_taken_back_is_known_under_a_new_vault_key_too(vault: Vault) -> None:
    own, whole = finish(vault, begin(vault)), finish(vault, begin(vault))
    keep(vault, own_row(1, own), own_row(2, own), own_row(3, whole))
    take_back(vault, own, 1)
    take_back(vault, whole, reason="error")
    marked = VaultRows(vault).lookup("bank_account", str(WHOLE + 2))
    with vault.transaction():
        TakenBackRows(vault).mark([marked], "court_order")
    key = KEY + bytes(range(32))
    with vault.transaction():
        change_key(vault, key)
    vault.cipher = VaultCipher(key)
    lookups = [VaultRows(vault).lookup("bank_account", str(WHOLE + number)) for number in (1, 2, 3)]
    assert list(TakenBackRows(vault).reasons(lookups, "open").values()) == ["court_order", "cleared", "error"]
    assert states(vault)[0] == ("withdrawn", "cleared")
