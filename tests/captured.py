"""Which statements a database is sent, whoever sends them: taken from the drivers, below SQLAlchemy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
from sqlalchemy import event
from sqlalchemy.engine import Engine

from tests.plans import is_planned, without_values

Captured = dict[str, tuple[str, Any]]
"""The first statement of each form, and its parameters; on SQLite the values are in the statement."""


@contextmanager
def captured(engine: Engine) -> Iterator[Captured]:
    """What connections made from now on are sent."""
    found: Captured = {}

    def note(statement: str, parameters: Any = None) -> None:
        if is_planned(statement):
            found.setdefault(without_values(statement), (statement, parameters))

    class NotingCursor(psycopg.Cursor[Any]):
        """Notes what it executes."""

        def execute(self, query: Any, params: Any = None, **options: Any) -> NotingCursor:
            note(_text(query), params)
            return super().execute(query, params, **options)

        def executemany(self, query: Any, params_seq: Any, **options: Any) -> None:
            sets = list(params_seq)
            note(_text(query), sets[0])
            super().executemany(query, sets, **options)

    def watch(connection: Any, _record: Any) -> None:
        if isinstance(connection, sqlite3.Connection):
            connection.set_trace_callback(note)
        else:
            connection.cursor_factory = NotingCursor

    engine.dispose()
    event.listen(engine, "connect", watch)
    try:
        yield found
    finally:
        event.remove(engine, "connect", watch)
        engine.dispose()


def _text(query: Any) -> str:
    return query.decode() if isinstance(query, bytes) else str(query)
