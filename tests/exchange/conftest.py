"""A taskforce on each kind of database."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.filled_databases import CopyFilled
from tests.taskforce.founding import Taskforce, make_taskforce


@pytest.fixture
def new_taskforce(copy_filled: CopyFilled, tmp_path: Path) -> Iterator[Callable[..., Taskforce]]:
    """Makes the taskforce of a test, with the banks that it names."""
    made: list[Taskforce] = []

    def make(*member_ids: str) -> Taskforce:
        def found(url: str) -> Taskforce:
            taskforce = make_taskforce(url, tmp_path, *member_ids)
            taskforce.close()
            return taskforce

        url, founded = copy_filled(("taskforce", member_ids), found)
        made.append(founded.copy(url, tmp_path))
        return made[-1]

    yield make
    for taskforce in made:
        taskforce.close()
