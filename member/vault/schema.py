"""The vault's tables. Every column but row ids, epochs, record kinds and `is_duplicate` is a blind look-up or a sealed
payload.

indicators  one per (type, canonical form) that this member ever held
sources     one per row of a file, sharing group and epoch, however often it is submitted: raw value, reason, dates,
            reference, other columns, line, submission. Most are duplicates where a file comes every night with another
            column of its own: what stands at the exchange is found without reading them
tokens      an indicator's token and detail key in one epoch
records     everything small: secrets, statements, uploads and their parts, receipts, hits shown, the last checkpoint
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

VERSION = 1

_TABLES = """
CREATE TABLE indicators (
    indicator_id INTEGER PRIMARY KEY,
    lookup BLOB NOT NULL UNIQUE,
    payload BLOB NOT NULL
);
CREATE TABLE sources (
    source_id INTEGER PRIMARY KEY,
    lookup BLOB NOT NULL UNIQUE,
    indicator_id INTEGER NOT NULL,
    is_duplicate INTEGER NOT NULL,
    payload BLOB NOT NULL
);
CREATE INDEX sources_by_indicator ON sources (indicator_id, is_duplicate);
CREATE TABLE tokens (
    epoch INTEGER NOT NULL,
    indicator_id INTEGER NOT NULL,
    lookup BLOB NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (indicator_id, epoch)
) WITHOUT ROWID;
CREATE INDEX tokens_by_lookup ON tokens (lookup);
CREATE TABLE records (
    kind TEXT NOT NULL,
    lookup BLOB NOT NULL,
    payload BLOB NOT NULL,
    PRIMARY KEY (kind, lookup)
) WITHOUT ROWID;
"""

_PRAGMAS = (
    "journal_mode=WAL",
    "synchronous=FULL",
    "temp_store=MEMORY",
    "secure_delete=ON",
    "cache_size=-65536",  # KiB: the look-up indexes of a million rows fit
)


def connect(path: Path) -> sqlite3.Connection:
    """A connection in WAL mode that loses no committed transaction (synchronous=FULL) and spills nothing to disk."""
    connection = sqlite3.connect(path, timeout=5, isolation_level=None)
    try:
        for pragma in _PRAGMAS:
            connection.execute(f"PRAGMA {pragma}")
    except BaseException:
        connection.close()
        raise
    return connection


def create_tables(connection: sqlite3.Connection) -> None:
    """Lay out an empty vault."""
    connection.executescript(f"BEGIN IMMEDIATE; {_TABLES} PRAGMA user_version={VERSION}; COMMIT;")


def is_current(connection: sqlite3.Connection) -> bool:
    """Whether the file has this version's tables."""
    return bool(connection.execute("PRAGMA user_version").fetchone()[0] == VERSION)
