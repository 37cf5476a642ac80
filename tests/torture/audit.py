"""Comparing the exchange's database with what the members were shown, at any moment, whatever runs or is dead.

What is looked at is read in one state of the database, and what was shown is taken before it: all of that must have
been committed by then.
"""

from __future__ import annotations

import base64
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from tests.torture.records import DOUBLED, LOST, UNLOGGED, Records, Shown

_Result = TypeVar("_Result")
_RECOVERY_SECONDS = 120.0
_ROWS = "SELECT member_id, token FROM recent_indicators UNION ALL SELECT member_id, token FROM indicators"
_FIGURES = {
    "rows": _ROWS,
    "parts": "SELECT 1 FROM submission_parts",
    "entries": "SELECT 1 FROM log_entries",
    "leaves": "SELECT 1 FROM log_leaves",
}
_BEGIN = {"sqlite": "BEGIN", "postgresql": "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"}
_EMPTY = {
    "entries of one event and member": (
        "SELECT count(*) FROM log_entries GROUP BY event_id, member_id HAVING count(*) > 1"
    ),
    "events of two parts": "SELECT count(*) FROM submission_parts GROUP BY event_id HAVING count(*) > 1",
    "entries that wait and have a place": (
        "SELECT entry_id FROM log_pending WHERE entry_id IN (SELECT entry_id FROM log_numbers)"
    ),
    "leaves that are another entry": (
        "SELECT n.idx FROM log_numbers n JOIN log_entries e ON e.entry_id = n.entry_id "
        "LEFT JOIN log_leaves l ON l.idx = n.idx WHERE l.entry IS NULL OR l.entry <> e.entry"
    ),
    "holes in a member's numbers": (
        "SELECT member_id FROM log_numbers GROUP BY member_id HAVING count(*) <> max(number) OR min(number) <> 1"
    ),
    "holes in the indices": (
        "SELECT count(*) FROM log_leaves HAVING count(*) > 0 AND (count(*) <> max(idx) + 1 OR min(idx) <> 0)"
    ),
    "checkpoints beyond the leaves": (
        "SELECT size FROM log_checkpoints WHERE size > (SELECT coalesce(max(idx) + 1, 0) FROM log_leaves)"
    ),
}
"""Statements about the log that give no rows, ever."""


class Audit:
    """The checks on the database at `url`; what they find wrong goes into `records`."""

    def __init__(self, url: str, records: Records) -> None:
        # Not pooled: a server that is killed between two audits leaves no dead connection here.
        self._engine = sqlalchemy.create_engine(url, poolclass=sqlalchemy.NullPool)
        self._records = records

    def run(self) -> None:
        """All checks once."""
        shown = self._records.shown()
        for kind, what, count in self._read(lambda connection: _compare(connection, shown)):
            self._records.fault(kind, what, count)

    def figures(self) -> dict[str, int]:
        """Live rows, parts of submissions, and entries and leaves of the log."""
        tables = {name: f"({statement}) AS found" for name, statement in _FIGURES.items()}
        return self._read(lambda connection: {name: _count(connection, table) for name, table in tables.items()})

    def _read(self, work: Callable[[Connection], _Result]) -> _Result:
        """What `work` gives on one state of the database, as soon as that can be reached."""
        deadline = time.monotonic() + _RECOVERY_SECONDS
        while True:
            try:
                with self._engine.connect() as connection:
                    connection.exec_driver_sql(_BEGIN[connection.dialect.name])
                    return work(connection)
            except OperationalError:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.2)


Found = list[tuple[str, str, int]]


def _compare(connection: Connection, shown: Mapping[str, Shown]) -> Found:
    return [*_rows(connection, shown), *_log(connection, shown), *_hits(connection, shown)]


def _count(connection: Connection, table: str) -> int:
    return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def _rows(connection: Connection, shown: Mapping[str, Shown]) -> Found:
    """Acknowledged rows are stored, once, and no part was counted twice."""
    stored: dict[str, list[str]] = defaultdict(list)
    for member, token in connection.execute(text(_ROWS)):
        stored[member].append(_text(token))
    accepted: dict[str, int] = dict(
        connection.execute(
            text(
                "SELECT s.member_id, sum(p.accepted) FROM submission_parts p "
                "JOIN submissions s ON s.submission_id = p.submission_id GROUP BY s.member_id"
            )
        ).all()
    )
    found = []
    for member, seen in shown.items():
        rows = stored[member]
        count = int(accepted.get(member, 0))
        found += [
            (LOST, f"acknowledged rows of {member} are not stored", len(seen.tokens - set(rows))),
            (DOUBLED, f"rows of {member} are stored twice", len(rows) - len(set(rows))),
            (LOST, f"{member} has fewer rows than were accepted", max(0, count - len(rows))),
            (DOUBLED, f"{member} has more rows than were accepted", max(0, len(rows) - count)),
        ]
    return found


def _log(connection: Connection, shown: Mapping[str, Shown]) -> Found:
    """Receipts and readings have their entries; every entry waits or has its place, once."""
    entries: dict[str, dict[str, str]] = defaultdict(dict)
    for member, event, entry in connection.execute(text("SELECT member_id, event_id, entry FROM log_entries")):
        entries[member][event] = _text(entry)
    found = []
    for member, seen in shown.items():
        own = entries[member]
        missing = sum(own.get(event) != entry for event, entry in seen.receipts.items())
        found += [
            (UNLOGGED, f"receipts of {member} have no entry", missing),
            (UNLOGGED, f"readings by {member} have no entry", len(seen.readings - own.keys())),
        ]
    counts = [_count(connection, table) for table in ("log_entries", "log_pending", "log_numbers")]
    found.append((UNLOGGED, "entries neither wait nor have a place", max(0, counts[0] - counts[1] - counts[2])))
    for what, statement in _EMPTY.items():
        found.append((DOUBLED, what, len(connection.execute(text(statement)).all())))
    return found


def _hits(connection: Connection, shown: Mapping[str, Shown]) -> Found:
    """Hits that were shown are on record as shown to that member."""
    statement = (
        "SELECT h.member_id, h.hit_id FROM hits h JOIN log_entries e "
        "ON e.event_id = h.event_id AND e.member_id = h.member_id WHERE h.view_json IS NOT NULL"
    )
    disclosed: dict[str, set[str]] = defaultdict(set)
    for member, hit in connection.execute(text(statement)):
        disclosed[member].add(hit)
    return [
        (
            UNLOGGED,
            f"hits shown to {member} are not on record",
            len({hit for hit, _ in seen.hits} - disclosed[member]),
        )
        for member, seen in shown.items()
    ]


def _text(value: Any) -> str:
    return base64.b64encode(bytes(value)).decode()
