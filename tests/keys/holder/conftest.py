"""A holder with its epoch stated and two members, on each kind of database."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from keys.oprf.threshold import Dealing
from tests.keys.factories import Member, make_dealing, make_epoch, make_member, sign
from tests.keys.holder.simulator import HolderSimulator, make_settings, migrate
from tests.taskforce.clock import Clock


@pytest.fixture(scope="session")
def dealing() -> Dealing:
    """A key dealt 2 of 3."""
    return make_dealing()


@pytest.fixture
def member() -> Member:
    """A member that the holder allows."""
    return make_member("a")


@pytest.fixture
def holder(database_url: str, dealing: Dealing, member: Member) -> Iterator[HolderSimulator]:
    """Holder 1: the epoch and the members a and b are stated; a may have 10 evaluations in 30 days."""
    yield from _holder(database_url, dealing, member)


@pytest.fixture
def light_holder(tmp_path: Path, dealing: Dealing, member: Member) -> Iterator[HolderSimulator]:
    """The same on SQLite only, for what never reaches the store."""
    yield from _holder(f"sqlite:///{tmp_path / 'holder.db'}", dealing, member)


def _holder(database_url: str, dealing: Dealing, member: Member) -> Iterator[HolderSimulator]:
    database = migrate(database_url)
    simulator = HolderSimulator(make_settings(dealing, database_url=database_url), database, Clock())
    statements = (make_epoch(dealing), member.statement, make_member("b").statement)
    assert all(answer.status_code == 200 for answer in simulator.state(*(sign(statement) for statement in statements)))
    simulator.allow("a", 10)
    yield simulator
    database.dispose()
