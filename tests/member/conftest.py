"""One taskforce with two enrolled banks for the tests that take it, each of which uses accounts and members of its own;
and one that a test has for itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.taskforce.homes import MemberHomes


@pytest.fixture(scope="session")
def taskforce(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemberHomes]:
    """Banks a and b, three holders (two answer), one group."""
    founded = MemberHomes.found(tmp_path_factory.mktemp("taskforce"))
    yield founded
    founded.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[MemberHomes]:
    """For tests that suspend a member, state something anew or move the clock."""
    yield from found_vouched(tmp_path)


def found_vouched(folder: Path) -> Iterator[MemberHomes]:
    """Banks a and b, under the registrar necc, with three holders of epoch 1; a has seen that all holders vouch."""
    founded = MemberHomes.found(folder, banks=("a", "b"))
    assert founded.run("a", "hits").status == 0
    yield founded
    founded.close()
