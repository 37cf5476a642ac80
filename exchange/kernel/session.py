"""The database: engine, transactions and their retries. SQLite for one machine, PostgreSQL in production.

Rules, in order:
1. A commit that returned is on disk: SQLite runs with synchronous=FULL, and a database that would lose it is
   refused at the start (exchange.kernel.fitness).
2. SQLite writers take the write lock when they begin (edge.sqlite).
3. Serialisation failures and a busy database are retried whole, and only where the database said that nothing
   was committed.
4. Nobody waits for ever: for a lock, for a connection, or for a retry a few seconds, and a request's statement
   LONGEST_STATEMENT_SECONDS.
"""

from __future__ import annotations

import random
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

from sqlalchemy import Connection, Engine, create_engine, event, make_url
from sqlalchemy.exc import DBAPIError
from sqlalchemy.orm import Session

from edge.sqlite import READING, prepare_sqlite
from exchange.kernel.fitness import DatabaseUnfitError, check_fitness

_Result = TypeVar("_Result")

BUSY_SECONDS = 5
"""How long SQLite waits for another writer; short, so that a queue of waiting requests does not hold every
thread.
"""

PATIENCE_SECONDS = 10
"""How long PostgreSQL waits for one lock (its queue is a fair one), and after how long nothing is tried again."""

LONGEST_STATEMENT_SECONDS = 30
"""For requests alone: jobs and migrations take as long as they take."""

LOG_STALE_SECONDS = 3600
"""How old an entry may get that has no place in the published log before disclosing stops."""

LOG_STALE = "log_stale_seconds"
"""Under this name a session's `info` holds its database's `log_stale_seconds`."""

# 2 MiB of each thread's connection, so that a process of many threads stays small; mmap serves the rest.
_PRAGMAS = ("cache_size=-2048", "mmap_size=1073741824", "temp_store=MEMORY", "wal_autocheckpoint=4000")
# serialization_failure, deadlock_detected: rolled back, nothing kept
_RETRIED_STATES = frozenset({"40001", "40P01"})


@dataclass(frozen=True, slots=True)
class Database:
    """An engine and how to open transactions on it. `url` is hidden in repr, since it may carry a
    password. `log_stale_seconds` travels with every writing session to where disclosures are recorded.
    """

    engine: Engine = field(repr=False)
    url: str = field(repr=False)
    log_stale_seconds: int = LOG_STALE_SECONDS

    @property
    def is_sqlite(self) -> bool:
        """Whether this is SQLite (else PostgreSQL)."""
        return self.engine.dialect.name == "sqlite"

    @contextmanager
    def transaction(self) -> Iterator[Session]:
        """A session in one writing transaction: committed at the end of the block, rolled back if it
        raises.
        """
        info = {LOG_STALE: self.log_stale_seconds}
        with Session(self.engine, expire_on_commit=False, info=info) as session, session.begin():
            yield session

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one unchanging state and cannot write; it never waits for a writer."""
        with (
            Session(self.engine.execution_options(**{READING: True}), expire_on_commit=False) as session,
            session.begin(),
        ):
            yield session

    def run_in_transaction(self, work: Callable[[Session], _Result], attempts: int = 6) -> _Result:
        """The result of `work(session)`, committed. The whole of `work` runs again after a serialisation
        failure or a busy database, at most `attempts` times and within PATIENCE_SECONDS, so it must have no effect
        outside the session. A commit whose outcome is unknown (the connection broke) is never taken for one that
        failed: its error passes.
        """
        give_up_at = time.monotonic() + PATIENCE_SECONDS
        for attempt in range(1, attempts + 1):
            try:
                with self.transaction() as session:
                    return work(session)
            except DBAPIError as error:
                if attempt == attempts or not is_retryable(error) or time.monotonic() > give_up_at:
                    raise
                time.sleep(random.uniform(0, 0.01 * 2**attempt))  # noqa: S311 - spreads writers
        raise AssertionError("unreachable")

    def run_in_batches(self, work: Callable[[Session], int], size: int) -> int:
        """Run `work`, which does at most `size` things and says how many, until nothing is left, each time in a
        transaction of its own; how many in all.
        """
        done = 0
        while True:
            some = self.run_in_transaction(work)
            done += some
            if some < size:
                return done

    def dispose(self) -> None:
        """Close every pooled connection."""
        self.engine.dispose()


def is_retryable(error: DBAPIError) -> bool:
    """Whether the database rolled the transaction back for a passing reason and kept nothing of it."""
    original = error.orig
    if isinstance(original, sqlite3.OperationalError):
        code = getattr(original, "sqlite_errorcode", 0)
        return (code & 0xFF) in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED)
    return getattr(original, "sqlstate", None) in _RETRIED_STATES


def create_database(
    url: str,
    pool_size: int = 8,
    *,
    statement_seconds: int | None = None,
    log_stale_seconds: int = LOG_STALE_SECONDS,
) -> Database:
    """A database ready for transactions, checked to be fit for them.

    `url` is `sqlite:////abs/path.db` or `postgresql+psycopg://…` (`postgresql://` is taken to mean psycopg
    3). `statement_seconds` bounds each statement, and each pause between two of a transaction, on PostgreSQL.
    Raises DatabaseUnfitError for other databases and for settings that lose commits. Call it after a
    fork, not before.
    """
    parsed = make_url(url)
    if parsed.drivername == "postgresql":
        parsed = parsed.set(drivername="postgresql+psycopg")
    if parsed.drivername in ("sqlite", "sqlite+pysqlite"):
        if parsed.database in (None, "", ":memory:"):
            raise DatabaseUnfitError("SQLite in memory keeps nothing: name a file, sqlite:////srv/exchange/exchange.db")
        engine = create_engine(
            parsed,
            connect_args={
                "timeout": BUSY_SECONDS,
                "check_same_thread": False,
                # A list of another length is another statement, and each that is kept takes tens of KiB.
                "cached_statements": 32,
            },
            pool_size=pool_size,
            max_overflow=8,
            hide_parameters=True,
        )
        prepare_sqlite(engine, BUSY_SECONDS, _PRAGMAS)
    elif parsed.drivername == "postgresql+psycopg":
        engine = create_engine(
            parsed,
            connect_args={"connect_timeout": BUSY_SECONDS, "tcp_user_timeout": PATIENCE_SECONDS * 1000},
            pool_size=pool_size,
            max_overflow=8,
            pool_pre_ping=True,
            hide_parameters=True,
        )
        _prepare_postgresql(engine, statement_seconds)
    else:
        raise DatabaseUnfitError(f"{parsed.drivername} is not supported; use sqlite or postgresql+psycopg")
    database = Database(engine, parsed.render_as_string(hide_password=False), log_stale_seconds)
    check_fitness(engine)
    return database


def _prepare_postgresql(engine: Engine, statement_seconds: int | None) -> None:
    """Every wait has an end. A reading transaction sees one state (REPEATABLE READ) and is refused writes by the
    server itself.
    """
    limits = {"lock_timeout": PATIENCE_SECONDS}
    if statement_seconds is not None:
        limits |= dict.fromkeys(("statement_timeout", "idle_in_transaction_session_timeout"), statement_seconds)

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        for name, seconds in limits.items():
            connection.execute(f"SET {name} = '{seconds}s'")
        connection.commit()

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        if connection.get_execution_options().get(READING, False):
            connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
