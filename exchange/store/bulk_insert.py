"""Inserting and deleting tens of thousands of rows at once: as arrays on PostgreSQL, row by row on SQLite, which
is quick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import ColumnElement, Table, any_, bindparam, delete, func, insert, select
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, Session

from exchange.store.base import Base

_DELETED_AT_ONCE = 10_000


def insert_many(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows that all have the same columns; nothing happens for none."""
    if not rows:
        return
    table = model.__table__
    assert isinstance(table, Table)  # noqa: S101 - every mapped class has one; for the type checker
    if session.get_bind().dialect.name == "sqlite":
        session.execute(insert(table), list(rows))
        return
    names = list(rows[0])
    arrays = [bindparam(name, [row[name] for row in rows], type_=ARRAY(table.c[name].type)) for name in names]
    session.execute(insert(table).from_select(names, select(*(func.unnest(array) for array in arrays))))


def delete_many(session: Session, model: type[Base], key: InstrumentedAttribute[int], values: Sequence[int]) -> None:
    """Delete the rows whose `key`, a column of numbers, is among `values`."""
    if session.get_bind().dialect.name == "sqlite":
        conditions: list[ColumnElement[bool]] = [
            key.in_(values[i : i + _DELETED_AT_ONCE]) for i in range(0, len(values), _DELETED_AT_ONCE)
        ]
    else:
        conditions = [key == any_(bindparam("values", list(values), type_=ARRAY(key.type)))]
    for condition in conditions:
        session.execute(delete(model).where(condition), execution_options={"synchronize_session": False})
