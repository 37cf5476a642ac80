"""A workplace is one unit of work; a program that runs for long opens another for each, from the same unlocked keys."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from member.errors import HomeError, PassphraseError
from member.identity.access import Unlocked, open_representative
from member.identity.home import Home
from member.vault.rows import VaultRows
from member.workplace.workplace import Workplace
from tests.taskforce.member_program import now, run_member, write_secret_file

WORDS = b"words of anna the first"


@pytest.fixture(scope="module")
def home_path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of one person, an analyst."""
    folder = tmp_path_factory.mktemp("workplace")
    write_secret_file(folder / "words" / "analyst", WORDS.decode())
    words = ("--passphrase-dir", str(folder / "words"))
    made = run_member(folder / "home", "init", "--member-id", "north", *words)
    assert made.status == 0, made.document
    return folder / "home"


@pytest.fixture
def held(home_path: Path) -> Iterator[Workplace]:
    """A workplace as a program that runs for long keeps it."""
    from member.transport.channel import RuntimeEnvironment  # noqa: PLC0415

    home = Home.open(home_path)
    unlocked = open_representative(home, "analyst", WORDS, was_typed=True)
    with Workplace(home, lambda: unlocked, RuntimeEnvironment(now, lambda seconds: None, lambda url: None)) as made:
        yield made


def test_units_of_work_on_several_threads_share_keys_and_nothing_open(held: Workplace) -> None:
    def work(number: int) -> tuple[str, int]:
        with held.another() as here:
            here.number("hit", [f"01900000-0000-7000-8000-00000000000{number}"])
            return here.acting_as, VaultRows(here.vault).count()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(work, range(8))) == [("analyst", 0)] * 8
    with held.another() as here:
        numbers = here.number("hit", [f"01900000-0000-7000-8000-00000000000{number}" for number in range(8)])
    assert sorted(numbers.values()) == list(range(1, 9))


def test_an_open_vault_belongs_to_its_thread(held: Workplace) -> None:
    assert VaultRows(held.vault).count() == 0
    with ThreadPoolExecutor(1) as pool, pytest.raises(sqlite3.ProgrammingError, match="thread"):
        pool.submit(lambda: VaultRows(held.vault).count()).result()


def test_the_passphrase_is_asked_for_once_and_only_when_needed(home_path: Path, held: Workplace) -> None:
    asked: list[str] = []

    def unlock() -> Unlocked:
        asked.append("analyst")
        return open_representative(held.home, "analyst", WORDS, was_typed=True)

    with Workplace(held.home, unlock, held.around) as workplace:
        assert workplace.today() == now().date()
        assert workplace.circumstances.today() == workplace.today()
        assert not asked
        assert VaultRows(workplace.vault).count() == 0
        with workplace.another() as other:
            assert VaultRows(other.vault).count() == 0
        assert asked == ["analyst"]


def test_a_passphrase_opens_whom_it_belongs_to(home_path: Path) -> None:
    home = Home.open(home_path)
    with pytest.raises(PassphraseError):
        open_representative(home, "analyst", b"words of somebody else", was_typed=True)
    with pytest.raises(HomeError, match="joined no exchange"):
        _ = home.exchange_url


def test_a_file_stands_for_nobody_who_authorises(tmp_path: Path) -> None:
    write_secret_file(tmp_path / "words" / "analyst", WORDS.decode())
    words = ("--passphrase-dir", str(tmp_path / "words"))
    made = run_member(tmp_path / "home", "init", "--member-id", "north", "--role", "analyst=reviewer", *words)
    assert made.status == 0, made.document
    home = Home.open(tmp_path / "home")
    local = home.config.representatives["analyst"]
    local.roles.append("authoriser")
    with pytest.raises(PassphraseError, match="types it"):
        open_representative(home, "analyst", WORDS, was_typed=False)
    with pytest.raises(PassphraseError):
        open_representative(home, "analyst", WORDS, was_typed=True)  # the key file fixes the roles
