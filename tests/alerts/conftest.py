"""Taskforces on each kind of database: one for each test, and one that the tests of a file share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.exchange.conftest import new_taskforce
from tests.filled_databases import create_postgresql_database
from tests.taskforce.founding import Taskforce, make_taskforce

__all__ = ["new_taskforce"]


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def shared(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Taskforce]:
    """The banks a, b and c in the group `taskforce`, a and d in the group `cell`. Its tests add alerts, and change
    neither time nor membership.
    """
    folder = tmp_path_factory.mktemp("shared")
    url = f"sqlite:///{folder / 'test.db'}"
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql")
        url = server.url(create_postgresql_database(server))
    taskforce = make_taskforce(url, folder, "a", "b", "c", "d")
    taskforce.state_group(("a", "b", "c"))
    taskforce.state_group(("a", "d"), "cell")
    yield taskforce
    taskforce.close()
