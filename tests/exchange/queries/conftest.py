"""A taskforce with banks, two agencies and an independent reviewer, on each kind of database.

It is founded once for each kind in a test process, and every test gets copies of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.exchange.queries.scenario import BANKS, QueryScenario
from tests.exchange.silence.holders import OTHERS, SUBJECT
from tests.filled_databases import FilledDatabases
from tests.postgresql import PostgresqlServer

Copies = Callable[[str], QueryScenario]
"""Makes a copy, in a folder of that name."""


@contextmanager
def _copies(
    filled: FilledDatabases, server: PostgresqlServer | None, folder: Path, banks: Sequence[str] = BANKS
) -> Iterator[Copies]:
    made: list[QueryScenario] = []

    def found(url: str) -> QueryScenario:
        founded = QueryScenario(url, folder, banks=banks)
        founded.taskforce.close()
        return founded

    with filled.copier(server, folder) as copy_filled:

        def copy(name: str) -> QueryScenario:
            (home := folder / name).mkdir(exist_ok=True)
            url, founded = copy_filled(("queries", banks), found)
            made.append(founded.copy(url, home))
            return made[-1]

        yield copy
        for scenario in made:
            scenario.taskforce.close()


@pytest.fixture
def server(database_kind: str, request: pytest.FixtureRequest) -> PostgresqlServer | None:
    """The server of a test on PostgreSQL, none of one on SQLite."""
    return request.getfixturevalue("postgresql") if database_kind == "postgresql" else None


@pytest.fixture
def sqlite_scenario(filled_databases: FilledDatabases, tmp_path: Path) -> Iterator[QueryScenario]:
    """A copy on SQLite."""
    with _copies(filled_databases, None, tmp_path) as copy:
        yield copy("")


@pytest.fixture
def postgresql_scenario(
    filled_databases: FilledDatabases, postgresql: PostgresqlServer, tmp_path: Path
) -> Iterator[QueryScenario]:
    """A copy on PostgreSQL."""
    with _copies(filled_databases, postgresql, tmp_path) as copy:
        yield copy("")


@pytest.fixture
def scenario(copies: Copies) -> QueryScenario:
    """The banks a, b and c, the agencies nca and met, the reviewer ico; a test that takes it runs once on each kind."""
    return copies("")


@pytest.fixture
def copies(filled_databases: FilledDatabases, server: PostgresqlServer | None, tmp_path: Path) -> Iterator[Copies]:
    """Makes several copies."""
    with _copies(filled_databases, server, tmp_path) as copy:
        yield copy


@pytest.fixture
def crowds(filled_databases: FilledDatabases, server: PostgresqlServer | None, tmp_path: Path) -> Iterator[Copies]:
    """Makes copies of a taskforce of eight banks."""
    with _copies(filled_databases, server, tmp_path, (SUBJECT, *OTHERS)) as copy:
        yield copy
