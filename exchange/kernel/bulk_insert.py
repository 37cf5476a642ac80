"""Inserting, changing and deleting tens of thousands of rows at once: in one statement on PostgreSQL, row by row on
SQLite, which is quick.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import (
    JSON,
    ColumnElement,
    Select,
    Table,
    Text,
    any_,
    bindparam,
    cast,
    column,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.orm import InstrumentedAttribute, Session

from exchange.kernel.base import Base

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
    session.execute(insert(table).from_select(list(rows[0]), select_of(table, rows)))


def select_of(table: Table, rows: Sequence[Mapping[str, Any]]) -> Select[Any]:
    """A SELECT of rows (at least one, all with the columns of the first) that PostgreSQL gets as one JSON document.

    Arrays, whose elements the driver converts one by one, take twice as long.
    """
    columns = [column(name, table.c[name].type) for name in rows[0]]
    document = msgspec.json.encode([{name: _to_json(value) for name, value in row.items()} for row in rows])
    given = func.json_to_recordset(cast(bindparam("rows", document.decode(), Text), JSON))
    return select(*given.table_valued(*columns).render_derived("given", with_types=True).c)


def _to_json(value: Any) -> Any:
    """A value as PostgreSQL reads it from JSON; a time has a zone."""
    if isinstance(value, datetime) and value.tzinfo is None:
        raise ValueError("a stored time has a zone")
    return f"\\x{value.hex()}" if isinstance(value, bytes) else value


def update_many(session: Session, model: type[Base], rows: Sequence[Mapping[str, Any]]) -> None:
    """Change stored rows, each given by its primary key and the columns to set; all have the same columns."""
    if not rows:
        return
    table: Any = model.__table__
    keys = [column.name for column in table.primary_key]
    changed = [name for name in rows[0] if name not in keys]
    if session.get_bind().dialect.name == "sqlite":
        values = [{f"new_{name}": value for name, value in row.items()} for row in rows]
        where = [table.c[name] == bindparam(f"new_{name}") for name in keys]
        settings: Any = {name: bindparam(f"new_{name}") for name in changed}
        session.connection().execute(update(table).where(*where).values(settings), values)
        return
    new = select_of(table, rows).subquery("new")
    where = [table.c[name] == new.c[name] for name in keys]
    session.execute(update(table).where(*where).values({name: new.c[name] for name in changed}))


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
