"""INSERT … ON CONFLICT on either database."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from exchange.store.base import Base


def insert_ignoring(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> int:
    """Insert the rows whose primary or unique keys are still free; how many those were."""
    if not rows:
        return 0
    statement = _insert(session, model).on_conflict_do_nothing()
    return run_counted(session, statement, list(rows) if len(rows) > 1 else rows[0])


def run_counted(session: Session, statement: Any, values: Any = None) -> int:
    """Run an INSERT, UPDATE or DELETE of Core; how many rows it changed."""
    result = session.connection().execute(statement, values, execution_options={"preserve_rowcount": True})
    return result.rowcount


def _insert(session: Session, model: type[Base]) -> Any:
    dialect = session.get_bind().dialect.name
    return sqlite.insert(model.__table__) if dialect == "sqlite" else postgresql.insert(model.__table__)  # type: ignore[arg-type]
