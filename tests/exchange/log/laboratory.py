"""A log of one's own for tests: database, key, head file and sequencer, all real."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from copy import copy
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
from sqlalchemy import Table, func, select, update
from sqlalchemy.orm import Session

from exchange.kernel.base import Base
from exchange.kernel.leases import Lease, LeaseRow, acquire_lease
from exchange.kernel.session import Database, create_database
from exchange.log.entries import RecordedEvent, View, record_event
from exchange.log.head_file import HeadFile
from exchange.log.reading import read_checkpoint, read_own_entries, read_tile
from exchange.log.sequencer import Sequencer, TickResult
from exchange.log.tables import (
    LogCheckpoint,
    LogDayHead,
    LogEntry,
    LogLane,
    LogLeaf,
    LogNumber,
    LogPending,
    LogPublication,
    LogTile,
)
from tests.filled_databases import CopyFilled
from tlog.notes import NoteSigner
from tlog.tiles import parse_tile_path

ORIGIN = "exchange.example/log"
SIGNER = NoteSigner(ORIGIN, bytes(range(32)))
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
TABLES = (
    *(LogEntry, LogPending, LogLane, LogLeaf, LogNumber, LogTile, LogCheckpoint, LogPublication, LogDayHead),
    LeaseRow,
)


def erase_event(session: Session, event_id: str) -> None:
    """Delete what an event's views say; their entries stay, and with them the tree."""
    nothing = {"view": None, "salt": None, "core_salt": None}
    session.execute(update(LogEntry).where(LogEntry.event_id == event_id).values(nothing))


class Laboratory:
    """One log: `record` events, `tick`, and read it as its readers do."""

    def __init__(self, database: Database, folder: Path) -> None:
        self.database, self.folder = database, folder
        self.head_file = HeadFile(folder / "head", SIGNER)
        self.head_file.create()
        self.now = NOW
        self.lease = self.take_lease("first")

    def copy(self, database: Database, folder: Path) -> Laboratory:
        """The same log on a copy of the database, with a head file of its own."""
        made = copy(self)
        made.database, made.folder = database, folder
        shutil.copy(self.folder / "head", folder / "head")
        made.head_file = HeadFile(folder / "head", SIGNER)
        return made

    def sequencer(self, **options: Any) -> Sequencer:
        return Sequencer(self.database, SIGNER, self.head_file, **options)

    def take_lease(self, holder: str, now: datetime = NOW) -> Lease:
        with self.database.transaction() as session:
            lease = acquire_lease(session, "sequencer", holder, now, timedelta(seconds=10))
        assert lease is not None
        return lease

    def record(self, bodies: dict[str, dict[str, Any]], kind: str = "match") -> RecordedEvent:
        self.now += timedelta(seconds=1)
        with self.database.transaction() as session:
            return record_event(session, kind, [View(*item) for item in bodies.items()], self.now)

    def record_many(self, member_id: str, count: int) -> None:
        with self.database.transaction() as session:
            for number in range(count):
                record_event(session, "test", [View(member_id, {"n": number})], self.now)

    def tick(self) -> TickResult:
        return self.sequencer().tick(self.now, self.lease)

    def settle(self) -> TickResult:
        """Ticks until nothing waits; the last of them."""
        ticked = self.tick()
        while self.count(LogPending):
            ticked = self.tick()
        return ticked

    def add_members(self, count: int, *named: str) -> None:
        """Let so many more members, and those named, have a leaf at every tick."""
        with self.database.transaction() as session:
            members = [*named, *(f"other-{number:04}" for number in range(count))]
            session.add_all(LogLane(member_id=member_id) for member_id in members)

    def count(self, table: type[Base]) -> int:
        with self.database.reading() as session:
            return session.scalar(select(func.count()).select_from(table)) or 0

    def checkpoint(self) -> str:
        with self.database.reading() as session:
            return read_checkpoint(session) or ""

    def tile(self, path: str) -> bytes:
        with self.database.reading() as session:
            return read_tile(session, parse_tile_path(path))

    def entries(self, member_id: str, after: int = 0, limit: int = 500) -> dict[str, Any]:
        with self.database.reading() as session:
            page: dict[str, Any] = msgspec.to_builtins(read_own_entries(session, member_id, after, limit))
            return page

    @contextmanager
    def tampering(self) -> Iterator[Session]:
        """A transaction of someone with the operator's access to the database."""
        with self.database.transaction() as session:
            yield session


@contextmanager
def copy_laboratory(
    copy_filled: CopyFilled, key: str, record: Callable[[Laboratory], object], folder: Path
) -> Iterator[Laboratory]:
    """A log in which `record`, which is named by `key`, recorded something."""

    def found(url: str) -> Laboratory:
        database = create_database(url)
        tables = [table.__table__ for table in TABLES]
        Base.metadata.create_all(database.engine, [table for table in tables if isinstance(table, Table)])
        (original := folder.with_name(f"{folder.name}-{key}")).mkdir()
        made = Laboratory(database, original)
        record(made)
        database.dispose()
        return made

    url, founded = copy_filled(("log", key), found)
    database = create_database(url)
    try:
        yield founded.copy(database, folder)
    finally:
        database.dispose()
