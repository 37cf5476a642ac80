"""Set operations over thousands of tokens, in the quickest form that each database has.

PostgreSQL takes the columns as arrays (unnest); SQLite takes them through a temporary table of the
connection. Table and column names come from the code, never from outside.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import repeat
from typing import Any

from sqlalchemy.orm import Session

_STAGE = "CREATE TEMP TABLE IF NOT EXISTS staged (token BLOB)"


def is_sqlite(session: Session) -> bool:
    """Whether the session works on SQLite."""
    return session.get_bind().dialect.name == "sqlite"


def rows_of_tokens(
    session: Session, tables: Sequence[str], columns: str, tokens: Sequence[bytes]
) -> Iterator[Sequence[Any]]:
    """`columns` of the rows of each table whose token is among `tokens`, table by table.

    One index look-up for each token: LATERAL … OFFSET 0 keeps PostgreSQL from reading the whole table
    instead.
    """
    if not tokens:
        return
    connection = session.connection()
    if is_sqlite(session):
        _stage(session, tokens)
    for table in tables:
        if is_sqlite(session):
            names = ", ".join(f"i.{name.strip()}" for name in columns.split(","))
            found = connection.exec_driver_sql(
                f"SELECT {names} FROM temp.staged s CROSS JOIN {table} i ON i.token = s.token"  # noqa: S608
            )
        else:
            found = connection.exec_driver_sql(
                f"SELECT i.* FROM unnest(%b::bytea[]) AS s(token), LATERAL "  # noqa: S608
                f"(SELECT {columns} FROM {table} t WHERE t.token = s.token OFFSET 0) AS i",
                (list(tokens),),
            )
        yield from found


def insert_rows(
    session: Session, table: str, columns: str, values: Sequence[Sequence[Any]], same: tuple[str, str, str]
) -> None:
    """Insert rows of (token, type, first seen, last seen) given as columns; `same` is what all share: group,
    member, submission. Rows whose key is taken are left as they are.
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
    connection.exec_driver_sql(
        f"INSERT INTO {table} ({columns}) "  # noqa: S608
        "SELECT s.token, %s::text, %s::text, %s::text, s.indicator_type, s.first_seen, s.last_seen "
        "FROM unnest(%b::bytea[], %s::text[], %s::text[], %s::text[]) "
        "AS s(token, indicator_type, first_seen, last_seen) ON CONFLICT DO NOTHING",
        (*same, *(list(column) for column in values)),
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
