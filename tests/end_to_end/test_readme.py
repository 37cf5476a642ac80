"""README.md is true: every block of it works as it stands there, one after the other, in the sandbox that it starts."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.sandbox_process import SCRIPTS, sandbox_process

ROOT = Path(__file__).resolve().parent.parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)
TOUR = [block for block in BLOCKS if block.startswith((".venv/bin/", "cp ", "eval "))]
ACCOUNT = "20000000012345"
_ID = r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}"
_PRINTED = (
    ("HIT_ID", " hits", re.compile(rf"^.*\b{ACCOUNT}\b.*({_ID})", re.MULTILINE)),
    ("ID", " request create ", re.compile(rf"^request ({_ID}) ", re.MULTILINE)),
    ("ID", " query ", re.compile(rf"^query ({_ID}) is pending", re.MULTILINE)),
    ("NNNN-A", " alert draft ", re.compile(r"\b([0-9]{4}-A)\b")),
)
"""What is copied, from which command's output, and how it stands there."""


@dataclass
class Reader:
    """Somebody who follows the page in a folder of their own, and copies what was printed before."""

    folder: Path
    copied: dict[str, str] = field(default_factory=dict)

    def give(self, command: str) -> str:
        """Give a command as it stands, what stands in capitals replaced; what it printed."""
        done = self.run(command)
        assert done.returncode == 0, (command, done.stdout, done.stderr)
        for name, printing, pattern in _PRINTED:
            found = pattern.search(done.stdout) if printing in command else None
            if found:
                self.copied[name] = found[1]
        return done.stdout

    def run(self, command: str) -> subprocess.CompletedProcess[str]:
        for name, value in self.copied.items():
            command = re.sub(rf"\b{name}\b", value, command)
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("MEMBER_", "EXCHANGE_"))}
        return subprocess.run(
            ["bash", "-euc", command],
            cwd=self.folder,
            env={**kept, "COLUMNS": "400"},  # a table has one line for each row
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )


def commands_of(block: str) -> Iterator[str]:
    """The commands of a block: a line each, but where it ends in a backslash."""
    yield from re.split(r"(?<!\\)\n", block.strip())


@pytest.mark.timeout(1500)  # a sandbox, and some fifty programs one after the other
def test_every_block_works_as_it_stands(tmp_path: Path) -> None:
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / "bin").symlink_to(SCRIPTS)
    (tmp_path / "docs").symlink_to(ROOT / "docs")
    starting, *blocks = TOUR
    (start,) = commands_of(starting)
    program, sandbox, folder, *options = shlex.split(start)
    assert (program, sandbox, folder) == (".venv/bin/exchange", "sandbox", "./sandbox")
    reader, said = Reader(tmp_path), {}
    with sandbox_process(tmp_path / "sandbox", *options, seconds=900):
        for block in blocks:
            for command in commands_of(block):
                if "corrections list" in command:
                    wait_for_a_correction(reader, command)
                said[command.split("#")[0].strip()] = reader.give(command)
        again = reader.give(".venv/bin/member --home sandbox/members/b submit mine.csv")
    whole = "\n".join(said.values())
    assert set(reader.copied) == {"HIT_ID", "ID", "NNNN-A"}
    assert "9 rows: 9 accepted" in whole
    assert re.search(r"\b(9 duplicates|8 duplicates)\b", again), "a second upload changes nothing"
    approved = next(text for command, text in said.items() if "query approve" in command)
    assert "Sandbox a" in approved, "the account that the agency asks for is one that the banks uploaded"
    assert re.search(r"verified: [1-9]\d* entries", whole)
    assert {"op-7.pdf", "op-7.csv", "alert.pdf", "today.xlsx", "today.age"} <= {
        path.name for path in tmp_path.iterdir()
    }


def wait_for_a_correction(reader: Reader, command: str) -> None:
    """Within seconds, the page says; a busy machine is given more."""
    ends_at = time.monotonic() + 120
    while not re.search(_ID, reader.run(command).stdout):
        assert time.monotonic() < ends_at, "no correction came"
        time.sleep(1)


def test_no_block_is_left_out() -> None:
    (first,) = (block for block in BLOCKS if block.startswith("python3 start.py"))
    with_ci = (ROOT / ".ci" / "run").read_text(encoding="utf-8")
    for command in commands_of(first):
        assert command.split("#")[0].strip() in with_ci, command
    drawings = [block for block in BLOCKS if "──" in block]
    assert len(BLOCKS) == len(TOUR) + 1 + len(drawings)
    assert len(TOUR) >= 11
