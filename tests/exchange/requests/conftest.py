"""A world of requests on each kind of database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.exchange.requests.world import RequestWorld


@pytest.fixture
def new_world(database_url: str, tmp_path: Path) -> Iterator[Callable[..., RequestWorld]]:
    """Makes the world of a test, with the banks that it names, or a, b and c."""
    made: list[RequestWorld] = []

    def make(*names: str) -> RequestWorld:
        made.append(RequestWorld(database_url, tmp_path, *names))
        return made[-1]

    yield make
    for one in made:
        one.close()


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RequestWorld]:
    """One world on SQLite for tests that only refuse: a and b hold the token."""
    folder = tmp_path_factory.mktemp("requests")
    world = RequestWorld(f"sqlite:///{folder / 'test.db'}", folder)
    yield world
    world.close()
