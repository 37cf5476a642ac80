"""A taskforce of three banks that pushes alerts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.alerts.delivery.world import PushingWorld
from tests.exchange.conftest import new_taskforce
from tests.simulator import Taskforce, make_taskforce

__all__ = ["new_taskforce"]


@pytest.fixture
def world(new_taskforce: Callable[..., Taskforce]) -> PushingWorld:
    """Webhooks only, on each kind of database: where claims, locks and records count."""
    return PushingWorld(new_taskforce("a", "b", "c"))


@pytest.fixture
def small_world(tmp_path: Path) -> Iterator[PushingWorld]:
    """The same on SQLite: where the rules count."""
    taskforce = make_taskforce(f"sqlite:///{tmp_path / 'test.db'}", tmp_path, "a", "b", "c")
    yield PushingWorld(taskforce)
    taskforce.close()
