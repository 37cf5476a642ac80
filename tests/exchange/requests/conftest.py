"""Scenarios of requests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.exchange.requests.scenario import RequestScenario
from tests.filled_databases import create_postgresql_database
from tests.postgresql import PostgresqlServer


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def kept(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RequestScenario]:
    """A scenario on each kind of database, for a whole module."""
    folder = tmp_path_factory.mktemp("requests")
    url = f"sqlite:///{folder / 'test.db'}"
    if request.param == "postgresql":
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        url = server.url(create_postgresql_database(server))
    scenario = RequestScenario(url, folder)
    yield scenario
    scenario.close()


@pytest.fixture
def scenario(kept: RequestScenario) -> RequestScenario:
    """The banks a, b and c and a token that nobody holds yet."""
    kept.begin()
    return kept


@pytest.fixture
def new_scenario(tmp_path: Path) -> Iterator[Callable[..., RequestScenario]]:
    """Makes a scenario of a test's own, with the banks that it names, or a, b and c; for changes of members or time."""
    made: list[RequestScenario] = []

    def make(*names: str) -> RequestScenario:
        made.append(RequestScenario(f"sqlite:///{tmp_path / 'test.db'}", tmp_path, *names))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RequestScenario]:
    """One scenario for tests that only refuse."""
    folder = tmp_path_factory.mktemp("requests")
    scenario = RequestScenario(f"sqlite:///{folder / 'test.db'}", folder)
    yield scenario
    scenario.close()
