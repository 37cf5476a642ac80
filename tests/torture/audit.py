"""Comparing the exchange's database with what the members were shown, at any moment, whatever runs or is dead.

What is looked at is read in one state of the database, and what was shown is taken before it: all of that must have
been committed by then.
"""

from __future__ import annotations

import base64
import time
from collections import defaultdict
from collections.abc import Callable, Mapping
from itertools import groupby
from typing import Any, TypeVar

import sqlalchemy
from sqlalchemy import Connection, text
from sqlalchemy.exc import OperationalError

from tests.torture.records import DOUBLED, LOST, UNLOGGED, Records
from tests.torture.shown import Shown
from tests.torture.story.action_audit import Found, compare_action, compare_settled
from tlog.entries import leaf_entry

_Result = TypeVar("_Result")
_RECOVERY_SECONDS = 120.0
_WORKER_SECONDS = 60.0
_TELLING_JOBS = ("corrections", "watches")
_ROWS = "SELECT member_id, token FROM recent_indicators UNION ALL SELECT member_id, token FROM indicators"
_RETIRED = "SELECT member_id, token FROM retired_indicators"
_FIGURES = {
    "rows": _ROWS,
    "rows_taken_back": _RETIRED,
    "corrected": "SELECT 1 FROM correction_items",
    "told_by_queries": "SELECT 1 FROM query_matches",
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
    "leaves of two members": "SELECT idx FROM log_numbers GROUP BY idx HAVING min(member_id) <> max(member_id)",
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

    def run(self, *, settled: bool = False) -> None:
        """All checks once. `settled`: nobody does anything any more, and the worker has told all there is to tell."""
        shown = self._records.shown()
        for kind, what, count in self._read(lambda connection: find_faults(connection, shown, settled=settled)):
            self._records.fault(kind, what, count)

    def wait_for_worker(self) -> None:
        """Until each job that tells of what was done has begun and ended anew; LOST if one never does."""
        before, deadline = self._read(_slots), time.monotonic() + _WORKER_SECONDS
        while time.monotonic() < deadline:
            now = self._read(_slots)
            if all(now.get(job, 0) >= before.get(job, 0) + 2 for job in _TELLING_JOBS):
                return
            time.sleep(0.2)
        self._records.fault(LOST, f"the worker did not tell for {_WORKER_SECONDS:.0f} s")

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


def find_faults(connection: Connection, shown: Mapping[str, Shown], *, settled: bool) -> Found:
    """Every check on one state of the database, with how often it fails."""
    found = [*_rows(connection, shown), *_log(connection, shown), *_hits(connection, shown)]
    found += compare_action(connection, shown)
    return found + compare_settled(connection, shown) if settled else found


def _slots(connection: Connection) -> dict[str, int]:
    """How many slots of each job have ended."""
    statement = "SELECT job, count(*) FROM job_runs WHERE finished_at IS NOT NULL GROUP BY job"
    return {job: int(count) for job, count in connection.execute(text(statement))}


def _count(connection: Connection, table: str) -> int:
    return int(connection.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def _rows(connection: Connection, shown: Mapping[str, Shown]) -> Found:
    """Acknowledged rows are stored, once, or were taken back, and no part was counted twice."""
    stored, retired = _tokens(connection, _ROWS), _tokens(connection, _RETIRED)
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
        rows, gone = stored[member], retired[member]
        count = int(accepted.get(member, 0)) - len(gone)
        found += [
            (LOST, f"acknowledged rows of {member} are not stored", len(seen.tokens - {*rows, *gone})),
            (DOUBLED, f"rows of {member} are stored twice", len(rows) - len(set(rows))),
            (LOST, f"{member} has fewer rows than were accepted", max(0, count - len(rows))),
            (DOUBLED, f"{member} has more rows than were accepted", max(0, len(rows) - count)),
        ]
    return found


def _tokens(connection: Connection, statement: str) -> dict[str, list[str]]:
    """By member, the tokens (base64) that a statement gives."""
    found: dict[str, list[str]] = defaultdict(list)
    for member, token in connection.execute(text(statement)):
        found[member].append(_text(token))
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
    found.append((DOUBLED, "leaves that hold other entries", _wrong_leaves(connection)))
    for what, statement in _EMPTY.items():
        found.append((DOUBLED, what, len(connection.execute(text(statement)).all())))
    return found


def _wrong_leaves(connection: Connection) -> int:
    """How many leaves are not those of the entries that have their place there."""
    numbered = connection.execute(
        text(
            "SELECT n.idx, e.entry, l.entry FROM log_numbers n JOIN log_entries e ON e.entry_id = n.entry_id "
            "LEFT JOIN log_leaves l ON l.idx = n.idx ORDER BY n.idx, n.number"
        )
    )
    wrong = 0
    for _, held in groupby(numbered, key=lambda row: row[0]):
        rows = list(held)
        leaf = rows[0][2]
        wrong += leaf is None or bytes(leaf) != leaf_entry([bytes(row[1]) for row in rows])
    return wrong


def _hits(connection: Connection, shown: Mapping[str, Shown]) -> Found:
    """Hits that were shown are on record as shown to that member; one that has ended since, by the event of its end."""
    statement = (
        "SELECT h.member_id, h.hit_id FROM hits h JOIN log_entries e "
        "ON e.event_id = h.event_id AND e.member_id = h.member_id"
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
