"""The sequencer: gives waiting entries their places in the tree, and signs the tree, tick by tick.

Rules, in order:
1. One at a time: each tick confirms its lease in its own transaction, and PRIMARY KEY (idx) stops a second history
   besides.
2. It signs only what continues the last signed head, which lies in a file outside the database (LogRestoredError
   otherwise).
3. The tree grows by one leaf for each member at every tick, whatever anybody did (docs/adr/0034): its oldest entries,
   or padding that nobody can tell from them. Members stand in the order of their ids. What waits longer is carried
   over in its member's own queue, and nobody's entries delay anybody else's.
4. Leaves, numbers, full tiles and checkpoint are one transaction. Then the head file, on disk. Then publication. A
   crash before the commit leaves nothing; one after it leaves a head that was signed and never shown, which the
   next tick takes in, since the database then continues the head file.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exchange.kernel.bulk_insert import delete_many, insert_many
from exchange.kernel.leases import Lease, confirm_lease
from exchange.kernel.session import Database
from exchange.kernel.upsert import insert_ignoring
from exchange.log.head_file import HeadFile, LogRefusedError, LogRestoredError
from exchange.log.reading import read_hashes
from exchange.log.tables import (
    LogCheckpoint,
    LogEntry,
    LogLane,
    LogLeaf,
    LogNumber,
    LogPending,
    LogPublication,
    LogTile,
)
from tlog.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from tlog.entries import CHAIN_START, SALT_BYTES, leaf_entry, next_chain_head, padding_entry
from tlog.growth import FullTile, TreeEdge, edge_widths
from tlog.hashing import HASH_BYTES, leaf_hash
from tlog.notes import NoteError, NoteSigner
from tlog.proofs import tree_root
from tlog.tiles import TILE_HEIGHT, TILE_WIDTH, TileError, TileHashReader, parse_tile_path

LARGEST_BATCH = 16_384  # of one member; a second or two on SQLite, whose other writers wait for it at most five
CARRIED_TICKS = 4
"""How many entries of a member are carried over at most, and so how many ticks one waits for a leaf of its own: what
more there is shares one leaf with others of the same member.
"""


@dataclass(frozen=True)
class TickResult:
    """What a tick did: the new size and note of the tree, how many entries got their place, and how many of its new
    leaves are padding.
    """

    size: int
    entries: int
    padding: int
    checkpoint: str


class _Waiting(NamedTuple):
    ticket: int
    entry_id: str
    entry: bytes


_Lanes = Mapping[str, Sequence[_Waiting]]
"""What each member's leaf of a tick holds, in the order of the leaves."""


class Sequencer:
    """Sequences one log. `head_file` was created with the log; `largest_batch` bounds the entries of a leaf.

    With `former` the newest stored checkpoint may be that signer's: the first tick of a log that was restarted under a
    new origin (exchange.operations.new_origin).
    """

    def __init__(
        self,
        database: Database,
        signer: NoteSigner,
        head_file: HeadFile,
        largest_batch: int = LARGEST_BATCH,
        *,
        former: NoteSigner | None = None,
    ) -> None:
        self._database = database
        self._former = former
        self._signer = signer
        self._head_file = head_file
        self._largest_batch = largest_batch

    def tick(self, now: datetime, lease: Lease) -> TickResult:
        """Sequence what waits, sign and publish.

        Raises LeaseLostError when the lease was taken over, LogRestoredError or LogRefusedError when the database
        must not be signed; the database's own errors pass. In each of these cases nothing new was published.
        """
        ticked = self.sequence(now, lease)
        self.publish(ticked, now)
        return ticked

    def sequence(self, now: datetime, lease: Lease) -> TickResult:
        """The first half of a tick: everything up to the commit, nothing published."""
        with self._database.transaction() as session:
            confirm_lease(session, lease)
            edge = self._checked_edge(session)
            lanes = _take_waiting(session, self._largest_batch)
            start = edge.size
            leaves = [leaf_entry([one.entry for one in held]) if held else _padding() for held in lanes.values()]
            leaves = leaves or [_padding()]  # nobody is a member yet
            tiles = edge.append(map(leaf_hash, leaves))
            note = sign_checkpoint(Checkpoint(self._signer.name, edge.size, edge.root()), self._signer)
            _store_leaves(session, start, leaves, tiles)
            _store_numbers(session, start, lanes)
            session.add(LogCheckpoint(size=edge.size, note=note, signed_at=now))
        entries = sum(map(len, lanes.values()))
        return TickResult(edge.size, entries, len(leaves) - sum(map(bool, lanes.values())), note)

    def publish(self, ticked: TickResult, now: datetime) -> None:
        """The second half: the head into its file, then into sight."""
        self._head_file.advance(ticked.checkpoint)
        with self._database.transaction() as session:
            insert_ignoring(session, LogPublication, [{"size": ticked.size, "published_at": now}])

    def _checked_edge(self, session: Session) -> TreeEdge:
        """The right edge of the stored tree, known to continue the last signed head."""
        edge = _load_edge(session)
        self._check_own_checkpoint(session, edge)
        head = self._head_file.read()
        if head is None:
            raise LogRestoredError(
                "the file with the last signed head is missing: put it back, or start a new log under a new origin"
            )
        if edge.size < head.size:
            raise LogRestoredError(
                f"the database has {edge.size} leaves, the last signed head {head.size}: it was restored from an "
                "older copy. Restore a newer copy, or start a new log under a new origin"
            )
        if _root_at(session, edge, head.size) != head.root:
            raise LogRestoredError(
                f"the database has another history than the head signed at size {head.size}. "
                "Restore the copy that belongs to it, or start a new log under a new origin"
            )
        return edge

    def _check_own_checkpoint(self, session: Session, edge: TreeEdge) -> None:
        """The newest stored checkpoint must be this key's, over exactly the stored tree."""
        note = session.scalar(select(LogCheckpoint.note).order_by(LogCheckpoint.size.desc()).limit(1))
        if note is None:
            if edge.size:
                raise LogRefusedError("the database has leaves and no checkpoint: it is damaged")
            return
        is_former = self._former is not None and note.partition("\n")[0] == self._former.name
        signer = self._former if self._former is not None and is_former else self._signer
        try:
            stored = open_checkpoint(note, signer.name, [signer.verifier_key]).checkpoint
        except NoteError as error:
            raise LogRefusedError(f"the stored checkpoint is not of this log and key: {error}") from error
        if (stored.size, stored.root) != (edge.size, edge.root()):
            raise LogRefusedError("the stored leaves are not those of the stored checkpoint: the database is damaged")


