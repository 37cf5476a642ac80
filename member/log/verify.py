"""Verifying the log: every disclosure made to or by this member is in it, once, unaltered, in a history that only
grows.

In order:
1. All own entries are read and opened (member.log.chain), those that were waiting at the call when they have their
   place.
2. The checkpoint is signed by the log's key, no smaller than the one seen before, and its tree continues that
   one's.
3. Every entry is the leaf at its index, in tiles that lead to the checkpoint's root.
4. The leaves that the exchange keeps are those that the tree was built from: own ones however old, and the newest
   whoever's they are (member.log.leaves).
5. Every receipt's entry is among them, or waits within the delay that the receipt grants. What is said to wait is
   shown, opened, under a receipt that is kept: no entry is pending for ever, and none goes missing between two calls.
6. The hits that the exchange shows are those last disclosed in the log or by what waits, no more, no less, no other.

The first fault is raised as a LogFault that names the entry. What the exchange never computed, no log can show.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import msgspec

from member.log.chain import HitFields, LogFault, OwnChain, OwnEntry, Place, WaitingEntry, shown_fields
from member.log.leaves import StoredLeaves
from member.log.receipts import LoggedReceipt
from member.transport.exchange_client import LogPage
from member.transport.pages import ListBound
from schemas.hits import DisclosedHit
from tlog.checkpoint import Checkpoint, SignedCheckpoint, open_checkpoint
from tlog.entries import CHAIN_START, BatchPlace, leaf_entry, place_in_batch
from tlog.hashing import leaf_hash
from tlog.notes import NoteError, VerifierKey
from tlog.offline_proofs import format_offline_proof
from tlog.proofs import prove_inclusion, tree_root
from tlog.tiles import TileError, TileHashReader

__all__ = ["LastSeen", "LogFault", "LogSource", "LogVerifier", "LoggedReceipt", "OwnEntry", "VerifiedLog"]

LONGEST_WAIT = timedelta(seconds=60)
HEADS_OVERDUE = timedelta(days=3)
"""Without a day's head for so long the tail of the chain may have been cut; a member that never had one is not
owed any.
"""

_WAIT_STEP_SECONDS = 0.25
_PAGE = 500


class LogSource(Protocol):
    """Where the log is read from: member.transport.exchange_client.ExchangeClient, or anything like it."""

    def checkpoint(self) -> bytes:
        """The checkpoint's note."""

    def tile(self, path: str) -> bytes:
        """A tile by its path after `tile/`."""

    def log_page(self, after: int, limit: int = ...) -> LogPage:
        """Own entries numbered above `after`."""

    def hits(self) -> Iterable[DisclosedHit]:
        """Every live hit."""


@dataclass(frozen=True)
class LastSeen:
    """How far this member had verified before: the checkpoint's note, and its own chain."""

    checkpoint_note: str | None = None
    number: int = 0
    chain_head: bytes = CHAIN_START


@dataclass(frozen=True)
class VerifiedLog:
    """A log that stood up. `waiting` are the ids of own entries still without a place, `waiting_entries` what these and
    any later ones say, `pending` the events of receipts whose
    entries are among them, within the time that each grants; `erased` are the numbers without content;
    where either is not empty, hits were compared as far as that leaves open. Store `seen` for the next time.
    """

    signed: SignedCheckpoint
    entries: int
    erased: tuple[int, ...]
    waiting: tuple[str, ...]
    waiting_entries: tuple[WaitingEntry, ...]
    receipts: int
    pending: tuple[str, ...]
    hits: int
    seen: LastSeen
    tree: TileHashReader
    shared: Mapping[int, Sequence[Place]]

    @property
    def checkpoint(self) -> Checkpoint:
        """The verified checkpoint."""
        return self.signed.checkpoint

    def leaf_of(self, entry: OwnEntry) -> tuple[bytes, BatchPlace | None]:
        """The 33 bytes of the leaf that holds an own entry, and its place there where others share the leaf."""
        held = self.shared.get(entry.index)
        if held is None:
            return entry.entry, None
        entries = [place.entry for place in held]
        return leaf_entry(entries), place_in_batch(entry.number - held[0].number, entries)

    def offline_proof(self, index: int) -> str:
        """A tlog-proof of the leaf at an index, for anyone to verify without the log."""
        proof = prove_inclusion(index, self.checkpoint.size, self.tree.read)
        return format_offline_proof(index, proof, str(self.signed.note))


