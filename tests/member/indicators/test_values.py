"""Values from a file or standard input: no identifier has to stand on a command line, which others can see."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.taskforce.homes import MemberHomes
from tests.taskforce.member_program import Ran, accounts, run_member, write_csv

GROUNDS = (
    *("--case", "OP-7", "--legal-gateway", "CCA2013_s7", "--purpose", "finding a network", "--authorised-by"),
    *("authoriser", "--necessity", "nothing else says it", "--proportionality", "suspects alone"),
)
ACCOUNTS = [line.split(",")[1] for line in accounts(1, 2, 3)]


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MemberHomes]:
    """A bank that holds ACCOUNTS, an agency and a reviewer."""
    folder = tmp_path_factory.mktemp("served")
    founded = MemberHomes.found(folder, ("a",), agencies=("nca",), reviewers=("ico",))
    assert founded.run("a", "submit", str(write_csv(folder / "rows.csv", *accounts(1, 2, 3)))).status == 0
    yield founded
    founded.close()


def piped(taskforce: MemberHomes, member: str, text: str, *arguments: str) -> Ran:
    return taskforce.run(member, *arguments, "--value-file", "-", typed=text)


def test_a_token_is_made_of_the_value_in_a_file_or_on_standard_input(served: MemberHomes, tmp_path: Path) -> None:
    said = served.run("a", "token", "--type", "bank_account", ACCOUNTS[0])
    assert said.status == 0, said.document
    file = tmp_path / "value"
    file.write_bytes(b"\xef\xbb\xbf" + f"\r\n  {ACCOUNTS[0]}\r\n\r\n".encode())
    read = served.run("a", "token", "--type", "bank_account", "--value-file", str(file))
    assert (read.status, read.document) == (0, said.document)
    typed = piped(served, "a", ACCOUNTS[0], "token", "--type", "bank_account")
    assert (typed.status, typed.document) == (0, said.document)
    dash = served.run("a", "token", "--type", "bank_account", "-", typed=ACCOUNTS[0])
    assert (dash.status, dash.document) == (0, said.document)
    several = piped(served, "a", "\n".join(ACCOUNTS), "token", "--type", "bank_account")
    assert (several.status, several.document["error"]["detail"]) == (2, "expected one value, found 3")
    assert served.run("a", "token", "--type", "bank_account").status == 2


def test_a_query_and_a_withdrawal_take_one_value_a_line(served: MemberHomes, tmp_path: Path) -> None:
    asked = piped(served, "nca", "\n".join(ACCOUNTS), "query", "--type", "bank_account", *GROUNDS)
    assert asked.status == 0, asked.document
    shown = served.run("nca", "--as", "authoriser", "query", "approve", asked.document["query_id"])
    assert [(found["value"], found["hit"]) for found in shown.document["results"]] == [(one, True) for one in ACCOUNTS]
    file = tmp_path / "values"
    file.write_text("\n".join(ACCOUNTS[:2]))
    options = ("--type", "bank_account", "--reason", "error")
    unknown = served.run("a", "withdraw", *options, "-", typed="20000098765432")
    assert (unknown.status, unknown.document["error"]["hint"]) == (1, "member rows")
    done = served.run("a", "withdraw", *options, "--value-file", str(file))
    assert (done.status, done.document["withdrawn"]) == (0, 2), done.document
    done = piped(served, "a", ACCOUNTS[2], "withdraw", *options)
    assert (done.status, done.document["withdrawn"]) == (0, 1), done.document


@pytest.mark.parametrize(
    ("content", "wanted"),
    [
        (b"", "has no value"),
        (b" \n\t\n", "has no value"),
        (b"20000012345678\n\xff\xfe\n", "line 2: not UTF-8 text"),
        (b"1" * ((1 << 20) + 1), "is longer than"),
        (None, "cannot be read"),
    ],
)
@pytest.mark.parametrize(
    "command",
    [
        ("token", "--type", "phone"),
        ("withdraw", "--type", "phone", "--reason", "error"),
        ("query", "--type", "phone", *GROUNDS),
    ],
    ids=lambda command: command[0],
)
def test_a_file_that_cannot_be_used_is_named_and_no_value_is(
    served: MemberHomes, tmp_path: Path, command: tuple[str, ...], content: bytes | None, wanted: str
) -> None:
    file = tmp_path / "values"
    if content is not None:
        file.write_bytes(content)
    done = served.run("nca", *command, "--value-file", str(file))
    assert done.status == 2
    assert wanted in done.document["error"]["detail"]
    assert "20000012345678" not in str(done.document)
    both = served.run("nca", *command, "+447700900123", "--value-file", str(file))
    assert (both.status, both.document["error"]["detail"]) == (2, "values are given in two ways")


@pytest.mark.parametrize("command", [("token",), ("withdraw",), ("query", "ask")])
def test_the_help_says_who_sees_a_command_line(served: MemberHomes, command: tuple[str, ...]) -> None:
    done = run_member(served.home("a"), *command, "--help", as_json=False)
    said = " ".join(done.document["text"].split())
    assert "other users of this machine can see what stands on a command line" in said
