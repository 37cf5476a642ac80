"""A taskforce of three banks that pushes alerts."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from tests.alerts.delivery.receivers import Mailbox, mail_server
from tests.alerts.delivery.scenario import DeliveryScenario, MailScenario
from tests.exchange.conftest import new_taskforce
from tests.taskforce.clock import NOW
from tests.taskforce.founding import Taskforce, make_taskforce

__all__ = ["new_taskforce"]


@pytest.fixture
def scenario(new_taskforce: Callable[..., Taskforce]) -> DeliveryScenario:
    """Webhooks only, on each kind of database: where claims, locks and records count."""
    return DeliveryScenario(new_taskforce("a", "b", "c"))


@pytest.fixture(scope="module")
def small_taskforce(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Taskforce, sqlite3.Connection]]:
    """A taskforce on SQLite, and what is in its database at first."""
    folder = tmp_path_factory.mktemp("small")
    made = make_taskforce(f"sqlite:///{folder / 'test.db'}", folder, "a", "b", "c")
    with closing(sqlite3.connect(":memory:", check_same_thread=False)) as first:
        _copy(made, first, back=False)
        yield made, first
    made.close()


@pytest.fixture
def fresh_taskforce(small_taskforce: tuple[Taskforce, sqlite3.Connection]) -> Iterator[Taskforce]:
    """The same for every test of a module, as it was at first: to make one takes longer than most of these tests."""
    taskforce, first = small_taskforce
    _copy(taskforce, first, back=True)
    taskforce.clock.now = NOW  # type: ignore[attr-defined]
    yield taskforce


@pytest.fixture
def small_scenario(fresh_taskforce: Taskforce) -> DeliveryScenario:
    """Webhooks only, on SQLite: where the rules count."""
    return DeliveryScenario(fresh_taskforce)


@pytest.fixture
def mail_scenario(fresh_taskforce: Taskforce) -> Iterator[MailScenario]:
    """Mail works too."""
    mailbox = Mailbox()
    with mail_server(mailbox) as port:
        yield MailScenario(fresh_taskforce, mailbox, port)


def _copy(taskforce: Taskforce, other: sqlite3.Connection, *, back: bool) -> None:
    """Copy the database of a taskforce to another, or back in its place, through a connection of its own pool."""
    pooled = taskforce.database.engine.raw_connection()
    try:
        live = pooled.driver_connection
        assert isinstance(live, sqlite3.Connection)
        live.execute("PRAGMA query_only=OFF")
        source, target = (other, live) if back else (live, other)
        source.backup(target)
    finally:
        pooled.close()
