"""Bringing a database to the tables that this version of the code wants. Nothing creates tables otherwise.

One starter at a time: an advisory lock on PostgreSQL, the write lock on SQLite (every transaction of ours
takes it when it begins), held from before the version is read until the new one is committed. Both databases
change tables in transactions, so that a migration happens whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from exchange.store.session import Database

# Any number of our own: the key of PostgreSQL's advisory lock.
_LOCK = 0x65786368_0001


def configuration() -> Config:
    """Alembic's configuration: the scripts of this package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def upgrade(database: Database, revision: str = "head") -> None:
    """Bring the tables to `revision`; nothing happens if they are there."""
    _run(database, lambda config: command.upgrade(config, revision))


def downgrade(database: Database, revision: str) -> None:
    """Undo what came after `revision` ("base" for all of it)."""
    _run(database, lambda config: command.downgrade(config, revision))


def is_current(database: Database) -> bool:
    """Whether the database has the tables that this version of the code wants."""
    heads = set(ScriptDirectory.from_config(configuration()).get_heads())
    with database.engine.connect() as connection:
        return set(MigrationContext.configure(connection).get_current_heads()) == heads


def _run(database: Database, change: Callable[[Config], None]) -> None:
    config = configuration()
    with database.engine.begin() as connection:
        if not database.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        config.attributes["connection"] = connection
        change(config)
