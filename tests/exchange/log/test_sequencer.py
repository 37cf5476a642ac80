"""The sequencer: what a tick writes, and what happens when two run, one dies, or a backup comes back."""

from __future__ import annotations

import threading
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import Table, delete, select, update
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from exchange.kernel.base import Base
from exchange.kernel.leases import Lease, LeaseLostError
from exchange.log.entries import View, record_event
from exchange.log.head_file import HeadFile, LogRefusedError, LogRestoredError
from exchange.log.sequencer import CARRIED_TICKS, Sequencer, merge_delay, taken_of
from exchange.log.tables import LogCheckpoint, LogEntry, LogLeaf, LogNumber, LogPending, LogTile
from tests.exchange.log.laboratory import NOW, ORIGIN, SIGNER, TABLES, Laboratory
from tlog.checkpoint import Checkpoint, open_checkpoint
from tlog.entries import CHAIN_START, leaf_entry, next_chain_head
from tlog.hashing import EMPTY_ROOT, leaf_hash
from tlog.notes import NoteSigner
from tlog.proofs import tree_root
from tlog.tiles import TileHashReader, decode_entries


def record_two(session: Session, member: str) -> None:
    record_event(session, "test", [View(member, {}), View("all", {})], NOW)


def opened(note: str) -> Checkpoint:
    return open_checkpoint(note, ORIGIN, [SIGNER.verifier_key]).checkpoint


def published(laboratory: Laboratory) -> Checkpoint:
    return opened(laboratory.checkpoint())


def leaves(laboratory: Laboratory) -> list[bytes]:
    with laboratory.database.reading() as session:
        rows = session.execute(select(LogLeaf.idx, LogLeaf.entry).order_by(LogLeaf.idx)).all()
    assert [row.idx for row in rows] == list(range(len(rows)))
    return [row.entry for row in rows]


def assert_whole(laboratory: Laboratory) -> None:
    """Every tile of the published tree is served and leads to the root; every entry is in the tree exactly once."""
    head = published(laboratory)
    stored = leaves(laboratory)[: head.size]
    tree = TileHashReader(head.size, head.root, laboratory.tile)
    assert [tree.leaf(index) for index in range(head.size)] == [leaf_hash(entry) for entry in stored]
    held: dict[int, list[bytes]] = defaultdict(list)
    with laboratory.database.reading() as session:
        placed = select(LogNumber.idx, LogEntry.entry).join(LogEntry, LogEntry.entry_id == LogNumber.entry_id)
        for index, entry in session.execute(placed.order_by(LogNumber.member_id, LogNumber.number)):
            held[index].append(entry)
    assert all(stored[index] == leaf_entry(entries) for index, entries in held.items() if index < head.size)


def test_a_tick_gives_each_member_one_leaf_entry_or_padding(laboratory: Laboratory) -> None:
    laboratory.record({"a": {}, "b": {}, "c": {}})
    laboratory.settle()
    for number in range(2):
        laboratory.record({"a": {"n": number}})
    laboratory.record({"c": {}})
    before = published(laboratory).size
    ticked = laboratory.tick()
    assert (ticked.size - before, ticked.entries, ticked.padding) == (3, 2, 1)
    indices = {member: laboratory.entries(member)["entries"][-1]["index"] - before for member in ("a", "c")}
    assert indices == {"a": 0, "c": 2}
    assert laboratory.count(LogPending) == 1
    laboratory.settle()
    assert [entry["number"] for entry in laboratory.entries("a")["entries"]] == [1, 2, 3]
    assert_whole(laboratory)


def test_a_member_s_numbers_follow_the_order_of_recording(laboratory: Laboratory) -> None:
    events = [laboratory.record({"a": {"n": number}}).event_id for number in range(12)]
    laboratory.settle()
    entries = laboratory.entries("a")["entries"]
    assert [entry["event_id"] for entry in entries] == events
    assert [entry["index"] for entry in entries] == sorted(entry["index"] for entry in entries)


@pytest.mark.parametrize("waiting", [0, 1, CARRIED_TICKS, 70, 3_000])
def test_the_tree_grows_by_one_leaf_for_each_member_whatever_waits(waiting: int, laboratory: Laboratory) -> None:
    laboratory.record({"a": {}, "b": {}, "c": {}})
    laboratory.settle()
    before = published(laboratory).size
    laboratory.record_many("a", waiting)
    assert [laboratory.tick().size for _ in range(3)] == [before + 3, before + 6, before + 9]


