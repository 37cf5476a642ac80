"""How a database means to find rows: what of a statement's plan grows with a table.

A table is read in a way that grows if the plan reads all of it, or all of an index, or looks up in an index by columns
alone that very many rows share (`WIDE`): every token of an epoch, every row of a member.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Iterable, Iterator

WIDE = frozenset({"epoch", "group_id", "kind", "member_id", "principal", "state"})
"""Columns that are equal in so many rows that looking up by them alone is reading a good part of the table."""

_STEP = re.compile(
    r"(SCAN|SEARCH) (\w+)(?: USING (?:COVERING |AUTOMATIC )*(?:INDEX \w+|\w+ PRIMARY KEY|PRIMARY KEY))?(?: \((.*)\))?"
)
_NOT_PLANNED = ("BEGIN", "COMMIT", "ROLLBACK", "PRAGMA", "SAVEPOINT", "RELEASE", "CREATE", "DROP", "--")


def growing_reads(connection: sqlite3.Connection, statement: str) -> list[str]:
    """The steps of SQLite's plan that grow with a table, as the database words them."""
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    return [step for step in steps if _grows(step)]


def _grows(step: str) -> bool:
    found = _STEP.match(step)
    # A bare SEARCH is the first or last of an index.
    if (
        found is None
        or re.fullmatch(r"SEARCH \w+", step)
        or "VIRTUAL TABLE" in step
        or step.startswith("SCAN CONSTANT")
    ):
        return False
    terms = re.findall(r"(\w+)[=<>]", found[3] or "")
    return not set(terms) - WIDE


def is_planned(statement: str) -> bool:
    """Whether a statement reads or writes rows."""
    return not statement.lstrip().upper().startswith(_NOT_PLANNED)


def traced(connection: sqlite3.Connection, work: Callable[[], object]) -> set[str]:
    """The statements that the work makes a connection execute, each once, their values left out."""
    seen: dict[str, str] = {}

    def note(statement: str) -> None:
        if is_planned(statement):
            seen.setdefault(without_values(statement), statement)

    connection.set_trace_callback(note)
    try:
        work()
    finally:
        connection.set_trace_callback(None)
    return set(seen.values())


def without_values(statement: str) -> str:
    """The statement with its literals and the length of its lists taken away, so that repetitions are equal."""
    plain = re.sub(r"[xX]?'(?:[^']|'')*'|\b\d+\b", "?", statement)
    return re.sub(r"\?(?:\s*,\s*\?)+", "?", re.sub(r"\s+", " ", plain))


def first_of_each(statements: Iterable[str]) -> Iterator[str]:
    """One statement of each form."""
    yield from {without_values(one): one for one in statements}.values()
