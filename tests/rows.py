"""Rows for every table of a database, made from its columns alone: for tests of what must keep any row."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from hashlib import sha256
from typing import Any

from sqlalchemy import Connection, MetaData, insert, select

from exchange.operations.archive import ArchivedTable, list_tables

Contents = dict[str, list[dict[str, Any]]]
ROWS = 3


def fill_tables(connection: Connection, *, without: frozenset[str] = frozenset()) -> None:
    """Three rows for each table. A value follows from the name of its column, so that children find their parents."""
    nullable = {
        (table.name, column.name): column.nullable for table in _reflected(connection) for column in table.columns
    }
    for found in _tables(connection, without):
        rows = [
            {
                name: None if number == 0 and nullable[found.name, name] else _value(name, kind, number)
                for name, kind in found.columns
            }
            for number in range(ROWS)
        ]
        connection.execute(insert(found.clause()), rows)


def read_tables(connection: Connection, *, without: frozenset[str] = frozenset()) -> Contents:
    """Every row of every table, by column, in a fixed order."""
    return {
        found.name: sorted((dict(row) for row in connection.execute(select(found.clause())).mappings()), key=repr)
        for found in _tables(connection, without)
    }


def kept(before: Contents, after: Contents) -> Contents:
    """What `after` has of the tables and columns of `before`."""
    return {
        name: sorted(({column: row[column] for column in rows[0] if column in row} for row in after[name]), key=repr)
        for name, rows in before.items()
        if name in after and rows
    }


def _tables(connection: Connection, without: frozenset[str]) -> list[ArchivedTable]:
    return [found for found in list_tables(connection) if found.name not in without]


def _reflected(connection: Connection) -> Any:
    metadata = MetaData()
    metadata.reflect(connection)
    return metadata.tables.values()


def _value(name: str, kind: str, number: int) -> Any:
    digest = sha256(f"{name} {number}".encode())
    values: dict[str, Any] = {
        "bytes": digest.digest(),
        "text": f"ä{digest.hexdigest()[:5]}",  # short enough for the narrowest column
        # what is used of a grant is bounded by a constraint
        "integer": number if name == "used" else number * 1_000 + 10 + digest.digest()[0],
        "time": datetime(2026, 11, 22, 10, 0, 0, 123_456, UTC) + timedelta(days=number),
        "yes or no": number % 2 == 1,
        "date": date(2026, 11, 22) + timedelta(days=number),
    }
    return values[kind]