def merge_delay(tick_seconds: int) -> int:
    """After how many seconds at the latest a committed entry is in the published tree: the ticks for which it may be
    carried over, one that it just missed, one that is late, and a minute.
    """
    return (CARRIED_TICKS + 3) * tick_seconds + 60


def taken_of(waiting: int, largest_batch: int = LARGEST_BATCH) -> int:
    """How many of a member's waiting entries its leaf of a tick holds: one, or, where more wait than are carried over,
    all but those.
    """
    return min(max(waiting - CARRIED_TICKS, 1), waiting, largest_batch)


def _load_edge(session: Session) -> TreeEdge:
    last = session.scalar(select(func.max(LogLeaf.idx)))
    size = 0 if last is None else last + 1
    levels = []
    for level, width in enumerate(edge_widths(size)):
        end = size >> (TILE_HEIGHT * level)
        data = read_hashes(session, level, end - width, end) if width else b""
        levels.append([data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)])
    try:
        return TreeEdge(size, levels)
    except ValueError as error:
        raise LogRefusedError("leaves or tiles are missing: the database is damaged") from error


def _root_at(session: Session, edge: TreeEdge, size: int) -> bytes:
    """The root of the first `size` leaves of the stored tree."""
    if size == edge.size:
        return edge.root()

    def fetch(path: str) -> bytes:
        tile = parse_tile_path(path)
        start = tile.index * TILE_WIDTH
        return read_hashes(session, tile.level or 0, start, start + tile.width)

    try:
        return tree_root(size, TileHashReader(edge.size, edge.root(), fetch).read)
    except TileError as error:
        raise LogRefusedError(f"the stored tiles are damaged: {error}") from error


def _take_waiting(session: Session, largest_batch: int) -> _Lanes:
    """Remove from each member's queue what its leaf of this tick holds: its oldest tickets, none for most. Who has its
    first entry gets its lane.
    """
    counted = select(LogPending.member_id, func.count()).group_by(LogPending.member_id)
    waiting = {row[0]: row[1] for row in session.execute(counted)}
    known = set(session.scalars(select(LogLane.member_id)))
    insert_many(session, LogLane, [{"member_id": one} for one in sorted(waiting.keys() - known)])
    lanes: dict[str, Sequence[_Waiting]] = {}
    for member_id in sorted(known | waiting.keys()):
        count = taken_of(waiting.get(member_id, 0), largest_batch)
        lanes[member_id] = _oldest(session, member_id, count) if count else ()
    delete_many(session, LogPending, LogPending.ticket, [one.ticket for held in lanes.values() for one in held])
    return lanes


def _oldest(session: Session, member_id: str, count: int) -> list[_Waiting]:
    queue = (
        select(LogPending.ticket, LogEntry.entry_id, LogEntry.entry)
        .join(LogEntry, LogEntry.entry_id == LogPending.entry_id)
        .where(LogPending.member_id == member_id)
        .order_by(LogPending.ticket)
        .limit(count)
    )
    return [_Waiting(*row) for row in session.execute(queue)]


def _padding() -> bytes:
    return padding_entry(secrets.token_bytes(SALT_BYTES))


def _store_leaves(session: Session, start: int, leaves: Sequence[bytes], tiles: Sequence[FullTile]) -> None:
    rows = [{"idx": start + offset, "entry": entry} for offset, entry in enumerate(leaves)]
    insert_many(session, LogLeaf, rows)
    full = [{"level": t.level, "tile": t.index, "hashes": t.hashes, "root": t.root} for t in tiles]
    insert_many(session, LogTile, full)


def _store_numbers(session: Session, start: int, lanes: _Lanes) -> None:
    heads = _member_heads(session, {member_id for member_id, held in lanes.items() if held})
    rows = []
    for index, (member_id, held) in enumerate(lanes.items(), start):
        for one in held:
            number, head = heads[member_id]
            heads[member_id] = number + 1, next_chain_head(head, one.entry)
            rows.append(
                {
                    "member_id": member_id,
                    "number": number + 1,
                    "entry_id": one.entry_id,
                    "idx": index,
                    "chain_head": heads[member_id][1],
                }
            )
    insert_many(session, LogNumber, rows)


def _member_heads(session: Session, members: set[str]) -> dict[str, tuple[int, bytes]]:
    """Each member's last number and chain head; (0, 32 zero bytes) before its first. One index look-up for each."""
    heads = {}
    for member in members:
        last = (
            select(LogNumber.number, LogNumber.chain_head)
            .where(LogNumber.member_id == member)
            .order_by(LogNumber.number.desc())
            .limit(1)
        )
        row = session.execute(last).one_or_none()
        heads[member] = (row.number, row.chain_head) if row else (0, CHAIN_START)
    return heads
