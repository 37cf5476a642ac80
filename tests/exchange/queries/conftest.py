"""A taskforce with banks, two agencies and an independent reviewer, on each kind of database.

It is founded once for each kind, and every test gets a copy of its own.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.exchange.queries.scenario import QueryScenario
from tests.exchange.silence.holders import OTHERS, SUBJECT
from tests.filled_databases import create_postgresql_database, drop_postgresql_database
from tests.postgresql import PostgresqlServer


@pytest.fixture(scope="session")
def founded_sqlite(tmp_path_factory: pytest.TempPathFactory) -> tuple[QueryScenario, Path]:
    """The scenario, and the file that it lies in."""
    folder = tmp_path_factory.mktemp("queries")
    made = QueryScenario(f"sqlite:///{folder / 'founded.db'}", folder)
    made.taskforce.close()
    return made, folder / "founded.db"


@pytest.fixture(scope="session")
def founded_postgresql(
    postgresql: PostgresqlServer, tmp_path_factory: pytest.TempPathFactory
) -> tuple[QueryScenario, str]:
    """The scenario, and the name of its database."""
    name = create_postgresql_database(postgresql)
    made = QueryScenario(postgresql.url(name), tmp_path_factory.mktemp("queries"))
    made.taskforce.close()
    return made, name


@pytest.fixture
def sqlite_scenario(founded_sqlite: tuple[QueryScenario, Path], tmp_path: Path) -> Iterator[QueryScenario]:
    """A copy on SQLite."""
    founded, file = founded_sqlite
    yield from _copied(founded, lambda: f"sqlite:///{shutil.copy(file, tmp_path / 'test.db')}", tmp_path)


@pytest.fixture
def postgresql_scenario(
    founded_postgresql: tuple[QueryScenario, str], postgresql: PostgresqlServer, tmp_path: Path
) -> Iterator[QueryScenario]:
    """A copy on PostgreSQL."""
    founded, name = founded_postgresql
    copied = create_postgresql_database(postgresql, name)
    yield from _copied(founded, lambda: postgresql.url(copied), tmp_path)
    drop_postgresql_database(postgresql, copied)


@pytest.fixture(params=["sqlite", "postgresql"])
def scenario(request: pytest.FixtureRequest) -> QueryScenario:
    """The banks a and b, the agencies nca and met, the reviewer ico; a test that takes it runs once on each kind."""
    made: QueryScenario = request.getfixturevalue(f"{request.param}_scenario")
    return made


@pytest.fixture(scope="session", params=["sqlite", "postgresql"])
def crowd(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], QueryScenario]:
    """Copies a scenario of eight banks, which is founded once, into a folder."""
    folder = tmp_path_factory.mktemp("crowd")
    is_sqlite = request.param == "sqlite"
    server: Any = None if is_sqlite else request.getfixturevalue("postgresql")
    name = "" if is_sqlite else create_postgresql_database(server)
    file = folder / "founded.db"
    founded = QueryScenario(f"sqlite:///{file}" if is_sqlite else server.url(name), folder, banks=(SUBJECT, *OTHERS))
    founded.taskforce.close()

    def copy_into(home: Path) -> QueryScenario:
        if is_sqlite:
            return founded.copy(f"sqlite:///{shutil.copy(file, home / 'test.db')}", home)
        return founded.copy(server.url(create_postgresql_database(server, name)), home)

    return copy_into


@pytest.fixture
def crowds(crowd: Callable[[Path], QueryScenario], tmp_path: Path) -> Iterator[Callable[[str], QueryScenario]]:
    """Makes copies of that scenario, each in a folder of its own."""
    made: list[QueryScenario] = []

    def copy(of: str) -> QueryScenario:
        folder = tmp_path / of
        folder.mkdir()
        made.append(crowd(folder))
        return made[-1]

    yield copy
    for scenario in made:
        scenario.taskforce.close()


def _copied(founded: QueryScenario, make_url: Callable[[], str], folder: Path) -> Iterator[QueryScenario]:
    made = founded.copy(make_url(), folder)
    yield made
    made.taskforce.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def copies(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Callable[[str], QueryScenario]]:
    """Makes several copies, each in a folder of its own."""
    made: list[QueryScenario] = []
    dropped: list[Callable[[], None]] = []

    def copy(name: str) -> QueryScenario:
        folder = tmp_path / name
        folder.mkdir()
        if request.param == "sqlite":
            founded, file = request.getfixturevalue("founded_sqlite")
            url = f"sqlite:///{shutil.copy(file, folder / 'test.db')}"
        else:
            founded, database = request.getfixturevalue("founded_postgresql")
            server = request.getfixturevalue("postgresql")
            copied = create_postgresql_database(server, database)
            dropped.append(lambda: drop_postgresql_database(server, copied))
            url = server.url(copied)
        made.append(founded.copy(url, folder))
        return made[-1]

    yield copy
    for scenario in made:
        scenario.taskforce.close()
    for drop in dropped:
        drop()
