"""What a database must be before anything is entrusted to it: checked at every start, reported by name, with the cure.

A commit that was confirmed is on disk, a text is what was written, and a row's parent is there.
"""

from __future__ import annotations

import sqlite3

from sqlalchemy import Connection, Engine, text

OLDEST_POSTGRESQL = 14
OLDEST_SQLITE = (3, 35, 0)

_POSTGRESQL = {
    "fsync": (frozenset({"on"}), "a crash of the machine would destroy the database: set fsync=on in postgresql.conf"),
    "full_page_writes": (
        frozenset({"on"}),
        "a crash while a page is written would damage it: set full_page_writes=on in postgresql.conf",
    ),
    "synchronous_commit": (
        frozenset({"on", "local", "remote_write", "remote_apply"}),
        "a crash would lose confirmed commits: set synchronous_commit=on in postgresql.conf, and look for another "
        "setting of it at this database or role (ALTER DATABASE … RESET synchronous_commit, ALTER ROLE … RESET)",
    ),
    "server_encoding": (frozenset({"UTF8"}), "make the database anew: CREATE DATABASE … ENCODING 'UTF8'"),
    "transaction_read_only": (
        frozenset({"off"}),
        "nothing can be written: name the primary server in database_url, or reset default_transaction_read_only",
    ),
}
_SQLITE = {
    "journal_mode": (
        frozenset({"wal"}),
        "writers and readers would lock each other out: put the file on a local disk, where SQLite can share memory",
    ),
    "synchronous": (frozenset({"2", "3"}), "a crash would lose confirmed commits: it has to be FULL"),
    "foreign_keys": (frozenset({"1"}), "rows could lose their parents: use a SQLite that was built with foreign keys"),
    "encoding": (frozenset({"UTF-8"}), "make the file anew in UTF-8"),
}


class DatabaseUnfitError(RuntimeError):
    """The database would lose what it has confirmed, or cannot be used as it is; the message names setting and cure."""


def check_fitness(engine: Engine) -> None:
    """Raise DatabaseUnfitError for the first thing that is wrong with the database of an engine."""
    with engine.connect() as connection:
        if engine.dialect.name == "sqlite":
            if sqlite3.sqlite_version_info < OLDEST_SQLITE:
                oldest = ".".join(map(str, OLDEST_SQLITE))
                raise DatabaseUnfitError(f"this is SQLite {sqlite3.sqlite_version}: {oldest} or newer is required")
            _check(connection, "SQLite", "PRAGMA", _SQLITE)
            return
        version = int(_value(connection, "SHOW server_version_num")) // 10_000
        if version < OLDEST_POSTGRESQL:
            raise DatabaseUnfitError(f"this is PostgreSQL {version}: {OLDEST_POSTGRESQL} or newer is required")
        _check(connection, "PostgreSQL", "SHOW", _POSTGRESQL)


def _check(connection: Connection, name: str, verb: str, required: dict[str, tuple[frozenset[str], str]]) -> None:
    for setting, (good, cure) in required.items():
        value = _value(connection, f"{verb} {setting}")
        if value not in good:
            raise DatabaseUnfitError(f"{name} runs with {setting}={value}: {cure}")


def _value(connection: Connection, question: str) -> str:
    return str(connection.execute(text(question)).scalar_one())
