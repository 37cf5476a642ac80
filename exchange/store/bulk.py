"""Set operations over thousands of tokens, in the quickest form that each database has.

PostgreSQL takes the columns as arrays (unnest); SQLite takes them through a temporary table of the
connection. Table and column names come from the code, never from outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

from sqlalchemy import CursorResult
from sqlalchemy.orm import Session

_STAGE = "CREATE TEMP TABLE IF NOT EXISTS staged (token BLOB)"


def is_sqlite(session: Session) -> bool:
    """Whether the session works on SQLite."""
    return session.get_bind().dialect.name == "sqlite"


def rows_of_tokens(
    session: Session, tables: Sequence[str], columns: str, tokens: Sequence[bytes]
) -> Iterator[Sequence[Any]]:
    """`columns` of the rows of each table whose token (32 bytes) is among `tokens`.

    One index look-up for each token and table: LATERAL keeps PostgreSQL from reading a whole table instead.
    """
    if not tokens:
        return
    connection = session.connection()
    if is_sqlite(session):
        _stage(session, tokens)
        names = ", ".join(f"i.{name.strip()}" for name in columns.split(","))
        for table in tables:
            yield from _fetched(
                connection.exec_driver_sql(
                    f"SELECT {names} FROM temp.staged s CROSS JOIN {table} i ON i.token = s.token"  # noqa: S608
                )
            )
        return
    parts = " UNION ALL ".join(f"SELECT {columns} FROM {table} t WHERE t.token = s.token" for table in tables)  # noqa: S608
    found = connection.exec_driver_sql(
        f"SELECT i.* FROM (SELECT {_token('n')} AS token FROM generate_series(1, %s) AS n OFFSET 0) AS s, "  # noqa: S608
        f"LATERAL ({parts}) AS i",
        (b"".join(tokens), len(tokens)),
    )
    yield from _fetched(found)


def _fetched(result: CursorResult[Any]) -> list[Any]:
    """All rows as the driver gives them: the ORM's cost as much again, and a token may have hundreds."""
    rows = result.cursor.fetchall() if result.cursor is not None else []
    result.close()
    return list(rows)


def _token(number: str) -> str:
    """SQL of the token with that number (from 1) in a parameter that holds them all, 32 bytes each.

    One long parameter is many times quicker to send than an array of 10,000 short ones.
    """
    return f"substring(%b::bytea FROM ((({number}) - 1) * 32 + 1)::int FOR 32)"


def insert_rows(
    session: Session, table: str, columns: str, values: Sequence[Sequence[Any]], same: tuple[str, str, str]
) -> None:
    """Insert rows of (token, type, first seen, last seen) given as columns; `same` is what all share: group, member,
    submission. Types and dates hold no commas and are not empty. Rows whose key is taken are left as they are.
    """
    if not values[0]:
        return
    connection = session.connection()
    if is_sqlite(session):
        rows = list(zip(values[0], *(repeat(value) for value in same), *values[1:], strict=False))
        marks = ", ".join("?" * len(rows[0]))
        statement = f"INSERT INTO {table} ({columns}) VALUES ({marks}) ON CONFLICT DO NOTHING"  # noqa: S608
        connection.exec_driver_sql(statement, rows)
        return
    lists = [",".join(value or "" for value in column) for column in values[1:]]
    connection.exec_driver_sql(
        f"INSERT INTO {table} ({columns}) "  # noqa: S608
        f"SELECT {_token('s.n')}, %s::text, %s::text, %s::text, s.indicator_type, s.first_seen, s.last_seen "
        "FROM unnest(string_to_array(%s, ',', ''), string_to_array(%s, ',', ''), string_to_array(%s, ',', '')) "
        "WITH ORDINALITY AS s(indicator_type, first_seen, last_seen, n) ON CONFLICT DO NOTHING",
        (b"".join(values[0]), *same, *lists),
    )


def move_rows(session: Session, source: str, target: str, columns: str, *, first: bytes, end: bytes | None) -> None:
    """Move the rows with `first` <= token < `end` from one table to another of the same shape, in token
    order.
    """
    connection = session.connection()
    mark = "?" if is_sqlite(session) else "%s"
    within = f"token >= {mark}" + ("" if end is None else f" AND token < {mark}")
    bounds = (first,) if end is None else (first, end)
    if is_sqlite(session):
        connection.exec_driver_sql(
            f"INSERT INTO {target} ({columns}) SELECT {columns} FROM {source} WHERE {within} "  # noqa: S608
            "ORDER BY token ON CONFLICT DO NOTHING",
            bounds,
        )
        connection.exec_driver_sql(f"DELETE FROM {source} WHERE {within}", bounds)  # noqa: S608
        return
    # One statement: a row that another transaction adds meanwhile is neither copied nor deleted.
    connection.exec_driver_sql(
        f"WITH moved AS (DELETE FROM {source} WHERE {within} RETURNING {columns}) "  # noqa: S608
        f"INSERT INTO {target} ({columns}) SELECT {columns} FROM moved ORDER BY token ON CONFLICT DO NOTHING",
        bounds,
    )


def _stage(session: Session, tokens: Sequence[bytes]) -> None:
    """Fill the connection's temporary table."""
    connection = session.connection()
    connection.exec_driver_sql(_STAGE)
    connection.exec_driver_sql("DELETE FROM temp.staged")
    connection.exec_driver_sql("INSERT INTO temp.staged VALUES (?)", [(token,) for token in tokens])
