"""One taskforce with two enrolled banks for the tests that take it; each uses accounts and members of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.taskforce.homes import MemberHomes


@pytest.fixture(scope="session")
def taskforce(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemberHomes]:
    """Banks a and b, three holders (two answer), one group."""
    founded = MemberHomes.found(tmp_path_factory.mktemp("taskforce"))
    yield founded
    founded.close()
