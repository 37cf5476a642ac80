"""SQLite under the exchange and under a key holder, made to keep what it committed.

1. A commit that returned is on disk: WAL mode with synchronous=FULL.
2. A writing transaction takes the write lock when it begins (BEGIN IMMEDIATE): a deferred one that upgrades later fails
   at once. It is begun here, because the driver's own BEGIN is deferred and comes late.
3. A reading transaction (execution option READING) waits for no writer, and cannot write.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, event, make_url

READING = "reading"
"""The execution option of connections whose transactions only read."""


def sqlite_file(url: str) -> Path | None:
    """The file of a database on SQLite, None for one on a server."""
    parsed = make_url(url)
    return Path(parsed.database) if parsed.get_backend_name() == "sqlite" and parsed.database else None


def prepare_sqlite(engine: Engine, busy_seconds: int, pragmas: Sequence[str] = ()) -> None:
    """Set up each connection of the engine, with further `pragmas`; writers wait `busy_seconds` for one another."""

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        durable = (f"busy_timeout={busy_seconds * 1000}", "journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON")
        for pragma in (*durable, *pragmas):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        reading = connection.get_execution_options().get(READING, False)
        pragma = turn_query_only(connection.info, reading)
        if pragma:
            connection.exec_driver_sql(pragma)
        connection.exec_driver_sql("BEGIN DEFERRED" if reading else "BEGIN IMMEDIATE")


def turn_query_only(info: dict[Any, Any], reading: bool) -> str:
    """The statement that makes a pooled connection of SQLite writable or read-only; empty if it is that way already.
    `info` is the pool's note of the connection. Set anew, it would prepare every statement again.
    """
    if info.get(READING) is reading:
        return ""
    info[READING] = reading
    return f"PRAGMA query_only={'ON' if reading else 'OFF'}"
