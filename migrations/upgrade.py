"""Bringing a database to the tables that this version of the code wants. Nothing creates tables otherwise.

One starter at a time: an advisory lock on PostgreSQL, the write lock on SQLite (every transaction of ours
takes it when it begins), held from before the version is read until the new one is committed. Both databases
change tables in transactions, so that a migration happens whole or not at all.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from exchange.kernel.fitness import DatabaseUnfitError
from exchange.kernel.session import Database

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
    with database.engine.connect() as connection:
        return current_revision(connection) == head_revision()


@cache
def head_revision() -> str:
    """The revision that this version of the code wants."""
    head = ScriptDirectory.from_config(configuration()).get_current_head()
    assert head is not None  # noqa: S101 - the line of revisions is never empty; for the type checker
    return head


def known_revisions() -> frozenset[str]:
    """Every revision that this version of the code can bring to its own."""
    return frozenset(script.revision for script in ScriptDirectory.from_config(configuration()).walk_revisions())


def current_revision(connection: Connection) -> str | None:
    """The revision of a database's tables, None where there are none."""
    return MigrationContext.configure(connection).get_current_revision()


def revision_to_upgrade(database: Database) -> str | None:
    """The revision of the tables, None where there are none. Raises DatabaseUnfitError for an unknown, newer one."""
    with database.engine.connect() as connection:
        found = current_revision(connection)
    if found is not None and found not in known_revisions():
        raise DatabaseUnfitError(
            f"the database is at revision {found}, which this version does not know: it was upgraded by a newer one. "
            "Install that version again, or restore the backup taken before the upgrade into an empty database"
        )
    return found


def check_current(database: Database) -> None:
    """Raise DatabaseUnfitError, saying what to do, unless the tables are those that this version of the code wants."""
    found = revision_to_upgrade(database)
    if found is None:
        raise DatabaseUnfitError("the database has no tables: run `exchange upgrade`, or `exchange restore FILE`")
    if found != head_revision():
        raise DatabaseUnfitError(
            f"the database is at revision {found}, this version requires {head_revision()}: "
            "take a backup (`exchange backup FILE`), then run `exchange upgrade`"
        )


def hold_upgrade_lock(connection: Connection) -> None:
    """Let nobody else change tables until the connection's transaction ends."""
    if connection.dialect.name != "sqlite":  # where the transaction itself is the lock
        connection.execute(text("SET LOCAL lock_timeout = 0"))  # another starter's migration may take long
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _LOCK})


def upgrade_within(connection: Connection, revision: str = "head") -> None:
    """As `upgrade`, inside the connection's transaction, whose commit decides; the caller holds the lock."""
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, revision)


def _run(database: Database, change: Callable[[Config], None]) -> None:
    config = configuration()
    with database.engine.begin() as connection:
        hold_upgrade_lock(connection)
        config.attributes["connection"] = connection
        change(config)
