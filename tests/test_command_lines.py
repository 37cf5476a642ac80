"""The three programs are alike on a command line: help, examples, `--json`, `--version`, errors, and a closed pipe."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from demo.commands import run_program
from exchange.programs.cli import program as exchange
from keys.holder.cli import cli as keyholder
from member.commands.cli import cli as member
from tests.sandbox_process import SCRIPTS

PROGRAMS: dict[str, click.Group] = {"exchange": exchange, "keyholder": keyholder, "member": member}
Path_ = tuple[str, ...]
COVERED = 60


def commands_of(group: click.Group, path: Path_) -> Iterator[tuple[Path_, click.Command]]:
    """The group and everything below it, by the words that name it."""
    yield path, group
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands_of(command, (*path, name))
        else:
            yield (*path, name), command


EVERY = [one for name, group in PROGRAMS.items() for one in commands_of(group, (name,))]
LEAVES = [(path, command) for path, command in EVERY if not isinstance(command, click.Group)]


def example_of(command: click.Command) -> str:
    """What follows `Example:` in the help of a command."""
    told = command.epilog or (command.help or "").partition("Example:")[2]
    return " ".join(told.removeprefix("Example:").split())


def options_of(path: Path_) -> set[str]:
    """All options that may stand on a command line of that path."""
    group: click.Command = PROGRAMS[path[0]]
    found = {name for one in group.params for name in (*one.opts, *one.secondary_opts)}
    for word in path[1:]:
        assert isinstance(group, click.Group)
        group = group.commands[word]
        found |= {name for one in group.params for name in (*one.opts, *one.secondary_opts)}
    return found


@pytest.mark.parametrize(("path", "command"), EVERY, ids=lambda one: " ".join(one) if isinstance(one, tuple) else "")
def test_every_command_has_an_example_that_can_be_given(path: Path_, command: click.Command) -> None:
    words = shlex.split(example_of(command), posix=True)
    assert words, "an example is missing"
    assert words[0] == path[0]
    place = 0
    for word in path:
        assert word in words[place:] or word == "ask", f"the example does not give the command {' '.join(path)}"
        place = words.index(word, place) + 1 if word in words[place:] else place
    given = {word.partition("=")[0] for word in words if word.startswith("-") and len(word) > 1}
    below = {name for inner, _ in EVERY if inner[: len(path)] == path for name in options_of(inner)}
    assert given <= below, "the example has options that the command does not take"


@pytest.mark.parametrize(("path", "command"), LEAVES, ids=lambda one: " ".join(one) if isinstance(one, tuple) else "")
def test_help_shows_json_once(path: Path_, command: click.Command) -> None:
    done = CliRunner().invoke(PROGRAMS[path[0]], [*path[1:], "--help"], prog_name=path[0])
    assert done.exit_code == 0
    listed = [line.split()[0] for line in done.stdout.splitlines() if line.startswith("  --json ")]
    assert listed == ["--json"]


def test_the_trees_are_walked() -> None:
    assert len(LEAVES) > COVERED
    assert {path[0] for path, _ in LEAVES} == set(PROGRAMS)


def call(*arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """A program as a process, in an empty folder, with nothing of the user's."""
    environment = {"PATH": os.environ["PATH"], "HOME": str(cwd)}
    command = [str(SCRIPTS / arguments[0]), *arguments[1:]]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=cwd, env=environment, stdin=subprocess.DEVNULL
    )


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_version_is_told(name: str, tmp_path: Path) -> None:
    done = call(name, "--version", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split()[0] == name
    assert done.stdout.split()[1][0].isdigit()


LISTS = {"exchange": ("member", "list"), "keyholder": ("status",), "member": ("query", "list")}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that is not there, beside the empty one in which commands are given; nothing of the user's."""
    for name in [name for name in os.environ if name.startswith(("EXCHANGE_", "KEYHOLDER_", "MEMBER_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "none"


@pytest.mark.parametrize("name", PROGRAMS)
def test_json_is_taken_before_and_after_every_word(name: str, home: Path) -> None:
    words = ("--home", str(home), *LISTS[name])
    documents = []
    for place in range(2, len(words) + 1):
        done = run_program(name, *words[:place], "--json", *words[place:])
        assert done.status == 1, done
        documents.append(json.loads(done.printed))
        assert set(documents[-1]) == {"error"}
    assert all(document == documents[0] for document in documents)
    told = run_program(name, *words)
    assert told.printed == b""
    assert told.said.startswith(b"Error: ")


@pytest.mark.usefixtures("home")
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_wrong_option_is_an_error_of_the_same_form(name: str) -> None:
    done = run_program(name, *LISTS[name], "--nonsense")
    assert done.status == 2
    assert b"Error: " in done.said
    assert b"error: " not in done.said
    assert re.search(rb"^Hint: %s .*--help$" % name.encode(), done.said, re.MULTILINE)


@pytest.mark.parametrize("name", PROGRAMS)
def test_who_stops_reading_the_help_hears_nothing(name: str, tmp_path: Path) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    command = [str(SCRIPTS / name), "--help"]
    done = subprocess.run(command, stdout=writing, stderr=subprocess.PIPE, check=False, cwd=tmp_path)
    os.close(writing)
    assert (done.returncode, done.stderr) == (141, b"")


def test_an_answer_of_the_operators_program_comes_without_log_lines(tmp_path: Path) -> None:
    """What a library or a job logs of daily business is a service's."""
    code = (
        "import structlog; from exchange.programs.commands import configure_logs;"
        "from edge.logs import begin_request;"
        "configure_logs(); structlog.get_logger('x').info('daily business'); structlog.get_logger('x').warning('odd')"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "daily business" not in done.stderr + done.stdout
    assert "odd" in done.stderr


LONG_TABLE = """
import click
from keys.terminal.program import complete_program
from member.commands.shared.common import MemberGroup, Shown, reporting, table

@click.group(cls=MemberGroup)
def program(): pass

@program.command()
@reporting
def rows():
    made = table("rows", "number", "told", whole=("number",))
    for number in range(2000):
        made.add_row(str(number), "something " * 4)
    return Shown({"rows": list(range(200_000))}, "the end", made)

complete_program(program)
program.main()
"""


@pytest.mark.parametrize("option", ["", "--json"])
def test_who_stops_reading_a_long_answer_hears_nothing(option: str, tmp_path: Path) -> None:
    """As in `member hits | head -2`."""
    program = f"{shlex.quote(sys.executable)} -c {shlex.quote(LONG_TABLE)} rows {option}"
    command = f"{program} | head -c 300; exit ${{PIPESTATUS[0]}}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, check=False)
    assert (done.returncode, done.stderr) == (141, b"")
    assert done.stdout


@pytest.mark.parametrize(("columns", "widest"), [("80", 80), ("120", 120), (None, 200), ("", 200), ("0", 20)])
def test_a_piped_table_is_as_wide_as_columns_says(columns: str | None, widest: int) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    environment |= {} if columns is None else {"COLUMNS": columns}
    code = LONG_TABLE.replace('"something " * 4', '"something " * 40').replace("2000", "5")
    done = subprocess.run(
        [sys.executable, "-c", code, "rows"], capture_output=True, text=True, check=True, env=environment
    )
    assert max(map(len, done.stdout.splitlines())) <= widest
    assert max(map(len, done.stdout.splitlines())) > widest - 25