class LogVerifier:
    """Verifies one member's part of one log. `read_waiting` gives the entries without a place, opened, under receipts
    that are kept (member.log.waiting_entries). `monotonic`, `sleep` and `now` stand in for the clock in tests."""

    def __init__(
        self,
        source: LogSource,
        *,
        member_id: str,
        origin: str,
        log_key: VerifierKey,
        read_waiting: Callable[[], Iterable[WaitingEntry]],
        monotonic: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._source = source
        self._member_id = member_id
        self._origin = origin
        self._log_key = log_key
        self._read_waiting = read_waiting
        self._monotonic = monotonic
        self._sleep = sleep
        self._now = now

    def verify(
        self,
        seen: LastSeen | None = None,
        receipts: Iterable[LoggedReceipt] = (),
        *,
        with_hits: bool = True,
        each: Callable[[OwnEntry], None] = lambda _: None,
    ) -> VerifiedLog:
        """Verify everything; `each` gets every own entry in turn, once it has been opened.

        Raises LogFault for the first fault, and whatever the source raises when it cannot be reached.
        """
        seen = seen or LastSeen()
        chain = OwnChain(self._member_id, seen.number, seen.chain_head)
        pending = self._read_on(chain, each)
        known = chain.number  # hits read from here on agree with this state, or with one disclosed later
        hits = {hit.hit_id: shown_fields(msgspec.to_builtins(hit)) for hit in self._source.hits()} if with_hits else {}
        leaves = StoredLeaves(self._source.tile)
        self._check_what_is_there(chain, leaves, seen)
        waiting = self._wait(chain, pending, each)
        opened = self._open_waiting(chain, waiting, each) if waiting else []
        if chain.number < seen.number:
            raise LogFault("it was there before and is missing now", number=chain.number + 1)
        signed, tree = self._open_tree(seen)
        _check_inclusion(chain, tree)
        leaves.check_own(chain.leaves(), tree.size)
        leaves.audit_newest(tree)
        checked, unplaced = self._check_receipts(chain, receipts, {one.event_id for one in opened})
        self._check_day_heads(chain)
        if with_hits:
            _check_hits(chain, hits, known, opened)
        next_seen = LastSeen(str(signed.note), chain.number, chain.heads[-1])
        return VerifiedLog(
            signed=signed,
            entries=chain.number,
            erased=tuple(chain.erased),
            waiting=tuple(sorted(waiting)),
            waiting_entries=tuple(opened),
            receipts=checked,
            pending=unplaced,
            hits=len(hits),
            seen=next_seen,
            tree=tree,
            shared={leaf.index: leaf.places for leaf in chain.leaves() if len(leaf.places) > 1},
        )

    def _check_what_is_there(self, chain: OwnChain, leaves: StoredLeaves, seen: LastSeen) -> None:
        """Look at what has a place before waiting for more: the sequencer does not go on from a damaged log."""
        if not chain.places:
            return
        published = self._open_checkpoint(self._source.checkpoint(), "the checkpoint").checkpoint
        leaves.check_own(chain.leaves(), published.size)
        self._open_tree(seen)

    def _read_on(self, chain: OwnChain, each: Callable[[OwnEntry], None]) -> set[str]:
        """Take in all entries that have a place by now; the ids of those that had none when the reading began."""
        pending: set[str] | None = None
        bound = ListBound("log entries")
        while True:
            with bound.page():
                page = self._source.log_page(chain.number, _PAGE)
            if pending is None:
                pending = set(page.pending)
            for row in page.entries:
                each(chain.add(row))
            if page.next is None:
                return pending - chain.entry_ids
            if page.next != chain.number or not page.entries:
                raise LogFault("the exchange's pages of entries do not follow one another", number=chain.number + 1)

    def _wait(self, chain: OwnChain, pending: set[str], each: Callable[[OwnEntry], None]) -> set[str]:
        """Read on until all that waited has a place, or LONGEST_WAIT is over; what waits still."""
        deadline = self._monotonic() + LONGEST_WAIT.total_seconds()
        still = self._read_on(chain, each)
        wanted = (pending | still) - chain.entry_ids
        while True:
            lost = wanted - still - chain.entry_ids
            if lost:
                raise LogFault("it waited for its place and is gone", entry_id=min(lost))
            wanted -= chain.entry_ids
            left = deadline - self._monotonic()
            if not wanted or left <= 0:
                return wanted
            self._sleep(min(_WAIT_STEP_SECONDS, left))
            still = self._read_on(chain, each)

    def _open_waiting(self, chain: OwnChain, waiting: set[str], each: Callable[[OwnEntry], None]) -> list[WaitingEntry]:
        """The entries that wait still, each under its receipt; those that have a place by now leave `waiting`."""
        opened = list(self._read_waiting())
        self._read_on(chain, each)
        waiting -= chain.entry_ids
        without = waiting - {one.entry_id for one in opened}
        if without:
            raise LogFault("it is said to wait for its place, and no receipt promises it one", entry_id=min(without))
        return [one for one in opened if one.entry_id not in chain.entry_ids]

    def _open_tree(self, seen: LastSeen) -> tuple[SignedCheckpoint, TileHashReader]:
        """The present tree, known to continue the one seen before."""
        signed = self._open_checkpoint(self._source.checkpoint(), "the checkpoint")
        new = signed.checkpoint
        try:
            tree = TileHashReader(new.size, new.root, lambda path: self._source.tile(path.removeprefix("tile/")))
            if seen.checkpoint_note is None:
                return signed, tree
            old = self._open_checkpoint(seen.checkpoint_note, "the checkpoint seen before").checkpoint
            if new.size < old.size:
                raise LogFault(f"the log has shrunk: {new.size} leaves, where {old.size} were seen before")
            if tree_root(old.size, tree.read) != old.root:
                raise LogFault(f"the log was forked: its first {old.size} leaves are others than those seen before")
        except TileError as error:
            raise LogFault(f"a tile is wrong: {error}") from error
        return signed, tree

    def _open_checkpoint(self, note: bytes | str, name: str) -> SignedCheckpoint:
        try:
            return open_checkpoint(note, self._origin, [self._log_key])
        except NoteError as error:
            raise LogFault(f"{name} is not one of this log: {error}") from error

    def _check_receipts(
        self, chain: OwnChain, receipts: Iterable[LoggedReceipt], waiting_events: set[str]
    ) -> tuple[int, tuple[str, ...]]:
        checked, unplaced = 0, set()
        for receipt in receipts:
            receipt.check(self._now())
            entry = chain.entry_by_event.get(receipt.event_id)
            if entry is not None and entry != receipt.entry:
                place = next(place for place in chain.places if place.event_id == receipt.event_id)
                raise LogFault("it is another than the receipt promises", **place.where)
            overdue = self._now() > receipt.due
            if entry is None and (overdue or receipt.event_id not in waiting_events):
                raise LogFault("a receipt promises it, and it is not in the log", event_id=receipt.event_id)
            checked += 1
            if entry is None:
                unplaced.add(receipt.event_id)
        return checked, tuple(sorted(unplaced))

    def _check_day_heads(self, chain: OwnChain) -> None:
        if chain.last_day is not None and self._now().date() - chain.last_day > HEADS_OVERDUE:
            raise LogFault(
                f"no head of a day since {chain.last_day.isoformat()}: later entries may be withheld",
                number=chain.number + 1,
            )


def _check_inclusion(chain: OwnChain, tree: TileHashReader) -> None:
    for leaf in chain.leaves():
        if leaf.index >= tree.size:
            raise LogFault(f"its index lies outside the tree of {tree.size} leaves", **leaf.where)
        try:
            is_there = tree.leaf(leaf.index) == leaf_hash(leaf.entry)
        except TileError as error:
            raise LogFault(f"a tile is wrong: {error}", **leaf.where) from error
        if not is_there:
            raise LogFault("the tree has another leaf at its index", **leaf.where)


def _check_hits(chain: OwnChain, hits: dict[str, HitFields], known: int, waiting: Sequence[WaitingEntry]) -> None:
    """Each hit is shown as the log has it: as of entry `known`, or as disclosed since (the exchange goes on while
    we read), or by an entry that waits.

    An erased entry may hold a newer state than the one found, and then nothing can be said against the
    exchange.
    """
    unplaced = [state for one in waiting for state in one.hit_states()]
    is_open = any(one.view is None for one in waiting)
    for hit_id in sorted(hits.keys() | chain.hit_states.keys()):
        states = chain.hit_states.get(hit_id, [])
        before = [state for state in states if state[0] <= known][-1:] or [(0, None)]
        possible = before + [state for state in states if state[0] > known]
        shown = hits.get(hit_id)
        if any(fields == shown for _, fields in possible) or (hit_id, shown) in unplaced:
            continue
        last = possible[-1][0]
        if is_open or any(number > last for number in chain.erased):
            continue
        place = chain.places[last - 1] if last else None
        what = "was never disclosed in it" if place is None else "differs from what it last disclosed"
        raise LogFault(
            f"the exchange shows hit {hit_id} in a state that {what}",
            number=place.number if place else None,
            event_id=place.event_id if place else None,
            index=place.index if place else None,
        )
