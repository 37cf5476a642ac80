"""A vault that people share is made whole or not at all, and what one person's `init` leaves is never another's."""

from __future__ import annotations

import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

import member.commands.enrolment as commands
from member.errors import PassphraseError
from tests.taskforce.member_program import Ran, run_member, write_secret_file

if TYPE_CHECKING:
    from _typeshed import FileDescriptorLike

PASSPHRASE = b"words of one person alone"


class Bank:
    """Homes of a bank's people, and the folder of its vault."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.vault = folder / "shared"
        for name in ("anna", "bob"):
            write_secret_file(folder / "words" / name, f"words of {name} alone")

    def home(self, name: str) -> Path:
        return self.folder / name

    def init(self, name: str, *, vault: Path | None = None) -> Ran:
        options = ("--role", f"{name}=investigator", "--vault", str(vault or self.vault))
        words = ("--passphrase-dir", str(self.folder / "words"))
        return run_member(self.home(name), "--as", name, "init", "--member-id", "north", *options, *words)

    def rows(self, name: str) -> Ran:
        return run_member(self.home(name), "rows")

    def init_killed(self, name: str, *, at: int) -> bool:
        """Whether it was killed at that call of fsync, or ended before."""
        return is_killed(lambda: self.init(name), at=at)


def is_killed(run: Callable[[], Ran], *, at: int) -> bool:
    """Whether a command was killed at that call of fsync, or ended well before."""
    child = os.fork()
    if child == 0:
        kill_at(at)
        os._exit(0 if run().status == 0 else 1)
    ended = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert ended in {0, -signal.SIGKILL}
    return ended != 0


def kill_at(number: int) -> None:
    """Kill this process when it is about to sync for the `number`th time."""
    calls, sync = iter(range(1, number + 1)), os.fsync

    def counted(fd: FileDescriptorLike) -> None:
        if next(calls) == number:
            os.kill(os.getpid(), signal.SIGKILL)
        sync(fd)

    os.fsync = counted


@pytest.fixture
def bank(tmp_path: Path) -> Bank:
    """Nobody has made a home yet."""
    return Bank(tmp_path)


@pytest.mark.parametrize("end", [KeyboardInterrupt(), PassphraseError("the two passphrases differ"), None])
def test_a_vault_made_while_another_types_a_passphrase_stays(
    bank: Bank, monkeypatch: pytest.MonkeyPatch, end: BaseException | None
) -> None:
    def typed(*_: object, **__: object) -> bytes:
        assert not bank.home("bob").exists()
        monkeypatch.undo()
        assert bank.init("anna").status == 0
        if end is not None:
            raise end
        return PASSPHRASE

    bank.vault.mkdir(mode=0o700)
    monkeypatch.setattr(commands, "passphrase_of", typed)
    ran = bank.init("bob")
    assert (ran.status == 0) is (end is None)
    assert (bank.vault / "vault.sqlite").exists()
    assert (bank.vault / "people" / "anna.wrap").exists()
    assert (bank.vault / "joining" / "bob.json").exists() is (end is None)
    assert bank.home("bob").exists() is (end is None)
    assert bank.rows("anna").status == 0


def test_an_init_killed_at_any_moment_is_given_again(bank: Bank) -> None:
    moment = 1
    while bank.init_killed("anna", at=moment):
        others = bank.init("bob")
        assert others.status != 0 or (bank.home("anna") / "config.json").exists(), moment
        (bank.home("anna") / "my-notes.txt").write_text("put there by its user")
        (bank.vault / "my-notes.txt").write_text("put there by a colleague")
        again = bank.init("anna")
        lives_there = again.status != 0 and "lives in this home already" in again.document["error"]["detail"]
        assert again.status == 0 or lives_there, (moment, again.document)
        assert bank.rows("anna").status == 0, moment
        assert not list(bank.vault.glob(".*")), moment
        assert (bank.home("anna") / "my-notes.txt").exists()
        assert (bank.vault / "my-notes.txt").exists()
        for folder in (bank.home("anna"), bank.home("bob"), bank.vault):
            shutil.rmtree(folder, ignore_errors=True)
        bank.home("anna").mkdir(mode=0o700)
        bank.vault.mkdir(mode=0o700)
        moment += 1
    assert moment > 10


def test_a_vault_that_anothers_init_left_half_made_is_named_with_the_cure(bank: Bank) -> None:
    bank.home("anna").mkdir(mode=0o700)
    moment = 1
    while not (bank.vault / "vault.sqlite").exists():
        assert bank.init_killed("anna", at=moment)
        moment += 1
    left = sorted(bank.vault.rglob("*"))
    refused = bank.init("bob")
    assert refused.status != 0
    detail = refused.document["error"]["detail"]
    assert f"left half made by the init of {bank.home('anna')}: give that init again" in detail
    assert (sorted(bank.vault.rglob("*")), bank.home("bob").exists()) == (left, False)
    assert bank.init("anna").status == 0
    assert bank.init("bob").status == 0


def test_a_home_that_is_whole_takes_the_mark_of_its_vault_away(bank: Bank) -> None:
    moment = 1
    while not (bank.home("anna") / "config.json").exists() or (bank.home("anna") / ".unfinished").exists():
        assert bank.init_killed("anna", at=moment)
        moment += 1
    assert (bank.vault / ".unfinished").exists()
    assert bank.rows("anna").status == 0
    assert not (bank.vault / ".unfinished").exists()
    assert bank.init("bob").status == 0


def test_a_vault_may_lie_within_the_home(bank: Bank) -> None:
    for vault in (bank.home("anna") / "vault", bank.home("bob")):
        name = "anna" if vault != bank.home("bob") else "bob"
        assert bank.init(name, vault=vault).status == 0
        assert (vault / "vault.sqlite").exists()
        assert bank.rows(name).status == 0
        assert not list(bank.home(name).rglob(".unfinished"))


def test_a_registrars_init_killed_in_a_members_home_is_given_again(bank: Bank) -> None:
    command = ("registrar", "init", "necc", "--passphrase-file", str(bank.folder / "words" / "bob"))
    assert bank.init("anna").status == 0
    shutil.copytree(bank.home("anna"), bank.folder / "before")
    moment = 1
    while is_killed(lambda: run_member(bank.home("anna"), *command), at=moment):
        ran = run_member(bank.home("anna"), *command)
        assert ran.status == 0 or "has its key in this home already" in ran.document["error"]["detail"], moment
        assert bank.rows("anna").status == 0
        assert (bank.home("anna") / "keys" / "registrar.key").exists()
        shutil.rmtree(bank.home("anna"))
        shutil.copytree(bank.folder / "before", bank.home("anna"))
        moment += 1
    assert moment > 5
