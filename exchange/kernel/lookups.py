"""Reading by the driver itself, for the few paths on which SQLAlchemy's own work would cost several times the
database's: polls of feeds, which come by the thousand and mostly find what they found before.

A Lookup is one SELECT, written by hand with `:name` for its values. It runs inside `looking`, which is a reading
transaction as Database.reading is one: one unchanging state, no writing, no waiting for a writer.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy.exc import DBAPIError

from edge.sqlite import turn_query_only
from exchange.kernel.session import Database

_NAME = re.compile(r":([a-z_0-9]+)", re.ASCII)
_POSTGRESQL_BEGIN = "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY"


@dataclass(frozen=True, slots=True)
class ReadTransaction:
    """A reading transaction."""

    cursor: Any
    is_sqlite: bool

    def moment(self, moment: datetime) -> Any:
        """A time as the columns of UtcDateTime hold it."""
        utc = moment.astimezone(UTC)
        return f"{utc:%Y-%m-%d %H:%M:%S.%f}" if self.is_sqlite else utc


class Lookup:
    """A SELECT with named values; PostgreSQL gets a text of its own where it needs one."""

    __slots__ = ("_postgresql", "_sqlite")

    def __init__(self, statement: str, *, postgresql: str = "") -> None:
        self._sqlite = statement
        self._postgresql = _NAME.sub(r"%(\1)s", postgresql or statement)

    def text(self, *, is_sqlite: bool) -> str:
        """As the driver takes it."""
        return self._sqlite if is_sqlite else self._postgresql

    def rows(self, looking: ReadTransaction, values: dict[str, Any]) -> list[Any]:
        """All rows, as tuples."""
        looking.cursor.execute(self._sqlite if looking.is_sqlite else self._postgresql, values)
        found: list[Any] = looking.cursor.fetchall()
        return found


@contextmanager
def looking(database: Database) -> Iterator[ReadTransaction]:
    """A reading transaction for lookups. Raises SQLAlchemy's DBAPIError, as sessions do."""
    connection = database.engine.raw_connection()
    try:
        cursor = connection.cursor()
        pragma = turn_query_only(connection.info, True) if database.is_sqlite else ""
        if pragma:
            cursor.execute(pragma)
        cursor.execute("BEGIN DEFERRED" if database.is_sqlite else _POSTGRESQL_BEGIN)
        yield ReadTransaction(cursor, database.is_sqlite)
        cursor.close()
    except database.engine.dialect.loaded_dbapi.Error as error:
        connection.invalidate()
        raise DBAPIError(None, None, error) from None
    finally:
        # Back in the pool, which ends the transaction.
        connection.close()