def test_a_member_that_fills_its_queue_delays_nobody_else(laboratory: Laboratory) -> None:
    laboratory.record({"a": {}, "b": {}})
    laboratory.settle()
    laboratory.record_many("a", 1_000)
    laboratory.record({"b": {"n": 2}})
    size = laboratory.tick().size
    assert laboratory.entries("b")["entries"][-1]["index"] == size - 1


def test_nothing_waits_longer_than_its_ticks(laboratory: Laboratory) -> None:
    """However much comes, an entry has its place after one tick more than entries are carried over."""
    waiting: dict[str, int] = {}
    for tick in range(12):
        for _ in range((tick * 7) % 11):
            waiting[laboratory.record({"a": {}}).event_id] = tick
        laboratory.tick()
        for event_id in {entry["event_id"] for entry in laboratory.entries("a")["entries"]} & waiting.keys():
            assert tick - waiting.pop(event_id) <= CARRIED_TICKS
    assert merge_delay(300) > (CARRIED_TICKS + 1) * 300


@pytest.mark.parametrize(("waiting", "taken"), [(0, 0), (1, 1), (4, 1), (5, 1), (6, 2), (100, 96), (50_000, 16_384)])
def test_a_leaf_holds_one_entry_or_all_that_is_not_carried_over(waiting: int, taken: int) -> None:
    assert taken_of(waiting) == taken


def test_an_empty_log_grows_by_one_leaf_a_tick(laboratory: Laboratory) -> None:
    assert [laboratory.tick().size for _ in range(3)] == [1, 2, 3]


def test_chain_heads_follow_the_leaves(laboratory: Laboratory) -> None:
    for number in range(3):
        laboratory.record({"a": {"n": number}})
        laboratory.settle()
    head = CHAIN_START
    with laboratory.database.reading() as session:
        rows = select(LogNumber.chain_head, LogEntry.entry).join(LogEntry, LogEntry.entry_id == LogNumber.entry_id)
        for stored, entry in session.execute(rows.order_by(LogNumber.number)):
            head = next_chain_head(head, entry)
            assert stored == head


def test_full_tiles_are_stored_and_partial_ones_derived(laboratory: Laboratory) -> None:
    laboratory.add_members(1024)
    laboratory.tick()
    assert laboratory.tick().size == 2048
    laboratory.record({"a": {}})
    assert laboratory.tick().size == 3073
    with laboratory.database.reading() as session:
        tiles = session.execute(select(LogTile.level, LogTile.tile).order_by(LogTile.tile)).all()
    assert tiles == [(0, number) for number in range(12)]
    assert laboratory.tile("tile/0/000.p/7") == laboratory.tile("tile/0/000")[: 7 * 32]
    assert len(laboratory.tile("tile/1/000.p/12")) == 12 * 32
    assert decode_entries(laboratory.tile("tile/entries/012.p/1"), 1) == leaves(laboratory)[3072:]
    assert_whole(laboratory)


def test_a_leaf_holds_a_bounded_number_and_the_next_the_rest(laboratory: Laboratory) -> None:
    laboratory.record_many("a", 25)
    small = laboratory.sequencer(largest_batch=20)
    assert [small.tick(NOW, laboratory.lease).entries for _ in range(6)] == [20, 1, 1, 1, 1, 1]
    assert [entry["number"] for entry in laboratory.entries("a")["entries"]] == list(range(1, 26))
    assert_whole(laboratory)


def test_thousands_of_entries_fit_in_one_leaf(laboratory: Laboratory) -> None:
    laboratory.record_many("a", 3_000)
    assert laboratory.tick().size == 1
    assert laboratory.count(LogNumber) == 3_000 - CARRIED_TICKS
    laboratory.settle()
    assert_whole(laboratory)


def test_every_checkpoint_is_consistent_with_all_before(laboratory: Laboratory) -> None:
    heads = []
    for count in (0, 3, 40, 0, 70, 300):
        laboratory.record_many("a", count)
        laboratory.record({f"b-{count}": {}})
        heads.append(opened(laboratory.tick().checkpoint))
    tree = TileHashReader(heads[-1].size, heads[-1].root, laboratory.tile)
    for head in heads:
        assert tree_root(head.size, tree.read) == head.root


