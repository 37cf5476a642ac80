"""Reading the log: the published checkpoint, tiles and bundles for anyone, and to each member its own entries.

Nothing beyond the published size is shown: a head counts once it lies in the head file outside the database.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from msgspec import structs
from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from exchange.log.tables import LogCheckpoint, LogEntry, LogLeaf, LogNumber, LogPending, LogPublication, LogTile
from schemas.log import EntriesPage, EntryContent, PlacedEntry
from schemas.values.encoding import to_base64
from tlog.hashing import HASH_BYTES, leaf_hash
from tlog.tiles import TILE_HEIGHT, TILE_WIDTH, Tile, encode_entries

PAGE_BYTES = 8 * 1024 * 1024
"""How much content of views a page holds, give or take one entry."""


class UnknownTileError(LookupError):
    """The published tree has no such tile."""


@dataclass(frozen=True)
class LogStatus:
    """The published size and when its head was signed (None before the first), and how many entries wait."""

    size: int
    signed_at: datetime | None
    pending: int


def read_status(session: Session) -> LogStatus:
    """How the log stands."""
    found = session.execute(_newest(LogCheckpoint.size, LogCheckpoint.signed_at)).one_or_none()
    pending = session.scalar(select(func.count()).select_from(LogPending)) or 0
    return LogStatus(found[0] if found else 0, found[1] if found else None, pending)


def unpublished_since(session: Session) -> datetime | None:
    """Since when the oldest entry waits to be sequenced, or the oldest tick to be published; None when nothing
    does. Three look-ups in indices.
    """
    waiting = (
        select(LogEntry.recorded_at)
        .join(LogPending, LogPending.entry_id == LogEntry.entry_id)
        .order_by(LogPending.ticket)
        .limit(1)
    )
    published = select(func.coalesce(func.max(LogPublication.size), 0)).scalar_subquery()
    signed = select(LogCheckpoint.signed_at).where(LogCheckpoint.size > published).order_by(LogCheckpoint.size).limit(1)
    found = [session.scalar(wanted) for wanted in (waiting, signed)]
    return min((moment for moment in found if moment is not None), default=None)


def stands_still(session: Session, now: datetime, stale_seconds: int) -> bool:
    """Whether the log was published last longer than `stale_seconds` ago: the worker does not run, cannot write, or
    refuses to sign. Whether anything waits plays no part, or an answer of 503 would tell when somebody acted. Before
    the first tick the oldest entry counts, which is that of a member's enrolment and public.
    """
    since = session.scalar(_newest(LogCheckpoint.signed_at)) or unpublished_since(session)
    return since is not None and (now - since).total_seconds() > stale_seconds


def read_checkpoint(session: Session) -> str | None:
    """The note of the newest published checkpoint, None before the first tick."""
    note: str | None = session.scalar(_newest(LogCheckpoint.note))
    return note


def read_tile(session: Session, tile: Tile) -> bytes:
    """The bytes of a tile or entry bundle, full or partial. Raises UnknownTileError beyond the published tree."""
    level = tile.level or 0
    end = tile.index * TILE_WIDTH + tile.width
    if end > _published_size(session) >> (TILE_HEIGHT * level):
        raise UnknownTileError("the tree has no such tile")
    if tile.level is None:
        return encode_entries(read_leaves(session, tile.index * TILE_WIDTH, end))
    return read_hashes(session, level, tile.index * TILE_WIDTH, end)


def read_hashes(session: Session, level: int, start: int, end: int) -> bytes:
    """Hashes start..end, all within one tile, of a level; from the full tile if there is one, else from what is
    below.
    """
    whole = session.scalar(select(LogTile.hashes).where(LogTile.level == level, LogTile.tile == start // TILE_WIDTH))
    if whole is not None:
        return whole[: (end - start) * HASH_BYTES]
    if level == 0:
        return b"".join(leaf_hash(entry) for entry in read_leaves(session, start, end))
    below = select(LogTile.root).where(LogTile.level == level - 1, LogTile.tile >= start, LogTile.tile < end)
    return b"".join(session.scalars(below.order_by(LogTile.tile)))


def read_leaves(session: Session, start: int, end: int) -> Sequence[bytes]:
    """The entries at indices start..end."""
    leaves = select(LogLeaf.entry).where(LogLeaf.idx >= start, LogLeaf.idx < end)
    return session.scalars(leaves.order_by(LogLeaf.idx)).all()


def read_own_entries(session: Session, member_id: str, after: int, limit: int) -> EntriesPage:
    """A page of a member's entries as GET /log/entries answers it: those numbered above `after`, at most `limit`,
    and at most about PAGE_BYTES of views; the ids that wait for a number; and `next`, the number to go on after,
    None at the end.
    """
    size = _published_size(session)
    own = (
        select(LogNumber.number, func.coalesce(func.length(LogEntry.view), 0))
        .join(LogEntry, LogEntry.entry_id == LogNumber.entry_id)
        .where(LogNumber.member_id == member_id, LogNumber.number > after, LogNumber.idx < size)
        .order_by(LogNumber.number)
        .limit(limit + 1)
    )
    sizes = session.execute(own).all()
    last = _page_end([(number, length) for number, length in sizes], limit)
    rows = session.execute(
        select(LogEntry, LogNumber)
        .join(LogNumber, LogEntry.entry_id == LogNumber.entry_id)
        .where(LogNumber.member_id == member_id, LogNumber.number > after, LogNumber.number <= last)
        .order_by(LogNumber.number)
    )
    return EntriesPage(
        entries=[_placed(entry, number) for entry, number in rows],
        pending=_pending(session, member_id, size),
        next=last if sizes and sizes[-1][0] > last else None,
    )


def read_waiting_entries(
    session: Session, member_id: str, limit: int, after: str = ""
) -> list[tuple[EntryContent, datetime]]:
    """A member's entries that wait for their place, in the order of their ids (which is that of their making) from
    behind the id `after`, at most `limit` and about PAGE_BYTES of views: as in read_own_entries, without number, index
    and chain head, and each with when it was recorded (aware UTC).
    """
    queued, unpublished = _waiting_ids(member_id, _published_size(session))
    waits = LogEntry.entry_id.in_(queued) | LogEntry.entry_id.in_(unpublished)
    waiting = select(LogEntry).where(waits, LogEntry.entry_id > after).order_by(LogEntry.entry_id).limit(limit)
    found: list[tuple[EntryContent, datetime]] = []
    total = 0
    for entry in session.scalars(waiting):
        total += len(entry.view or b"")
        if found and total > PAGE_BYTES:
            break
        found.append((_content(entry), entry.recorded_at))
    return found


def _page_end(sizes: Sequence[tuple[int, int]], limit: int) -> int:
    """The last number of the page: one entry always, then as many as limit and bytes let in."""
    total, last = 0, 0
    for count, (number, length) in enumerate(sizes):
        total += length
        if count and (count == limit or total > PAGE_BYTES):
            break
        last = number
    return last


def _pending(session: Session, member_id: str, size: int) -> list[str]:
    queued, unpublished = _waiting_ids(member_id, size)
    return [*session.scalars(queued.order_by(LogPending.ticket)), *session.scalars(unpublished)]


def _waiting_ids(member_id: str, size: int) -> tuple[Select[Any], Select[Any]]:
    """The ids of a member's entries that are queued, and of those that have a leaf behind the published ones."""
    queued = select(LogPending.entry_id).where(LogPending.member_id == member_id)
    return queued, select(LogNumber.entry_id).where(LogNumber.member_id == member_id, LogNumber.idx >= size)


def _content(entry: LogEntry) -> EntryContent:
    return EntryContent(
        entry_id=entry.entry_id,
        event_id=entry.event_id,
        view=None if entry.view is None else to_base64(entry.view),
        salt=None if entry.salt is None else to_base64(entry.salt),
        entry=to_base64(entry.entry),
    )


def _placed(entry: LogEntry, number: LogNumber) -> PlacedEntry:
    return PlacedEntry(
        **structs.asdict(_content(entry)),
        number=number.number,
        index=number.idx,
        chain_head=to_base64(number.chain_head),
    )


def _newest(*columns: Any) -> Select[Any]:
    joined = select(*columns).join(LogPublication, LogPublication.size == LogCheckpoint.size)
    return joined.order_by(LogPublication.size.desc()).limit(1)


def _published_size(session: Session) -> int:
    return session.scalar(select(func.max(LogPublication.size))) or 0
