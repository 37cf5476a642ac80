"""What a person may do next is a command that the program has."""

from __future__ import annotations

import shlex

import click
import pytest

from member.commands.cli import cli
from member.commands.shared.next_steps import COMMANDS, command_of, hint_of
from member.errors import MemberError
from member.next_steps import Act, Next


@pytest.mark.parametrize("act", Act)
def test_each_act_is_a_command_of_the_program(act: Act) -> None:
    words = shlex.split(command_of(Next(act)))[1:]
    while words[0] in ("--home", "--as"):
        words = words[2:]
    command: click.Command = cli
    while isinstance(command, click.Group) and words:
        name, *words = words
        assert name in command.commands, command_of(Next(act))
        command = command.commands[name]
    options = {option for parameter in command.params for option in parameter.opts} | {"--help"}
    assert {word for word in words if word.startswith("--")} <= options


def test_what_is_not_known_is_left_to_be_filled_in() -> None:
    assert command_of(Next(Act.TAKE_UP_REQUEST, {"request_id": "x"})) == "member --as … request take-up x"
    assert command_of(Next(Act.JOIN)) == "member join CODE"
    assert set(COMMANDS) == set(Act)


def test_a_hint_names_the_commands_that_do_it() -> None:
    then = Next(Act.LIST_HITS), Next(Act.LIST_QUERIES)
    assert hint_of(MemberError("x", "look", then=then)) == "look: member hits, member query list"
    assert hint_of(MemberError("x", then=then[0])) == "member hits"
    assert hint_of(MemberError("x", "wait")) == "wait"
    assert hint_of(MemberError("x")) is None
