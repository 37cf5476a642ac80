"""What a member finds when it verifies the log: nothing on an honest one, and every kind of tampering by name."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from sqlalchemy import delete, select, update

from exchange.log.day_heads import record_day_heads
from exchange.log.head_file import HeadFile
from exchange.log.receipts import waiting_entries
from exchange.log.sequencer import Sequencer
from exchange.log.tables import (
    LogCheckpoint,
    LogEntry,
    LogLeaf,
    LogNumber,
    LogPending,
    LogPublication,
    LogTile,
)
from keys.signatures.messages import SigningKey
from member.log.chain import WaitingEntry
from member.log.receipts import promised_by
from member.log.verify import LastSeen, LogFault, LoggedReceipt, LogVerifier, OwnEntry, VerifiedLog
from member.log.waiting_entries import WaitingEntries
from member.transport.exchange_client import LogPage
from member.vault.store import Vault
from schemas.hits import DisclosedHit
from schemas.values.canonical import canonical_json, parse_canonical_json
from schemas.values.encoding import from_base64, to_base64, to_rfc3339
from schemas.values.identifiers import uuid7
from tests.exchange.log.laboratory import NOW, ORIGIN, SIGNER, Laboratory, copy_laboratory, erase_event
from tests.filled_databases import CopyFilled
from tlog.checkpoint import Checkpoint, sign_checkpoint
from tlog.entries import CHAIN_START, entry_commitment, next_chain_head, verify_in_batch
from tlog.notes import NoteSigner
from tlog.offline_proofs import verify_offline_proof
from tlog.proofs import ProofError

Row = dict[str, Any]
RECEIPT_KEY = SigningKey.from_seed(bytes(32))


@pytest.fixture
def laboratory(copy_filled: CopyFilled, tmp_path: Path) -> Iterator[Laboratory]:
    """A log without entries."""
    with copy_laboratory(copy_filled, "empty", lambda log: None, tmp_path) as made:
        yield made


@pytest.fixture
def recorded(copy_filled: CopyFilled, tmp_path: Path) -> Iterator[Laboratory]:
    """A log of 16 members: five entries of "a" over five ticks."""
    with copy_laboratory(copy_filled, "of-a", record_first, tmp_path) as made:
        yield made


def record_first(laboratory: Laboratory) -> None:
    laboratory.add_members(13, "a", "b", "c")
    laboratory.record({"a": {"hits": [hit("h1"), hit("h2")]}, "b": {"hits": [hit("h9")]}})
    laboratory.record({"b": {}})
    laboratory.record({"a": {"count": 1}}, kind="hits_read")
    laboratory.settle()
    laboratory.record({"a": {"hits": [hit("h1", "2-4")]}, "c": {}})
    laboratory.record({"a": {"ended": ["h2"]}}, kind="hits_changed")
    laboratory.record({"a": {}}, kind="refusal")
    laboratory.settle()


def hit(hit_id: str, institutions: str = "1") -> Row:
    return {
        "hit_id": hit_id, "token": to_base64(bytes(32)), "indicator_type": "iban", "institutions": institutions,
        "sectors": ["banking"], "themes": [], "first_seen": "2026-11", "stage": "hit",
        "disclosed_at": to_rfc3339(NOW),
    }  # fmt: skip


class Served:
    """The exchange as member "a" reads it. Tests bend its answers; `on_sleep` is what waiting brings."""

    def __init__(self, laboratory: Laboratory) -> None:
        self.laboratory = laboratory
        self.shown: list[Row] = []
        self.bend_page: Callable[[Row], Row] = lambda page: page
        self.bend_tile: Callable[[str, bytes], bytes] = lambda path, data: data
        self.bend_checkpoint: Callable[[str], str] = lambda note: note
        self.on_sleep: Callable[[], object] = lambda: None
        self.page_limit = 500
        self.bend_waiting: Callable[[Row], Row] = lambda row: row
        self.vault = Vault.create(laboratory.folder / f"{uuid7()}.sqlite", bytes(32), "a")
        self.slept = 0.0
        self.tiles_fetched = 0

    def checkpoint(self) -> bytes:
        return self.bend_checkpoint(self.laboratory.checkpoint()).encode()

    def tile(self, path: str) -> bytes:
        self.tiles_fetched += 1
        return self.bend_tile(path, self.laboratory.tile(f"tile/{path}"))

    def log_page(self, after: int, limit: int = 500) -> LogPage:
        page = self.bend_page(self.laboratory.entries("a", after, min(limit, self.page_limit)))
        return LogPage(page["entries"], page["pending"], page["next"])

    def waiting(self, now: datetime) -> list[WaitingEntry]:
        """What waits, under receipts that the vault keeps."""
        rows = msgspec.to_builtins(
            waiting_entries(self.laboratory.database, RECEIPT_KEY, "a", 500, after="", delay=460)
        )
        kept = WaitingEntries(self.vault, ORIGIN, "a")
        return kept.take_in([self.bend_waiting(row) for row in rows], RECEIPT_KEY.public_bytes, now)

    def hits(self) -> Iterable[DisclosedHit]:
        return [DisclosedHit(**fields) for fields in self.shown]

    def sleep(self, seconds: float) -> None:
        self.slept += seconds
        self.on_sleep()

    def verify(self, seen: LastSeen | None = None, now: datetime = NOW, **options: Any) -> VerifiedLog:
        verifier = LogVerifier(
            self,
            member_id="a",
            origin=ORIGIN,
            log_key=SIGNER.verifier_key,
            read_waiting=lambda: self.waiting(now),
            monotonic=lambda: self.slept,
            sleep=self.sleep,
            now=lambda: now,
        )
        return verifier.verify(seen, **options)


@pytest.fixture
def served(recorded: Laboratory) -> Served:
    """An honest log, as "a" reads it: one live hit and one ended."""
    exchange = Served(recorded)
    exchange.shown = [hit("h1", "2-4")]
    return exchange


def fault(served: Served, seen: LastSeen | None = None, **options: Any) -> LogFault:
    with pytest.raises(LogFault) as caught:
        served.verify(seen, **options)
    return caught.value


def bend_row(number: int, /, **changes: Any) -> Callable[[Row], Row]:
    def bend(page: Row) -> Row:
        for row in page["entries"]:
            if row["number"] == number:
                row.update(changes)
        return page

    return bend


def own_row(served: Served, number: int) -> Row:
    row: Row = served.laboratory.entries("a", number - 1)["entries"][0]
    return row


def forged_row(served: Served, number: int, body: Row) -> Row:
    """A row whose view, salt, entry and chain head fit together: everything but the tree."""
    row = own_row(served, number)
    view, salt = canonical_json(body), bytes(32)
    before = own_row(served, number - 1)["chain_head"] if number > 1 else to_base64(CHAIN_START)
    entry = entry_commitment(salt, view)
    head = next_chain_head(from_base64(before), entry)
    changes = {"view": view, "salt": salt, "entry": entry, "chain_head": head}
    return row | {name: to_base64(value) for name, value in changes.items()}


def view_of(row: Row) -> Row:
    view: Row = parse_canonical_json(from_base64(row["view"]))
    return view


# The honest log


def test_an_honest_log_stands_up(served: Served) -> None:
    verified = served.verify()
    assert (verified.entries, verified.hits, verified.waiting, verified.erased) == (5, 1, (), ())
    assert verified.checkpoint.size == 80
    assert verified.seen.number == 5


def test_each_entry_is_handed_on_opened(served: Served) -> None:
    entries: list[OwnEntry] = []
    served.verify(each=entries.append)
    assert [entry.view["kind"] for entry in entries if entry.view] == [
        "match", "hits_read", "match", "hits_changed", "refusal",
    ]  # fmt: skip


def test_it_stands_up_in_small_pages_and_again_later(served: Served) -> None:
    served.page_limit = 2
    seen = served.verify().seen
    for _ in range(3):
        served.laboratory.record({"a": {}})
        served.laboratory.settle()
        verified = served.verify(seen)
        assert verified.seen.number == seen.number + 1
        seen = verified.seen


def test_a_member_without_entries_verifies_the_log_all_the_same(laboratory: Laboratory) -> None:
    laboratory.record({"b": {}})
    laboratory.settle()
    assert Served(laboratory).verify().entries == 0


def test_thousands_of_entries_need_each_tile_once(laboratory: Laboratory) -> None:
    laboratory.record_many("a", 2_000)
    laboratory.settle()
    exchange = Served(laboratory)
    assert exchange.verify().entries == 2_000
    assert exchange.tiles_fetched <= 4  # 1,996 of them share a leaf


def test_large_views_are_read(laboratory: Laboratory) -> None:
    shown = [hit(f"h{number}") for number in range(8_000)]
    laboratory.record({"a": {"hits": shown}})
    laboratory.settle()
    exchange = Served(laboratory)
    exchange.shown = shown
    assert exchange.verify().hits == 8_000


def test_proofs_of_own_entries_verify_offline(served: Served) -> None:
    entries: list[OwnEntry] = []
    verified = served.verify(each=entries.append)
    for entry in entries:
        proof = verified.offline_proof(entry.index)
        assert verify_offline_proof(proof, entry.entry, ORIGIN, [SIGNER.verifier_key]).size == 80


def test_erased_entries_still_verify_by_their_bytes(served: Served) -> None:
    event_id = own_row(served, 2)["event_id"]
    with served.laboratory.tampering() as session:
        erase_event(session, event_id)
    served.laboratory.settle()
    verified = served.verify()
    assert verified.erased == (2,)
    assert verified.entries == 5


def test_an_erased_disclosure_leaves_open_what_was_last_shown(served: Served) -> None:
    with served.laboratory.tampering() as session:
        erase_event(session, own_row(served, 3)["event_id"])
    served.laboratory.settle()
    assert served.verify().erased == (3,)


# Waiting


def test_entries_committed_before_the_call_are_waited_for(served: Served) -> None:
    served.laboratory.record({"a": {"hits": [hit("h3")]}})
    served.shown.append(hit("h3"))
    served.on_sleep = served.laboratory.settle
    verified = served.verify()
    assert (verified.entries, verified.hits, verified.waiting) == (6, 2, ())
    assert served.slept > 0


def test_waiting_ends_after_sixty_seconds_and_is_told(served: Served) -> None:
    served.laboratory.record({"a": {}})
    verified = served.verify()
    assert 60 <= served.slept < 61
    assert (verified.entries, len(verified.waiting)) == (5, 1)


def test_entries_that_come_in_meanwhile_are_not_waited_for(served: Served) -> None:
    def meanwhile() -> None:
        served.laboratory.settle()
        served.laboratory.record({"a": {}})

    served.laboratory.record({"a": {}})
    served.on_sleep = meanwhile
    assert served.verify().waiting == ()
    assert served.slept < 1


def test_a_disclosure_while_verifying_is_no_fault(served: Served) -> None:
    def meanwhile() -> list[DisclosedHit]:
        served.laboratory.record({"a": {"hits": [hit("h1", "5+"), hit("h3")], "ended": []}})
        served.laboratory.settle()
        return [DisclosedHit(**hit("h1", "2-4"))]

    served.hits = meanwhile  # type: ignore[method-assign]
    assert served.verify().entries == 6


def test_attacker_cannot_drop_an_entry_that_was_waiting(served: Served) -> None:
    served.laboratory.record({"a": {}})
    waiting = served.laboratory.entries("a")["pending"][0]

    def drop() -> None:
        with served.laboratory.tampering() as session:
            session.execute(delete(LogPending))

    served.on_sleep = drop
    found = fault(served)
    assert found.where == {"entry_id": waiting}


def test_attacker_cannot_have_an_entry_wait_without_a_receipt(served: Served) -> None:
    """One invented id under `pending`, and a hit altered, one hidden, one invented: each check must still be made."""
    served.bend_page = lambda page: page | {"pending": [*page["pending"], "bogus"]}
    served.shown = [hit("h1", "5+"), hit("h7")]
    found = fault(served)
    assert (found.where, "no receipt" in found.detail) == ({"entry_id": "bogus"}, True)


@pytest.mark.parametrize("shown", [[hit("h1", "5+")], [], [hit("h1", "2-4"), hit("h7")]])
def test_attacker_cannot_show_false_hits_while_an_entry_waits(shown: list[Row], served: Served) -> None:
    served.laboratory.record({"a": {"hits": [hit("h3")]}})
    served.shown = [*shown, hit("h3")]
    assert "the exchange shows hit h" in fault(served).detail


def test_what_waiting_entries_disclose_may_be_shown(served: Served) -> None:
    served.laboratory.record({"a": {"hits": [hit("h3")], "ended": ["h1"]}})
    served.shown = [hit("h3")]
    verified = served.verify()
    assert [one.entry_id for one in verified.waiting_entries] == list(verified.waiting)


def test_attacker_cannot_leave_an_entry_waiting_for_ever(served: Served) -> None:
    event = served.laboratory.record({"a": {}})
    seen = served.verify().seen
    promised = promised_by(WaitingEntries(served.vault, ORIGIN, "a").receipts())
    assert [one.event_id for one in promised] == [event.event_id]
    assert fault(served, seen, now=NOW + timedelta(days=2), receipts=promised).where == {"event_id": event.event_id}


def test_attacker_cannot_drop_what_waited_while_another_entry_waits(served: Served) -> None:
    event = served.laboratory.record({"a": {}})
    seen = served.verify().seen
    promised = promised_by(WaitingEntries(served.vault, ORIGIN, "a").receipts())
    with served.laboratory.tampering() as session:
        session.execute(delete(LogPending))
    served.laboratory.record({"a": {}})
    assert fault(served, seen, receipts=promised).where == {"event_id": event.event_id}


# Tampering with an entry


def test_attacker_cannot_change_a_view(served: Served) -> None:
    row = own_row(served, 3)
    view = view_of(row)
    view["hits"] = []
    served.bend_page = bend_row(3, view=to_base64(canonical_json(view)))
    found = fault(served)
    assert found.where == {
        "number": 3, "event_id": row["event_id"], "index": row["index"], "entry_id": row["entry_id"]
    }  # fmt: skip
    assert "commits to" in found.detail
    assert "entry (number 3, event " in found.detail


def test_attacker_cannot_change_a_salt(served: Served) -> None:
    served.bend_page = bend_row(3, salt=to_base64(bytes(32)))
    found = fault(served)
    assert (found.where["number"], "commits to" in found.detail) == (3, True)


def test_attacker_cannot_change_an_entry(served: Served) -> None:
    served.bend_page = bend_row(3, entry=to_base64(b"\x01" + bytes(32)))
    assert fault(served).where["number"] == 3


def test_attacker_cannot_put_another_entry_in_place_of_an_erased_one(served: Served) -> None:
    served.bend_page = bend_row(3, view=None, salt=None, entry=to_base64(b"\x01" + bytes(32)))
    found = fault(served)
    assert (found.where["number"], "chain head" in found.detail) == (3, True)


@pytest.mark.parametrize("field", ["view", "salt"])
def test_attacker_cannot_erase_half_of_an_opening(field: str, served: Served) -> None:
    served.bend_page = bend_row(3, **{field: None})
    found = fault(served)
    assert (found.where["number"], "missing, but not both" in found.detail) == (3, True)


def test_attacker_cannot_rewrite_an_entry_with_everything_but_the_tree(served: Served) -> None:
    body = view_of(own_row(served, 5)) | {"kind": "harmless"}
    forged = forged_row(served, 5, body)
    served.bend_page = bend_row(5, **forged)
    found = fault(served)
    assert found.where["number"] == 5
    assert found.where["index"] == forged["index"]
    assert "leaf stored at its index is another" in found.detail


def test_attacker_cannot_rewrite_an_entry_together_with_its_leaf(served: Served) -> None:
    body = view_of(own_row(served, 5)) | {"kind": "harmless"}
    forged = forged_row(served, 5, body)
    served.bend_page = bend_row(5, **forged)
    with served.laboratory.tampering() as session:
        statement = update(LogLeaf).where(LogLeaf.idx == forged["index"])
        session.execute(statement.values(entry=from_base64(forged["entry"])))
    assert "tile" in fault(served).detail


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"member_id": "b"}, "addressed to another member"),
        ({"event_id": "other"}, "another event"),
        ({"recorded_at": "yesterday"}, "has a missing field"),
        ({"hits": [{"no": "id"}]}, "has a missing field"),
        ({"hits": 3}, "has a missing field"),
        ({"kind": "day_head"}, "has a missing field"),
    ],
)
def test_attacker_cannot_have_a_strange_view_pass(changes: Row, what: str, served: Served) -> None:
    forged = forged_row(served, 5, view_of(own_row(served, 5)) | changes)
    served.bend_page = bend_row(5, **forged)
    found = fault(served)
    assert (found.where["number"], what in found.detail) == (5, True)


@pytest.mark.parametrize("view", [b"[]", b'{"a": 1}', b"\xff", b"{", b"[" * 100_000])
def test_attacker_cannot_have_a_view_pass_that_is_not_canonical(view: bytes, served: Served) -> None:
    salt = bytes(32)
    entry = entry_commitment(salt, view)
    served.bend_page = bend_row(2, view=to_base64(view), salt=to_base64(salt), entry=to_base64(entry))
    found = fault(served)
    assert (found.where["number"], "canonical" in found.detail) == (2, True)


@pytest.mark.parametrize(
    "changes",
    [
        {"entry": "AAAA"},
        {"entry": None},
        {"entry": 5},
        {"view": "*"},
        {"view": 7},
        {"salt": "AAAA"},
        {"chain_head": "AAAA"},
        {"chain_head": None},
        {"number": True},
        {"number": "2"},
        {"index": None},
        {"index": -1},
        {"event_id": None},
        {"entry_id": 5},
    ],
)
def test_malformed_rows_are_faults(changes: Row, served: Served) -> None:
    served.bend_page = bend_row(2, **changes)
    assert fault(served).where["number"] == 2


def test_another_member_s_entry_is_a_fault(served: Served) -> None:
    theirs = served.laboratory.entries("b")["entries"][1]

    def bend(page: Row) -> Row:
        for row in page["entries"]:
            if row["number"] == 2:
                row.update(theirs, number=2)
        return page

    served.bend_page = bend
    found = fault(served)
    assert found.where["event_id"] == theirs["event_id"] or "behind" in found.detail


# Holes


def test_attacker_cannot_leave_an_entry_out(served: Served) -> None:
    def bend(page: Row) -> Row:
        page["entries"] = [row for row in page["entries"] if row["number"] != 3]
        return page

    served.bend_page = bend
    found = fault(served)
    assert (found.where["number"], "missing" in found.detail) == (3, True)


def test_attacker_cannot_leave_an_entry_out_and_renumber_the_rest(served: Served) -> None:
    with served.laboratory.tampering() as session:
        session.execute(delete(LogNumber).where(LogNumber.member_id == "a", LogNumber.number == 3))
        for number in (4, 5):
            row = update(LogNumber).where(LogNumber.member_id == "a", LogNumber.number == number)
            session.execute(row.values(number=number - 1))
    found = fault(served)
    assert (found.where["number"], "chain head" in found.detail) == (3, True)


def test_attacker_cannot_rebuild_the_chain_after_it_was_seen(served: Served) -> None:
    seen = served.verify().seen
    with served.laboratory.tampering() as session:
        session.execute(delete(LogNumber).where(LogNumber.member_id == "a", LogNumber.number == 5))
    found = fault(served, seen)
    assert (found.where["number"], "missing" in found.detail) == (5, True)


def test_attacker_cannot_give_a_seen_number_to_another_entry(served: Served) -> None:
    seen = served.verify().seen
    other = LastSeen(seen.checkpoint_note, seen.number, bytes(32))
    found = fault(served, other)
    assert (found.where["number"], "others than those seen" in found.detail) == (5, True)


def test_attacker_cannot_give_two_numbers_to_one_leaf(served: Served) -> None:
    first = own_row(served, 1)
    served.bend_page = bend_row(2, index=first["index"])
    found = fault(served)
    assert (found.where["number"], "another" in found.detail) == (2, True)
    served.bend_page = bend_row(3, index=first["index"])
    assert (fault(served).where["number"], "lies before" in fault(served).detail) == (3, True)


@pytest.fixture
def batched(laboratory: Laboratory) -> Served:
    """A log in which seven of eleven own entries share a leaf, in pages of four."""
    for number in range(11):
        laboratory.record({"a": {"n": number}})
    laboratory.settle()
    exchange = Served(laboratory)
    exchange.page_limit = 4
    return exchange


def test_entries_that_share_a_leaf_stand_up(batched: Served) -> None:
    entries: list[OwnEntry] = []
    assert batched.verify(each=entries.append).entries == 11
    assert [entry.index for entry in entries] == [0] * 7 + [1, 2, 3, 4]


def test_proofs_of_entries_that_share_a_leaf_verify_offline(batched: Served) -> None:
    entries: list[OwnEntry] = []
    verified = batched.verify(each=entries.append)
    for entry in entries:
        leaf, place = verified.leaf_of(entry)
        proof = verified.offline_proof(entry.index)
        assert verify_offline_proof(proof, leaf, ORIGIN, [SIGNER.verifier_key]).size == 5
        if place is None:
            assert leaf == entry.entry
            continue
        verify_in_batch(leaf, entry.entry, place)
        for wrong in ((leaf, bytes(33)), (entry.entry, entry.entry)):
            with pytest.raises(ProofError):
                verify_in_batch(*wrong, place)
        with pytest.raises(ProofError):
            verify_in_batch(leaf, entry.entry, replace(place, position=(place.position + 1) % 7))
    assert [verified.leaf_of(entry)[1] is None for entry in entries] == [False] * 7 + [True] * 4


@pytest.mark.parametrize("number", [1, 4, 7])
def test_attacker_cannot_move_an_entry_out_of_its_leaf(number: int, batched: Served) -> None:
    batched.bend_page = bend_row(number, index=1 if number == 7 else 5)
    assert fault(batched).where["number"] in {number - 1, number, number + 1}


def test_attacker_cannot_change_an_entry_that_shares_a_leaf(batched: Served) -> None:
    body = view_of(own_row(batched, 7)) | {"kind": "harmless"}
    forged = forged_row(batched, 7, body)
    batched.bend_page = bend_row(7, **forged)
    found = fault(batched)
    assert (found.where["number"], found.where["index"]) == (8, 1)  # the chain goes on from another


def test_attacker_cannot_drop_the_tail_of_a_shared_leaf(laboratory: Laboratory) -> None:
    laboratory.record_many("a", 11)
    laboratory.tick()
    with laboratory.tampering() as session:
        session.execute(delete(LogNumber).where(LogNumber.number == 7))
        session.execute(delete(LogPending))
    found = fault(Served(laboratory))
    assert (found.where["number"], "another" in found.detail) == (6, True)


def test_attacker_cannot_name_an_index_outside_the_tree_or_a_wrong_one(served: Served) -> None:
    served.bend_page = bend_row(5, index=80)
    found = fault(served)
    assert (found.where["number"], "outside" in found.detail) == (5, True)
    last = own_row(served, 5)["index"]
    served.bend_page = bend_row(5, index=last + 1)
    assert fault(served).where["number"] == 5


def test_attacker_cannot_change_a_chain_head(served: Served) -> None:
    served.bend_page = bend_row(4, chain_head=to_base64(bytes(32)))
    found = fault(served)
    assert (found.where["number"], "chain head" in found.detail) == (4, True)


def test_attacker_cannot_keep_the_reader_for_ever(served: Served) -> None:
    def bend(page: Row) -> Row:
        return page | {"entries": [], "next": 0}

    served.bend_page = bend
    assert "do not follow" in fault(served).detail


# Tree, tiles, checkpoint


def test_attacker_cannot_bend_a_tile(served: Served) -> None:
    def bend(path: str, data: bytes) -> bytes:
        return data if path.startswith("entries") else bytes([data[0] ^ 1]) + data[1:]

    served.bend_tile = bend
    assert "tile" in fault(served).detail
    served.bend_tile = lambda path, data: data if path.startswith("entries") else data[:-1]
    assert "tile" in fault(served).detail


def test_attacker_cannot_bend_a_full_tile(laboratory: Laboratory) -> None:
    laboratory.add_members(300)
    laboratory.record({"a": {}})
    laboratory.tick()
    with laboratory.tampering() as session:
        hashes = session.scalars(select(LogTile.hashes).where(LogTile.tile == 0)).one()
        session.execute(update(LogTile).where(LogTile.tile == 0).values(hashes=bytes(32) + hashes[32:]))
    found = fault(Served(laboratory))
    assert "tile/0/000 does not hash" in found.detail
    assert "number" in found.where


@pytest.mark.parametrize("index", [0, 299, 300, 1_023])
def test_attacker_cannot_change_a_stored_leaf_whoever_it_belongs_to(index: int, laboratory: Laboratory) -> None:
    laboratory.add_members(1023)
    laboratory.record({"a": {}})
    laboratory.tick()
    with laboratory.tampering() as session:
        entry = session.scalars(select(LogLeaf.entry).where(LogLeaf.idx == index)).one()
        changed = entry[:-1] + bytes([entry[-1] ^ 1])
        session.execute(update(LogLeaf).where(LogLeaf.idx == index).values(entry=changed))
    found = fault(Served(laboratory))
    assert "leaf" in found.detail
    assert found.where["index"] == index


def test_a_bundle_cut_short_is_a_fault(served: Served) -> None:
    served.bend_tile = lambda path, data: data[:-1] if path.startswith("entries") else data
    assert "bundle" in fault(served).detail


@pytest.mark.parametrize(
    "bend",
    [
        lambda note: note.replace("\n80\n", "\n81\n"),
        lambda note: note[:-5] + "AAA=\n",
        lambda note: "",
        lambda note: sign_checkpoint(
            Checkpoint("other.example", 80, bytes(32)), NoteSigner("other.example", bytes(32))
        ),
        lambda note: sign_checkpoint(Checkpoint(ORIGIN, 80, bytes(32)), NoteSigner(ORIGIN, bytes(32))),
    ],
)
def test_attacker_cannot_bend_or_replace_the_checkpoint(bend: Callable[[str], str], served: Served) -> None:
    served.bend_checkpoint = bend
    assert "checkpoint" in fault(served).detail


def test_even_the_log_s_key_cannot_sign_another_root(served: Served) -> None:
    served.bend_checkpoint = lambda _: sign_checkpoint(Checkpoint(ORIGIN, 80, bytes(32)), SIGNER)
    assert "root" in fault(served).detail


def test_a_tree_that_shrank_is_a_fault(served: Served) -> None:
    seen = served.verify().seen
    with served.laboratory.tampering() as session:
        for table in (LogPublication, LogCheckpoint):
            session.execute(delete(table).where(table.size > 32))
        session.execute(delete(LogNumber).where(LogNumber.idx >= 32))
        session.execute(
            delete(LogEntry).where(LogEntry.kind != "none", ~LogEntry.entry_id.in_(select(LogNumber.entry_id)))
        )
    served.shown = [hit("h1"), hit("h2")]
    found = fault(served, LastSeen(seen.checkpoint_note))
    assert "shrunk" in found.detail


def test_a_forked_tree_is_a_fault(served: Served, tmp_path: Path) -> None:
    """The operator, with every key, wipes the tree and builds another from the same entries."""
    seen = served.verify().seen
    with served.laboratory.tampering() as session:
        entries = session.execute(select(LogEntry.entry_id, LogEntry.member_id).order_by(LogEntry.entry_id)).all()
        for table in (LogLeaf, LogNumber, LogTile, LogCheckpoint, LogPublication):
            session.execute(delete(table))
        for entry_id, member_id in entries:
            session.add(LogPending(entry_id=entry_id, member_id=member_id))
    (tmp_path / "rogue").mkdir()
    rogue = HeadFile(tmp_path / "rogue" / "head", SIGNER)
    rogue.create()
    for _ in range(6):
        Sequencer(served.laboratory.database, SIGNER, rogue).tick(NOW, served.laboratory.lease)
    found = fault(served, LastSeen(seen.checkpoint_note))
    assert "forked" in found.detail
    assert served.verify(with_hits=False).entries == 5  # only memory of the head tells the two apart


# Receipts


def receipt(served: Served, event_id: str, entry: bytes) -> LoggedReceipt:
    payload = {
        "event_id": event_id, "member_id": "a", "submission_id": "s", "part": 0, "accepted": 1, "duplicates": 0,
        "rejected": 0, "entry": to_base64(entry), "committed_at": to_rfc3339(served.laboratory.now),
        "maximum_merge_delay_seconds": 60,
    }  # fmt: skip
    return LoggedReceipt.from_payload(canonical_json(payload))


def test_receipts_are_found(served: Served) -> None:
    event = served.laboratory.record({"a": {}}, kind="submission")
    served.laboratory.settle()
    assert served.verify(receipts=[receipt(served, event.event_id, event.entries["a"])]).receipts == 1


def test_attacker_cannot_forget_what_it_gave_a_receipt_for(served: Served) -> None:
    found = fault(served, receipts=[receipt(served, "0190-gone", b"\x01" + bytes(32))])
    assert found.where == {"event_id": "0190-gone"}


def test_attacker_cannot_log_another_entry_than_the_receipt_s(served: Served) -> None:
    event = served.laboratory.record({"a": {}}, kind="submission")
    served.laboratory.settle()
    found = fault(served, receipts=[receipt(served, event.event_id, b"\x01" + bytes(32))])
    assert (found.where["number"], found.where["event_id"]) == (6, event.event_id)


def test_a_receipt_may_wait_for_the_merge_delay_and_no_longer(served: Served) -> None:
    event = served.laboratory.record({"a": {}}, kind="submission")
    promised = receipt(served, event.event_id, event.entries["a"])
    assert len(served.verify(receipts=[promised]).waiting) == 1
    late = served.laboratory.now + timedelta(seconds=61)
    assert fault(served, now=late, receipts=[promised]).where == {"event_id": event.event_id}


@pytest.mark.parametrize("payload", [b"", b"[]", b"{}", b'{"entry":5}', b"\xff"])
def test_malformed_receipts_are_refused(payload: bytes) -> None:
    with pytest.raises(ValueError, match=r"."):
        LoggedReceipt.from_payload(payload)


# Hits


def test_attacker_cannot_show_a_hit_otherwise_than_disclosed(served: Served) -> None:
    served.shown = [hit("h1", "5+")]
    found = fault(served)
    assert (found.where["number"], "h1" in found.detail) == (3, True)


def test_attacker_cannot_show_an_older_state(served: Served) -> None:
    served.shown = [hit("h1", "1")]
    assert fault(served).where["number"] == 3


def test_attacker_cannot_show_a_hit_that_was_never_disclosed(served: Served) -> None:
    served.shown.append(hit("h7"))
    assert "h7" in fault(served).detail


def test_attacker_cannot_hide_a_disclosed_hit(served: Served) -> None:
    served.shown = []
    assert fault(served).where["number"] == 3


def test_attacker_cannot_show_a_hit_that_ended(served: Served) -> None:
    served.shown.append(hit("h2"))
    assert fault(served).where["number"] == 4


# Day heads


def heads(laboratory: Laboratory, days: int) -> None:
    with laboratory.tampering() as session:
        record_day_heads(session, ["a"], NOW + timedelta(days=days))
    laboratory.settle()


def test_day_heads_that_state_the_chain_stand_up(served: Served) -> None:
    for day in range(3):
        heads(served.laboratory, day)
    assert served.verify(now=NOW + timedelta(days=2)).entries == 8


def test_a_cut_tail_shows_when_no_day_s_head_comes(served: Served) -> None:
    heads(served.laboratory, 0)
    found = fault(served, now=NOW + timedelta(days=4))
    assert (found.where["number"], "withheld" in found.detail) == (7, True)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ({"number": 2}, "not the chain head"),
        ({"number": 6}, "do not exist"),
        ({"number": "5"}, "do not exist"),
        ({"chain_head": to_base64(bytes(32))}, "not the chain head"),
        ({"day": "tomorrow"}, "has a missing field"),
    ],
)
def test_a_day_s_head_that_disagrees_is_a_fault(changes: Row, what: str, served: Served) -> None:
    heads(served.laboratory, 0)
    forged = forged_row(served, 6, view_of(own_row(served, 6)) | changes)
    served.bend_page = bend_row(6, **forged)
    found = fault(served)
    assert (found.where["number"], what in found.detail) == (6, True)


def test_a_missing_day_is_a_fault(served: Served) -> None:
    heads(served.laboratory, 0)
    heads(served.laboratory, 1)
    forged = forged_row(served, 7, view_of(own_row(served, 7)) | {"day": "2026-11-24"})
    served.bend_page = bend_row(7, **forged)
    found = fault(served)
    assert (found.where["number"], "2026-11-21 is missing" in found.detail) == (7, True)
