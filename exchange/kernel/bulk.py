"""Set operations over thousands of tokens, in the quickest form that each database has.

PostgreSQL takes the columns as arrays (unnest); SQLite takes them through a temporary table of the
connection. Table and column names come from the code, never from outside.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from itertools import repeat
from typing import Any

from sqlalchemy import CursorResult
from sqlalchemy.orm import Session

_STAGE = "CREATE TEMP TABLE IF NOT EXISTS staged (token BLOB)"


def is_sqlite(session: Session) -> bool:
    """Whether the session works on SQLite."""
    return session.get_bind().dialect.name == "sqlite"


def rows_of_tokens(
    session: Session,
    tables: Sequence[str],
    columns: str,
    tokens: Sequence[bytes],
    same: Mapping[str, str] | None = None,
) -> Iterator[Sequence[Any]]:
    """`columns` of the rows of each table whose token (32 bytes) is among `tokens`, and whose columns are as `same`
    says.

    One index look-up for each token and table: LATERAL keeps PostgreSQL from reading a whole table instead.
    """
    if not tokens:
        return
    connection, parameters = session.connection(), tuple((same or {}).values())
    mark = "?" if is_sqlite(session) else "%s"
    alike = "".join(f" AND i.{name} = {mark}" for name in same or ())
    names = ", ".join(f"i.{name.strip()}" for name in columns.split(","))
    if is_sqlite(session):
        _stage(session, tokens)
        for table in tables:
            yield from _fetched(
                connection.exec_driver_sql(
                    f"SELECT {names} FROM temp.staged s CROSS JOIN {table} i ON i.token = s.token{alike}",  # noqa: S608
                    parameters,
                )
            )
        return
    parts = (f"SELECT {names} FROM {table} i WHERE i.token = s.token{alike}" for table in tables)  # noqa: S608
    yield from _of_each_token(session, "found.*", " UNION ALL ".join(parts), tokens, parameters * len(tables))


FIELD_END, ROW_END = "\x1f", "\x1e"
"""What ends a field, and a row, of a joined text: no id, code, date or JSON holds them."""


def joined_of_tokens(
    session: Session, tables: Sequence[str], fields: Sequence[str], order: str, tokens: Sequence[bytes]
) -> Iterator[tuple[bytes, str]]:
    """(token, text) for each token and table that has rows of it: `fields` (SQL over a row) of all of them in one text,
    in the `order` of these columns, which is that of the table's key. A token may have hundreds of rows, and as many
    objects would cost ten times the database's work; where many tokens are alike, their texts are equal.
    """
    if not tokens:
        return
    connection = session.connection()
    if is_sqlite(session):
        _stage(session, tokens)
        row = " || char(31) || ".join(f"ifnull({field}, '')" for field in fields)
        for table in tables:
            yield from _fetched(
                connection.exec_driver_sql(
                    f"SELECT s.token, group_concat({row}, char(30)) "  # noqa: S608
                    f"FROM temp.staged s CROSS JOIN {table} i ON i.token = s.token GROUP BY s.rowid"
                )
            )
        return
    row = " || chr(31) || ".join(f"coalesce({field}, '')" for field in fields)
    joined = f"string_agg({row}, chr(30) ORDER BY {order}) AS joined"
    parts = (f"SELECT {joined} FROM {table} i WHERE i.token = s.token" for table in tables)  # noqa: S608
    named = _of_each_token(session, "s.token, found.joined", " UNION ALL ".join(parts), tokens, ())
    yield from ((token, text) for token, text in named if text is not None)


_EACH = (
    "WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < :count), "
    "s(token) AS MATERIALIZED (SELECT substr(:tokens, i * 32 + 1, 32) FROM n) "
)


def count_of_tokens(
    session: Session,
    tables: Sequence[str],
    tokens: Sequence[bytes],
    group_id: str,
    but: Mapping[str, Sequence[str]],
) -> dict[bytes, int]:
    """How many rows of the tables each of the tokens has in a group, if any, but for rows whose columns have one of the
    values in `but`. In a reading transaction too.
    """
    if not tokens:
        return {}
    left_out = {column: list(values) for column, values in but.items() if values}
    is_lite = is_sqlite(session)
    absent = "NOT IN (SELECT value FROM json_each(:{}))" if is_lite else "<> ALL(%s::text[])"
    where = " AND i.group_id = " + (":group_id" if is_lite else "%s")
    where += "".join(f" AND i.{name} {absent.format(name)}" for name in left_out)
    counted = (f"(SELECT count(*) FROM {table} i WHERE i.token = s.token{where})" for table in tables)  # noqa: S608
    query = f"SELECT {' + '.join(counted)} AS rows"
    if is_lite:
        values = {"tokens": b"".join(tokens), "count": len(tokens), "group_id": group_id}
        values |= {column: json.dumps(some) for column, some in left_out.items()}
        counting = f"{_EACH}SELECT s.token, ({query}) FROM s"  # noqa: S608
        found = _fetched(session.connection().exec_driver_sql(counting, values))
    else:
        parameters = (group_id, *left_out.values()) * len(tables)
        found = _of_each_token(session, "s.token, found.rows", query, tokens, parameters)
    return {token: count for token, count in found if count}


def _of_each_token(
    session: Session, names: str, query: str, tokens: Sequence[bytes], values: Sequence[Any]
) -> list[Any]:
    """On PostgreSQL: what a query over `s.token`, called `found`, finds for each of the tokens."""
    result = session.connection().exec_driver_sql(
        f"SELECT {names} FROM (SELECT {_token('n')} AS token FROM generate_series(1, %s) AS n OFFSET 0) AS s, "  # noqa: S608
        f"LATERAL ({query}) AS found",
        (b"".join(tokens), len(tokens), *values),
    )
    return _fetched(result)


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
