"""Databases that are filled once in a test process, and copied for each test that starts from there."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import psycopg
from psycopg import sql

from tests.postgresql import PostgresqlServer

_Filled = TypeVar("_Filled")


def _command(server: PostgresqlServer, statement: str, *names: str) -> None:
    with psycopg.connect(
        host=str(server.socket_folder), user="postgres", dbname="postgres", autocommit=True
    ) as connection:
        connection.execute(sql.SQL(statement).format(*map(sql.Identifier, names)))


def create_postgresql_database(server: PostgresqlServer, template: str = "template0") -> str:
    """The name of a new database on the server, a copy of `template`."""
    name = f"test_{uuid4().hex}"
    _command(server, "CREATE DATABASE {} TEMPLATE {}", name, template)
    return name


def drop_postgresql_database(server: PostgresqlServer, name: str) -> None:
    """Remove a database that a test is done with, whoever is still connected; it may be gone already."""
    _command(server, "DROP DATABASE IF EXISTS {} WITH (FORCE)", name)


class CopyFilled(Protocol):
    """`(url, filled)`: a new database, and what `fill(its original's url)` returned when it was called for `key`."""

    def __call__(self, key: Hashable, fill: Callable[[str], _Filled]) -> tuple[str, _Filled]: ...


@dataclass
class FilledDatabases:
    """The originals: a file each on SQLite, a database each on PostgreSQL."""

    folder: Path
    _originals: dict[tuple[bool, Hashable], tuple[str, Any]] = field(default_factory=dict)

    @contextmanager
    def copier(self, server: PostgresqlServer | None, folder: Path) -> Iterator[CopyFilled]:
        """Copies, on SQLite into `folder`; those on a server are gone after the block."""
        copies: list[str] = []

        def copy(key: Hashable, fill: Callable[[str], _Filled]) -> tuple[str, _Filled]:
            original, filled = self._original(server, key, fill)
            if server is None:
                name = f"test{len(copies) or ''}.db"
                shutil.copyfile(original, folder / name)
            else:
                name = create_postgresql_database(server, original)
            copies.append(name)
            return server.url(name) if server else f"sqlite:///{folder / name}", filled

        yield copy
        for name in copies if server else ():
            assert server is not None
            drop_postgresql_database(server, name)

    def _original(
        self, server: PostgresqlServer | None, key: Hashable, fill: Callable[[str], _Filled]
    ) -> tuple[str, _Filled]:
        place = (server is None, key)
        if place not in self._originals:
            if server is None:
                name = str(self.folder / f"{len(self._originals)}.db")
                self._originals[place] = name, fill(f"sqlite:///{name}")
            else:
                name = create_postgresql_database(server)
                self._originals[place] = name, fill(server.url(name))
        return self._originals[place]
