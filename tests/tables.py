"""Tables on a new database, quickly: what the migrations said the first time is said again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import Engine, event

from exchange.kernel.session import Database
from keys.holder.database import HolderDatabase
from migrations.upgrade import upgrade

_said: dict[tuple[str, str], list[str]] = {}
"""By dialect and table of versions, the statements of a whole upgrade of an empty database; none has parameters."""


def make_tables(database: Database) -> None:
    """The exchange's: as `upgrade`, and on an empty database several times faster from the second time on in a test
    process.
    """
    _make(database.engine, "alembic_version", lambda: upgrade(database))


def make_holder_tables(database: HolderDatabase) -> None:
    """A key holder's, likewise."""
    _make(database.engine, "holder_alembic_version", database.migrate)


def _make(engine: Engine, version_table: str, upgrade: Callable[[], object]) -> None:
    kind = (engine.dialect.name, version_table)
    with engine.begin() as connection:
        is_empty = not connection.dialect.has_table(connection, version_table)
        if is_empty and kind in _said:
            together = ";\n".join(_said[kind])  # in one round trip, where the driver takes more than one statement
            for statement in _said[kind] if engine.dialect.name == "sqlite" else [together]:
                connection.exec_driver_sql(statement)
            return
    if is_empty:
        _said[kind] = _recorded(engine, version_table, upgrade)
    else:
        upgrade()


def _recorded(engine: Engine, version_table: str, upgrade: Callable[[], object]) -> list[str]:
    said: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if not statement.lstrip().upper().startswith(("SELECT", "PRAGMA", "SET", "BEGIN")):
            assert not parameters, statement
            said.append(statement)

    event.listen(engine, "before_cursor_execute", note)
    try:
        upgrade()
    finally:
        event.remove(engine, "before_cursor_execute", note)
    assert any(f"INTO {version_table}" in statement for statement in said)
    return said
