"""`exchange sandbox` as a user runs it: a process, its description file, and the three programs against it."""

from __future__ import annotations

import json
import signal
import subprocess
import sysconfig
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from demo.commands import run_program

SCRIPTS = Path(sysconfig.get_path("scripts"))


@dataclass(frozen=True)
class Done:
    """How a command ended: exit status, the document on standard output, what it said on standard error."""

    status: int
    document: dict[str, Any]
    said: str


def run(program: str, *arguments: str) -> Done:
    """Run one command with --json, whatever its outcome."""
    ended = run_program(program, *arguments, "--json")
    said = ended.said.decode(errors="replace")
    try:
        document = json.loads(ended.printed)
    except ValueError as error:
        command = f"{program} {' '.join(arguments)}"
        raise AssertionError(f"{command}: no JSON on standard output: {ended.printed!r} {said}") from error
    return Done(ended.status, document, said)


@dataclass(frozen=True)
class RunningSandbox:
    """A sandbox that is ready."""

    folder: Path
    description: dict[str, Any]
    process: subprocess.Popen[bytes]

    def home(self, member: str) -> str:
        home: str = self.description["members"][member]["home"]
        return home

    def member(self, member: str, *arguments: str) -> Done:
        """Run `member` for one of the members."""
        return run("member", "--home", self.home(member), *arguments)

    def pids(self) -> dict[str, int]:
        """The process ids as the description file tells them now."""
        pids: dict[str, int] = json.loads((self.folder / "sandbox.json").read_text())["pids"]
        return pids


@contextmanager
def sandbox_process(folder: Path, *options: str, seconds: float = 600.0) -> Iterator[RunningSandbox]:
    """Start `exchange sandbox FOLDER options…`, wait for its description, and stop it after the block."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    log = folder.with_name(f"{folder.name}.log")
    with log.open("ab") as output:
        command = [str(SCRIPTS / "exchange"), "sandbox", str(folder), *options]
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        description = folder / "sandbox.json"
        deadline = time.monotonic() + seconds
        while not description.exists():
            if process.poll() is not None or time.monotonic() > deadline:
                raise AssertionError(f"the sandbox did not start: {log.read_text(errors='replace')}")
            time.sleep(0.1)
        yield RunningSandbox(folder, json.loads(description.read_text()), process)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
