"""A taskforce on each kind of database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.simulator import Taskforce, make_taskforce


@pytest.fixture
def new_taskforce(database_url: str, tmp_path: Path) -> Iterator[Callable[..., Taskforce]]:
    """Makes the taskforce of a test, with the banks that it names."""
    made: list[Taskforce] = []

    def make(*member_ids: str) -> Taskforce:
        made.append(make_taskforce(database_url, tmp_path, *member_ids))
        return made[-1]

    yield make
    for taskforce in made:
        taskforce.close()
