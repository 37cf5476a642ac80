"""A registrar approves at a terminal: what waits is shown on a real one, and only a typed yes signs it."""

from __future__ import annotations

import os
import pty
import select
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from exchange.registrars.propose import list_proposals, propose_statement
from keys.statements.keyring import GroupState, GroupStatement
from member.commands.cli import cli
from member.commands.shared.session import Session
from schemas.terms import GroupKind
from tests.taskforce.homes import MemberHomes
from tests.taskforce.member_program import now

_SECONDS = 120.0


@pytest.fixture
def taskforce(tmp_path: Path) -> Iterator[MemberHomes]:
    founded = MemberHomes.found(tmp_path, banks=("a",))
    yield founded
    founded.close()


def draft(taskforce: MemberHomes, group_id: str) -> str:
    """The operator drafts a group; the proposal's id."""
    group = GroupStatement(
        1, now(), group_id, group_id, GroupKind.THREAT_GROUP, "one ring", None, GroupState.OPEN, frozenset({"a"})
    )
    return propose_statement(taskforce.database, "group", group_id, lambda sequence: group, now())


def at_terminal(taskforce: MemberHomes, *arguments: str, answers: str) -> tuple[int, str]:
    """Run the program in a process of its own with a terminal, answer each question; its status and what was shown."""
    child, terminal = pty.fork()
    if child == 0:  # pragma: no cover - another process
        status = 99
        try:
            sys.stdin, sys.stdout, sys.stderr = (os.fdopen(fd, mode) for fd, mode in enumerate("rww"))  # not pytest's
            taskforce.open()  # connections of its own
            home = str(taskforce.home("registrar"))
            cli.main(["--home", home, "registrar", *arguments], obj=Session(taskforce.around()))
        except SystemExit as ended:
            status = ended.code if isinstance(ended.code, int) else 98
        finally:
            os._exit(status)
    shown, waiting, ends_at = "", list(answers), time.monotonic() + _SECONDS
    while time.monotonic() < ends_at:
        if not select.select([terminal], [], [], 1.0)[0]:
            continue
        try:
            part = os.read(terminal, 65536).decode(errors="replace")
        except OSError:  # the other end is closed
            break
        if not part:
            break
        shown += part
        while waiting and shown.count("[y/N]: ") > len(answers) - len(waiting):
            os.write(terminal, f"{waiting.pop(0)}\n".encode())
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), shown


def waiting(taskforce: MemberHomes) -> list[str]:
    return [each.proposal_id for each in list_proposals(taskforce.database)]


def test_only_a_yes_at_the_terminal_signs(taskforce: MemberHomes) -> None:
    first, second = draft(taskforce, "ring-one"), draft(taskforce, "ring-two")
    status, shown = at_terminal(taskforce, "approve", first, second, answers="ny")
    assert status == 0, shown
    assert shown.count("Sign this? [y/N]: ") == 2
    assert shown.index(f"digest: {first}") < shown.index("| group ring-one: new") < shown.index("Sign this?")
    assert waiting(taskforce) == [first]
    status, shown = at_terminal(taskforce, "approve", first, answers="\n")
    assert (status, waiting(taskforce)) == (0, [first]), shown  # an empty answer is a no


def test_signing_off_line_asks_at_the_terminal_too(taskforce: MemberHomes, tmp_path: Path) -> None:
    first = draft(taskforce, "ring-one")
    file, out = tmp_path / "proposals.json", tmp_path / "signed.json"
    assert taskforce.run("registrar", "registrar", "export", str(file)).status == 0
    status, shown = at_terminal(taskforce, "sign", str(file), "--out", str(out), answers="y")
    assert status == 0, shown
    assert f"digest: {first}" in shown
    assert taskforce.run("registrar", "registrar", "submit", str(out)).status == 0
    assert waiting(taskforce) == []
