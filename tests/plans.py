"""How a database means to find rows: what of a statement's plan grows with a table.

A table is read in a way that grows if the plan reads all of it, or all of an index, or looks up in an index by columns
alone that very many rows share (`WIDE`): every token of an epoch, every row of a member.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterable, Iterator
from typing import Any

import psycopg

WIDE = frozenset({"epoch", "group_id", "kind", "member_id", "principal", "state"})
"""Columns that are equal in so many rows that looking up by them alone is reading a good part of the table."""

_STEP = re.compile(
    r"(SCAN|SEARCH) (\w+)(?: USING (?:COVERING |AUTOMATIC )*(?:INDEX \w+|\w+ PRIMARY KEY|PRIMARY KEY))?(?: \((.*)\))?"
)
_NOT_PLANNED = (";", "SET ", "BEGIN", "COMMIT", "ROLLBACK", "PRAGMA", "SAVEPOINT", "RELEASE", "CREATE", "DROP", "--")


def growing_reads(connection: sqlite3.Connection, statement: str, bounded: frozenset[str] = frozenset()) -> list[str]:
    """The steps of SQLite's plan that grow with a table, as the database words them; those with `bounded` tables do not
    grow.
    """
    steps = [row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}")]
    names = {alias: table for table, alias in _ALIAS.findall(statement)}
    sorts = any("TEMP B-TREE" in step for step in steps)
    growing = (step for step in steps if _grows(step, statement, sorts=sorts))
    return [step for step in growing if not _tables_of(step, names) & bounded]


_ALIAS = re.compile(r"(?:FROM|JOIN) (?:temp\.)?(\w+)(?: AS)? (?!ON\b|JOIN\b|WHERE\b|CROSS\b|ORDER\b)(\w+)")


def _tables_of(step: str, names: dict[str, str]) -> set[str]:
    return {names.get(name, name) for name in re.findall(r"^(?:SCAN|SEARCH) (\w+)", step)}


def _grows(step: str, statement: str, *, sorts: bool) -> bool:
    found = _STEP.match(step)
    if found is None or "VIRTUAL TABLE" in step or re.match(r"SCAN (\d+ )?CONSTANT", step):
        return False
    if found[1] == "SEARCH" and found[3] is None:
        # The first or last of an index, or of the rows by number; with a condition and no index, all of them.
        return "USING" not in step and "WHERE" in statement
    terms = re.findall(r"(\w+)[=<>]", found[3] or "")
    # A LIMIT ends a walk through an index in its order, or through rows by number that are all wanted.
    walks = "LIMIT" in statement and not sorts and ("USING" in step or "WHERE" not in statement)
    return not set(terms) - WIDE and not walks


def is_planned(statement: str) -> bool:
    """Whether a statement reads or writes rows."""
    return not statement.lstrip().upper().startswith(_NOT_PLANNED)


def without_values(statement: str) -> str:
    """The statement with its literals and the length of its lists taken away, so that repetitions are equal."""
    plain = re.sub(r"[xX]?'(?:[^']|'')*'|\b\d+\b", "?", statement)
    return re.sub(r"\?(?:\s*,\s*\?)+", "?", re.sub(r"\s+", " ", plain))


def multiply_rows(session: psycopg.Connection, tables: Iterable[str], count: int = 500) -> None:
    """Make of each table's first rows many, which differ in what is not WIDE, and let PostgreSQL count them: it then
    plans as for a large table. It is told to go row by row, by indexes where there are any.
    """
    session.execute("SET session_replication_role = replica")
    for table in tables:
        columns = session.execute(
            "SELECT column_name, data_type, character_maximum_length FROM information_schema.columns "
            "WHERE table_name = %s ORDER BY ordinal_position",
            (table,),
        ).fetchall()
        values = ", ".join(_another(*column) for column in columns)
        names = ", ".join(column[0] for column in columns)
        first = ", ".join("'waiting'" if name == "state" else _FIRST.get(kind, "''") for name, kind, _ in columns)
        session.execute(
            f"INSERT INTO {table} ({names}) SELECT {first} WHERE NOT EXISTS (SELECT 1 FROM {table})".encode()
        )
        session.execute(
            f"INSERT INTO {table} ({names}) SELECT {values} FROM (SELECT * FROM {table} LIMIT 20) AS t, "
            f"generate_series(1, {count}) AS n ON CONFLICT DO NOTHING".encode()
        )
    session.execute("ANALYZE")
    for way in ("seqscan", "hashjoin", "mergejoin"):
        session.execute(f"SET enable_{way} = off".encode())


_FIRST = {
    "bytea": r"'\x00'::bytea",
    "timestamp with time zone": "now()",
    "date": "now()::date",
    **dict.fromkeys(("bigint", "integer"), "0"),
    "boolean": "false",
}
"""A value of each type for tables that have no row; of all others, an empty text."""


def _another(name: str, kind: str, length: int | None) -> str:
    """SQL of the value of a column in the row with number n."""
    if kind == "bytea":
        return f"CASE WHEN t.{name} IS NULL THEN NULL ELSE sha256(t.{name} || n::text::bytea) END"
    if kind == "timestamp with time zone":
        return f"t.{name} + n * interval '1 minute'"
    if (name.endswith("_id") or name == "reference") and name not in WIDE:
        return f"left(md5(t.{name} || n), {length or 36})"
    return f"t.{name} + n" if kind in {"bigint", "integer"} and name not in WIDE else f"t.{name}"


def growing_reads_postgresql(connection: psycopg.Connection, statement: str, parameters: Any) -> list[str]:
    """The steps of PostgreSQL's plan that grow with a table: `Index Scan of hits (member_id)`."""
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (FORMAT JSON, VERBOSE) {statement}".encode(), parameters)
        found = cursor.fetchone()
    assert found is not None
    return sorted(_growing_nodes(found[0][0]["Plan"], limited=False))


def _growing_nodes(node: dict[str, Any], *, limited: bool) -> Iterator[str]:
    """What grows in a plan: rows found by no condition on an index, or by wide columns alone. A LIMIT ends an ordered
    walk through an index.
    """
    kind = node["Node Type"]
    limited = kind == "Limit" or (limited and kind not in {"Sort", "Aggregate", "Hash"})
    children = node.get("Plans", [])
    if kind in {"Seq Scan", "Index Scan", "Index Only Scan", "Bitmap Heap Scan"}:
        index = [child for child in children if child["Node Type"].startswith("Bitmap")]
        terms = _index_terms([node, *index])
        if not terms - WIDE and not (limited and kind.startswith("Index")):
            yield f"{kind} of {node['Relation Name']} ({', '.join(sorted(terms))})"
        return
    for child in children:
        yield from _growing_nodes(child, limited=limited)


def _index_terms(nodes: list[dict[str, Any]]) -> set[str]:
    """The columns that conditions on indexes name."""
    found: set[str] = set()
    for node in nodes:
        found |= set(re.findall(r"(?:\w+\.)?(\w+)(?:\)::\w+)? (?:=|<|>|<=|>=|IS) ", node.get("Index Cond", "")))
        found |= _index_terms(node.get("Plans", []))
    return found
