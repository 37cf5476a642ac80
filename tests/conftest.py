"""Fixtures shared by all tests: a fresh database of each kind, SQLite and PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from psycopg import sql

from tests.postgresql import PostgresqlServer, postgresql_server

# The same examples in every run, so that a run tells of the change under test; the profile `explore` seeks more.
# No example is timed: how long one takes says more of the machine than of the code.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", max_examples=1_000, deadline=None)
hypothesis.settings.load_profile("repeatable")


_LONG = frozenset({"end_to_end", "torture", "load", "fuzz", "test_matrix.py"})


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take minutes come first, so that none is left to one process in the end."""
    items.sort(key=lambda item: _LONG.isdisjoint(item.path.parts))


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """One PostgreSQL server for each test process, started by the first test that wants it."""
    with postgresql_server() as server:
        yield server


def create_postgresql_database(server: PostgresqlServer, template: str = "template0") -> str:
    """The name of a new database on the server, a copy of `template`."""
    name = f"test_{uuid4().hex}"
    with psycopg.connect(
        host=str(server.socket_folder), user="postgres", dbname="postgres", autocommit=True
    ) as connection:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(template)))
    return name


@pytest.fixture
def postgresql_url(postgresql: PostgresqlServer) -> str:
    """The URL of a new, empty PostgreSQL database."""
    return postgresql.url(create_postgresql_database(postgresql))


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty database; a test that takes it runs once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url
