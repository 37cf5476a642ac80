"""INSERT … ON CONFLICT on either database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from exchange.kernel.base import Base
from exchange.kernel.bulk_insert import select_of


def insert_ignoring(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows whose primary or unique keys are still free; how many those were. All have the same columns.

    Many rows go in one statement on PostgreSQL, and one by one on SQLite: there each length of a list would be compiled
    anew.
    """
    if not rows:
        return 0
    table: Any = model.__table__
    key = next(iter(table.primary_key))
    connection = session.connection()
    if connection.dialect.name == "sqlite":
        return run_counted(session, sqlite.insert(table).on_conflict_do_nothing(), list(rows))
    from_arrays = postgresql.insert(table).from_select(list(rows[0]), select_of(table, rows))
    return len(connection.execute(from_arrays.on_conflict_do_nothing().returning(key)).all())


def run_counted(session: Session, statement: Any, values: Any = None) -> int:
    """Run an INSERT, UPDATE or DELETE of Core; how many rows it changed."""
    result = session.connection().execute(statement, values, execution_options={"preserve_rowcount": True})
    return result.rowcount