def test_two_sequencers_at_once_never_fork(laboratory: Laboratory) -> None:
    """Even with both believing in the lease, ticks follow one another or fail."""
    laboratory.record_many("a", 60)
    laboratory.add_members(3)
    failures: list[BaseException] = []
    notes: list[str] = []

    def run() -> None:
        for _ in range(6):
            try:
                notes.append(laboratory.sequencer(largest_batch=10).tick(NOW, laboratory.lease).checkpoint)
            except (DBAPIError, LogRefusedError) as error:
                failures.append(error)

    threads = [threading.Thread(target=run) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    heads = {opened(note).size: opened(note).root for note in notes}
    assert len(heads) == len(notes)
    last = published(laboratory)
    assert last.size == max(heads)
    tree = TileHashReader(last.size, last.root, laboratory.tile)
    assert all(tree_root(size, tree.read) == root for size, root in heads.items())
    laboratory.settle()
    assert laboratory.count(LogNumber) == 60
    assert_whole(laboratory)


def test_attacker_cannot_insert_a_second_leaf_at_an_index(laboratory: Laboratory) -> None:
    laboratory.tick()
    with pytest.raises(DBAPIError), laboratory.tampering() as session:
        session.add(LogLeaf(idx=0, entry=bytes(33)))


def test_a_sequencer_whose_lease_was_taken_over_writes_nothing(laboratory: Laboratory) -> None:
    laboratory.record({"a": {}})
    old = laboratory.lease
    laboratory.take_lease("second", NOW + timedelta(seconds=11))
    with pytest.raises(LeaseLostError):
        laboratory.sequencer().tick(NOW, old)
    assert [laboratory.count(table) for table in (LogLeaf, LogNumber, LogCheckpoint)] == [0, 0, 0]
    assert laboratory.count(LogPending) == 1
    head = laboratory.head_file.read()
    assert head is not None
    assert head.size == 0


def test_attacker_cannot_sequence_with_a_lease_of_its_own_making(laboratory: Laboratory) -> None:
    for forged in (Lease("sequencer", "first", 2), Lease("sequencer", "other", 1), Lease("other", "first", 1)):
        with pytest.raises(LeaseLostError):
            laboratory.sequencer().tick(NOW, forged)


def test_an_old_sequencer_that_wakes_up_does_not_set_the_head_back(laboratory: Laboratory) -> None:
    old = laboratory.sequencer()
    half = old.sequence(NOW, laboratory.lease)
    laboratory.tick()
    old.publish(half, NOW)
    head = laboratory.head_file.read()
    assert head is not None
    assert head.size == 2
    assert published(laboratory).size == 2


def test_the_next_tick_publishes_what_a_crash_left_committed(laboratory: Laboratory) -> None:
    laboratory.record({"a": {}})
    signed = laboratory.sequencer().sequence(NOW, laboratory.lease)
    assert laboratory.checkpoint() == ""
    assert len(laboratory.entries("a")["pending"]) == 1
    laboratory.record({"a": {}})
    laboratory.tick()
    head = published(laboratory)
    assert head.size == 2
    tree = TileHashReader(head.size, head.root, laboratory.tile)
    assert tree_root(1, tree.read) == opened(signed.checkpoint).root
    assert [entry["number"] for entry in laboratory.entries("a")["entries"]] == [1, 2]


def test_a_crash_between_head_file_and_publication_is_taken_in_too(laboratory: Laboratory) -> None:
    laboratory.tick()
    signed = laboratory.sequencer().sequence(NOW, laboratory.lease)
    laboratory.head_file.advance(signed.checkpoint)
    assert published(laboratory).size == 1
    laboratory.tick()
    assert published(laboratory).size == 3
    assert_whole(laboratory)


def test_nothing_beyond_the_published_size_is_served(laboratory: Laboratory) -> None:
    laboratory.add_members(16)
    laboratory.tick()
    laboratory.sequencer().sequence(NOW, laboratory.lease)
    assert len(laboratory.tile("tile/0/000.p/16")) == 16 * 32
    for path in ("tile/0/000.p/17", "tile/0/000.p/32", "tile/entries/000.p/32", "tile/1/000.p/1"):
        with pytest.raises(LookupError):
            laboratory.tile(path)


@contextmanager
def restored(laboratory: Laboratory) -> Iterator[None]:
    """Whatever the block writes is undone afterwards, as a restored backup undoes it."""
    tables = [table.__table__ for table in TABLES]
    copy = {}
    with laboratory.database.reading() as session:
        for table in tables:
            copy[table] = [dict(row._mapping) for row in session.execute(select(table))]
    yield
    with laboratory.tampering() as session:
        for table, rows in copy.items():
            assert isinstance(table, Table)
            session.execute(delete(table))
            if rows:
                session.execute(table.insert(), rows)


def test_a_restored_older_database_is_not_signed(laboratory: Laboratory) -> None:
    laboratory.record({"a": {}})
    laboratory.tick()
    with restored(laboratory):
        laboratory.record({"a": {}})
        laboratory.tick()
    laboratory.record({"b": {}})
    with pytest.raises(LogRestoredError, match="restored from an older copy"):
        laboratory.tick()
    assert laboratory.count(LogLeaf) == 1
    assert laboratory.count(LogPending) == 1


def test_a_restored_database_with_another_history_is_not_signed(laboratory: Laboratory, tmp_path: Path) -> None:
    """It grew past the size of the signed head on a branch of its own."""
    laboratory.tick()
    with restored(laboratory):
        laboratory.tick()
    rogue_folder = tmp_path / "rogue"
    rogue_folder.mkdir()
    rogue = HeadFile(rogue_folder / "head", SIGNER)
    rogue.create()
    for _ in range(2):
        Sequencer(laboratory.database, SIGNER, rogue).tick(NOW, laboratory.lease)
    with pytest.raises(LogRestoredError, match="another history"):
        laboratory.tick()


def test_a_lost_head_file_stops_the_log(laboratory: Laboratory, tmp_path: Path) -> None:
    with pytest.raises(LogRestoredError, match="missing"):
        Sequencer(laboratory.database, SIGNER, HeadFile(tmp_path / "elsewhere", SIGNER)).tick(NOW, laboratory.lease)
    assert laboratory.count(LogLeaf) == 0


def test_a_head_file_of_another_key_stops_the_log(laboratory: Laboratory, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    HeadFile(tmp_path / "other" / "head", NoteSigner(ORIGIN, bytes(32))).create()
    with pytest.raises(LogRefusedError):
        Sequencer(laboratory.database, SIGNER, HeadFile(tmp_path / "other" / "head", SIGNER)).tick(
            NOW, laboratory.lease
        )


def test_an_existing_head_is_never_created_over(laboratory: Laboratory) -> None:
    laboratory.tick()
    with pytest.raises(FileExistsError):
        laboratory.head_file.create()


def test_the_head_file_starts_with_the_empty_tree(laboratory: Laboratory) -> None:
    assert laboratory.head_file.read() == Checkpoint(ORIGIN, 0, EMPTY_ROOT)


@pytest.mark.parametrize("table", [LogLeaf, LogTile, LogCheckpoint])
def test_attacker_with_the_database_cannot_have_changed_rows_signed(table: type[Base], laboratory: Laboratory) -> None:
    laboratory.add_members(520)
    laboratory.tick()
    laboratory.tick()
    changes = {
        LogLeaf: update(LogLeaf).where(LogLeaf.idx == 1030).values(entry=bytes(33)),
        LogTile: update(LogTile).where(LogTile.tile == 2).values(root=bytes(32)),
        LogCheckpoint: delete(LogCheckpoint).where(LogCheckpoint.size == 1040),
    }
    with laboratory.tampering() as session:
        session.execute(changes[table])
    with pytest.raises(LogRefusedError):
        laboratory.tick()


def test_attacker_with_the_database_cannot_have_deleted_leaves_signed(laboratory: Laboratory) -> None:
    laboratory.add_members(16)
    laboratory.tick()
    with laboratory.tampering() as session:
        session.execute(delete(LogLeaf).where(LogLeaf.idx == 3))
    with pytest.raises(LogRefusedError):
        laboratory.tick()


def test_writers_during_ticks_have_every_entry_sequenced_exactly_once(laboratory: Laboratory) -> None:
    stop = threading.Event()
    failures: list[BaseException] = []

    def write(member: str) -> None:
        for _ in range(25):
            try:
                laboratory.database.run_in_transaction(lambda session: record_two(session, member), attempts=10)
            except BaseException as error:  # noqa: BLE001 - shown below, in the test's own thread
                failures.append(error)

    def sequence() -> None:
        while not stop.is_set():
            try:
                laboratory.tick()
            except DBAPIError as error:
                failures.append(error)

    writers = [threading.Thread(target=write, args=(name,)) for name in ("a", "b", "c")]
    ticker = threading.Thread(target=sequence)
    for thread in (*writers, ticker):
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    ticker.join()
    laboratory.settle()
    assert failures == []
    assert laboratory.count(LogNumber) == laboratory.count(LogEntry) == 3 * 25 * 2
    assert laboratory.count(LogPending) == 0
    for member in ("a", "b", "c"):
        numbers = [entry["number"] for entry in laboratory.entries(member)["entries"]]
        assert numbers == list(range(1, len(numbers) + 1))
    assert_whole(laboratory)


def test_a_tick_removes_what_a_killed_sequencer_left_by_the_head(laboratory: Laboratory, tmp_path: Path) -> None:
    (tmp_path / "head.new").write_text("half a note")
    laboratory.record({"a": {}})
    laboratory.tick()
    assert {path.name for path in tmp_path.iterdir() if path.name.startswith("head")} == {"head", "head.lock"}
    assert published(laboratory).size == 1
