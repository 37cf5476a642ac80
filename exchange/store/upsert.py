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
    return _insert_all(session, model, _insert(session, model).on_conflict_do_nothing(), rows)


def insert_or_update(
    session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]], changed: Sequence[str]
) -> None:
    """Insert the rows; where the primary key is taken, set the columns named in `changed` instead."""
    if not rows:
        return
    statement = _insert(session, model)
    keys = [column.name for column in model.__table__.primary_key]
    settings = {name: statement.excluded[name] for name in changed}
    _insert_all(session, model, statement.on_conflict_do_update(index_elements=keys, set_=settings), rows)


def _insert_all(session: Session, model: type[Base], statement: Any, rows: Sequence[Mapping[str, Any]]) -> int:
    """Run an INSERT of one or many rows; how many it returned. RETURNING lets many rows go in one statement."""
    returned = statement.returning(next(iter(model.__table__.primary_key)))
    return len(session.connection().execute(returned, list(rows)).all())


def run_counted(session: Session, statement: Any, values: Any = None) -> int:
    """Run an INSERT, UPDATE or DELETE of Core; how many rows it changed."""
    result = session.connection().execute(statement, values, execution_options={"preserve_rowcount": True})
    return result.rowcount


def _insert(session: Session, model: type[Base]) -> Any:
    dialect = session.get_bind().dialect.name
    return sqlite.insert(model.__table__) if dialect == "sqlite" else postgresql.insert(model.__table__)  # type: ignore[arg-type]
