"""Fixtures shared by all tests: a fresh database of each kind, SQLite and PostgreSQL."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import hypothesis
import psycopg
import pytest
from psycopg import sql

from keys.custody import files as custody
from tests.postgresql import PostgresqlServer, postgresql_server

# The same examples in every run, so that a run tells of the change under test; the profile `explore` seeks more.
# No example is timed: how long one takes says more of the machine than of the code.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", max_examples=1_000, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def remembered_keys() -> Iterator[None]:
    """A key that a passphrase and a salt once gave is kept for this test process: it is the same at full cost, and
    tests open the same few files thousands of times.
    """
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(custody, "_derive_key", functools.lru_cache(maxsize=None)(custody._derive_key))
        yield


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


def empty_postgresql_database(server: PostgresqlServer, name: str) -> None:
    """Leave nothing in the database that a test put there. Raises psycopg.Error for one that the test took away."""
    with psycopg.connect(host=str(server.socket_folder), user="postgres", dbname=name, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
            " WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        connection.execute(sql.SQL("ALTER DATABASE {} RESET ALL").format(sql.Identifier(name)))
        connection.execute("DROP SCHEMA public CASCADE")
        connection.execute("CREATE SCHEMA public")


@pytest.fixture(scope="session")
def emptied_databases() -> list[str]:
    """The names of databases that tests are done with. To make and remove one costs more than most tests do."""
    return []


@pytest.fixture
def postgresql_url(postgresql: PostgresqlServer, emptied_databases: list[str]) -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    name = emptied_databases.pop() if emptied_databases else create_postgresql_database(postgresql)
    yield postgresql.url(name)
    with contextlib.suppress(psycopg.Error):
        empty_postgresql_database(postgresql, name)
        emptied_databases.append(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty database; a test that takes it runs once on each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url
