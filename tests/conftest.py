"""Fixtures shared by all tests: a fresh database of each kind, SQLite and PostgreSQL."""

from __future__ import annotations

import contextlib
import functools
import secrets
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import psycopg
import pytest
from psycopg import sql
from werkzeug.routing import Rule

from keys.custody import files as custody
from tests.filled_databases import CopyFilled, FilledDatabases, create_postgresql_database
from tests.postgresql import PostgresqlServer, postgresql_server
from tests.quick import is_left_out

# The same examples in every run, so that a run tells of the change under test; the profile `explore` seeks more.
# No example is timed: how long one takes says more of the machine than of the code.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("explore", max_examples=1_000, deadline=None)
hypothesis.settings.load_profile("repeatable")


@pytest.fixture(scope="session", autouse=True)
def remembered_keys() -> Iterator[None]:
    """Key derivation is slow on purpose. All files that a test process writes share a salt, and what a passphrase gave
    is kept: each passphrase costs its full derivation once, and any other process opens the files too.
    """
    salt = secrets.token_bytes(16)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(custody, "_new_salt", lambda: salt)
        patch.setattr(custody, "_derive_key", functools.lru_cache(maxsize=None)(custody._derive_key))
        yield


@pytest.fixture(scope="session", autouse=True)
def late_url_builders() -> Iterator[None]:
    """A route's builder of URLs is compiled when it is first used, which is never: to compile two of them for each
    route took three quarters of what it takes to make an application, and nearly every test makes one.
    """
    compile_builder = Rule._compile_builder

    def compile_late(rule: Rule, append_unknown: bool = True) -> Callable[..., tuple[str, str]]:
        compiled = functools.cache(lambda: compile_builder(rule, append_unknown))
        return lambda _rule, **values: compiled()(rule, **values)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Rule, "_compile_builder", compile_late)
        yield


_LONG = frozenset({"end_to_end", "torture", "load", "fuzz", "test_matrix.py"})
_left_out = pytest.StashKey[int]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """`--quick`, for the inner loop."""
    parser.addoption("--quick", action="store_true", help="leave out PostgreSQL and what takes long (tests/quick.py)")


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The files that take minutes come first, so that none is left to one process in the end."""
    if config.getoption("quick"):
        left_out = [item for item in items if is_left_out(item)]
        items[:] = [item for item in items if not is_left_out(item)]
        config.stash[_left_out] = len(left_out)
        if (to_controller := getattr(config, "workeroutput", None)) is not None:
            to_controller["left_out"] = len(left_out)
    items.sort(key=lambda item: _LONG.isdisjoint(item.path.parts))


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Each worker of a parallel run collects the same tests; the controller collects none."""
    if "left_out" in getattr(node, "workeroutput", {}):
        node.config.stash[_left_out] = node.workeroutput["left_out"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say that a quick run was not the whole."""
    if config.getoption("quick"):
        count = config.stash.get(_left_out, 0)
        terminalreporter.write_line(f"--quick left out {count} tests: PostgreSQL, and what takes long")


@pytest.fixture(scope="session")
def postgresql() -> Iterator[PostgresqlServer]:
    """One PostgreSQL server for each test process, started by the first test that wants it."""
    with postgresql_server(in_memory=True) as server:
        yield server


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
def database_kind(request: pytest.FixtureRequest) -> str:
    """The kind of database; a test that takes it, or what is made with it, runs once on each."""
    kind: str = request.param
    return kind


@pytest.fixture
def database_url(database_kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of a new, empty database of each kind."""
    if database_kind == "sqlite":
        return f"sqlite:///{tmp_path / 'test.db'}"
    url: str = request.getfixturevalue("postgresql_url")
    return url


@pytest.fixture(scope="session")
def filled_databases(tmp_path_factory: pytest.TempPathFactory) -> FilledDatabases:
    """What tests fill once in a test process, to copy it."""
    return FilledDatabases(tmp_path_factory.mktemp("filled"))


@pytest.fixture
def copy_filled(
    filled_databases: FilledDatabases, database_kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> Iterator[CopyFilled]:
    """Gives the URL of a new database of each kind that holds what a function puts into it, and what that returned.

    The function is called once in a test process for each `key`, and leaves no connection open.
    """
    server = request.getfixturevalue("postgresql") if database_kind == "postgresql" else None
    with filled_databases.copier(server, tmp_path) as copy:
        yield copy
