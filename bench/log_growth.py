"""How the log grows in a year, idle and busy: the real sequencer on SQLite, on a simulated clock.

40 banks, 5 agencies and a reviewer, the usual tick of 300 seconds. Busy means that every member records ten entries in
an hour, and at noon one of them a thousand at once. Given are the leaves, the size of the database, and at how many
ticks, its own included, an entry waited for its place at most.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from sqlalchemy import Table, func, select

from exchange.configuration.settings import TICK_SECONDS
from exchange.kernel.base import Base
from exchange.kernel.leases import LeaseRow, acquire_lease
from exchange.kernel.session import Database, create_database
from exchange.log.entries import View, record_event
from exchange.log.head_file import HeadFile
from exchange.log.sequencer import Sequencer
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
from tlog.notes import NoteSigner

MEMBERS = [f"member-{number}" for number in range(46)]
_TABLES = (
    *(LogEntry, LogPending, LogLane, LogLeaf, LogNumber, LogTile, LogCheckpoint, LogPublication, LogDayHead),
    LeaseRow,
)
_START = datetime(2026, 11, 22, tzinfo=UTC)
_YEAR = timedelta(days=365)


def measure(folder: Path, days: int, *, busy: bool) -> dict[str, Any]:
    """The log of so many days, and what that makes in a year."""
    database = create_database(f"sqlite:///{folder / 'log.db'}")
    tables = [table.__table__ for table in _TABLES]
    Base.metadata.create_all(database.engine, [table for table in tables if isinstance(table, Table)])
    signer = NoteSigner("bench.example/log", bytes(32))
    head = HeadFile(folder / "head", signer)
    head.create()
    sequencer = Sequencer(database, signer, head)
    with database.transaction() as session:
        lease = acquire_lease(session, "sequencer", "bench", _START, 2 * _YEAR)
        for member_id in MEMBERS:
            record_event(session, "enrolled", [View(member_id, {})], _START)
    assert lease is not None
    tick = timedelta(seconds=TICK_SECONDS)
    ticks, longest = days * timedelta(days=1) // tick, 1
    for number in range(ticks):
        now = _START + number * tick
        if busy:
            _act(database, number, now)
        sequencer.tick(now, lease)
        with database.reading() as session:
            waits = select(func.min(LogEntry.recorded_at)).join(LogPending, LogPending.entry_id == LogEntry.entry_id)
            since = session.scalar(waits)
        if since is not None:
            longest = max(longest, (now - since) // tick + 2)
    with database.reading() as session:
        leaves = session.scalar(select(func.count()).select_from(LogLeaf)) or 0
    database.dispose()
    return {
        "bench": "log_growth",
        "busy": busy,
        "members": len(MEMBERS),
        "days": days,
        "leaves": leaves,
        "leaves_a_year": leaves * 365 // days,
        "longest_wait_ticks": longest,
        "longest_wait_minutes": longest * TICK_SECONDS / 60,
        "file_mib": round((folder / "log.db").stat().st_size / 2**20, 1),
    }


def _act(database: Database, number: int, now: datetime) -> None:
    with database.transaction() as session:
        for position, member_id in enumerate(MEMBERS):
            if (number + position) % 6 < 5:  # ten in an hour of twelve ticks
                record_event(session, "hits_read", [View(member_id, {"count": number})], now)
        if number % 288 == 144:
            for count in range(1000):
                record_event(session, "hits_read", [View(MEMBERS[0], {"count": count})], now)


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=2)
    days = parser.parse_args().days
    for busy in (False, True):
        with tempfile.TemporaryDirectory() as folder:
            print(json.dumps(measure(Path(folder), days, busy=busy)))


if __name__ == "__main__":
    main()
