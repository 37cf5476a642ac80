"""The key holder's database: its engine, its transactions, its migrations.

1. A commit that returned is on disk (edge.sqlite).
2. SQLite writers take the write lock when they begin and wait at most 5 seconds for it.
3. Migrations run under a lock, so that workers and commands that start together do not race; nothing is created
   otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, make_url, text
from sqlalchemy.exc import ArgumentError

from edge.sqlite import READING, prepare_sqlite

BUSY_SECONDS = 5
# Any number of our own: the keys of PostgreSQL's advisory locks taken here.
_MIGRATION_LOCK = 0x6B657973_0001
_STATEMENTS_LOCK = 0x6B657973_0002


class HolderDatabaseError(RuntimeError):
    """The database URL names no database that can be used here."""


@dataclass(frozen=True, slots=True)
class HolderDatabase:
    """An engine and the ways to open a transaction on it."""

    engine: Engine = field(repr=False)

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite (else PostgreSQL)."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """A connection in one writing transaction: committed at the end of the block, rolled back if it raises."""
        with self.engine.begin() as connection:
            yield connection

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """A connection that reads one state and waits for no writer."""
        with self.engine.connect() as connection:
            connection.execution_options(**{READING: True})
            with connection.begin():
                yield connection

    def lock_statements(self, connection: Connection) -> None:
        """Until the transaction ends, nobody else stores statements. (SQLite: the write lock is held already.)"""
        self._lock(connection, _STATEMENTS_LOCK)

    def migrate(self, revision: str = "head") -> None:
        """Bring the tables to `revision`; an older one undoes what came after it. One at a time."""
        config = Config()
        config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
        with self.transaction() as connection:
            self._lock(connection, _MIGRATION_LOCK)
            config.attributes["connection"] = connection
            if revision == "head":
                command.upgrade(config, revision)
            else:
                command.downgrade(config, revision)

    def dispose(self) -> None:
        """Close the pooled connections."""
        self.engine.dispose()

    def _lock(self, connection: Connection, key: int) -> None:
        if not self.is_sqlite:
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def open_database(url: str) -> HolderDatabase:
    """The database at `sqlite:////abs/path.db` or `postgresql+psycopg://…` (`postgresql://` means the same).

    Call it after a fork. Raises HolderDatabaseError for other URLs, without telling the URL: it may hold a password.
    """
    try:
        parsed = make_url(url)
    except ArgumentError:
        raise HolderDatabaseError("the database URL cannot be read") from None
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername == "postgresql+psycopg":
        return HolderDatabase(create_engine(parsed, pool_pre_ping=True, hide_parameters=True))
    if parsed.drivername not in {"sqlite", "sqlite+pysqlite"} or not parsed.database:
        raise HolderDatabaseError("the database URL must start with sqlite:///path or postgresql+psycopg://")
    arguments = {"timeout": BUSY_SECONDS, "check_same_thread": False}
    engine = create_engine(parsed, connect_args=arguments, hide_parameters=True)
    prepare_sqlite(engine, BUSY_SECONDS)
    return HolderDatabase(engine)
