"""Plays the demonstration and the README's tour with the programs of a checkout, and records what passed.

A recording is a folder: for each of the two stories the records that hook/sitecustomize.py wrote, and the exchange's
database as it lay there at the end; `recording.json` says of which commit and day.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

HOOK = Path(__file__).resolve().parent / "hook"
STORIES = ("demo", "tour")
ACCOUNT = "20000000012345"
_START_SECONDS = 900
_CORRECTION_SECONDS = 120
_OURS = re.compile(r"^\.venv/bin/(member|exchange|keyholder) ")


class PlayingError(RuntimeError):
    """A story did not come to its end; the message says which command failed and what it printed."""


def record(checkout: Path, out: Path) -> None:
    """Play both stories with the programs in `checkout`/.venv, and record them in the new folder `out`.

    Raises PlayingError.
    """
    out.mkdir(parents=True)
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], cwd=checkout, check=True, capture_output=True, text=True
    )
    today = datetime.now(UTC).date().isoformat()
    (out / "recording.json").write_text(json.dumps({"commit": commit.stdout.strip(), "day": today}) + "\n")
    for story, play in zip(STORIES, (play_demo, play_tour), strict=True):
        (out / story).mkdir()
        play(checkout, out / story)
        if not any('"record": "request"' in path.read_text("utf-8") for path in (out / story).glob("*.jsonl")):
            raise PlayingError(f"no request of {story} was recorded: is {HOOK} on the path of the programs?")


def environment(checkout: Path, folder: Path) -> dict[str, str]:
    """That of the programs: as ours, without our settings, with the code of `checkout`, recorded in `folder`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MEMBER_", "EXCHANGE_"))}
    return {**kept, "PYTHONPATH": f"{HOOK}{os.pathsep}{checkout}", "RECORDING_FOLDER": str(folder), "COLUMNS": "400"}


def play_demo(checkout: Path, out: Path) -> None:
    """Play `exchange demo`."""
    run_in(checkout, ".venv/bin/exchange demo --json", environment(checkout, out))


def play_tour(checkout: Path, out: Path) -> None:
    """Give every command of the README's tour, with `--json`, in a folder of its own."""
    readme = (checkout / "README.md").read_text(encoding="utf-8")
    starting, *blocks = tour_of(readme)
    with tempfile.TemporaryDirectory(prefix="recording-") as name:
        folder = Path(name)
        (folder / ".venv").mkdir()
        (folder / ".venv" / "bin").symlink_to(checkout / ".venv" / "bin")
        (folder / "docs").symlink_to(checkout / "docs")
        tourist = Tourist(folder, environment(checkout, out))
        with sandbox(folder, shlex.split(next(commands_of(starting))), environment(checkout, out)):
            for block in blocks:
                for command in commands_of(block):
                    tourist.give(command)
            tourist.give(".venv/bin/member --home sandbox/members/b submit mine.csv")
        for path in (folder / "sandbox" / "exchange").glob("exchange.db*"):
            shutil.copy(path, out / path.name)


def tour_of(readme: str) -> list[str]:
    """The blocks of commands of the tour; the first starts the sandbox."""
    blocks: list[str] = re.findall(r"^```\n(.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    return [block for block in blocks if block.startswith((".venv/bin/", "cp ", "eval "))]


def commands_of(block: str) -> Iterator[str]:
    """The commands of a block without their remarks: a line each, but where it ends in a backslash."""
    for command in re.split(r"(?<!\\)\n", block.strip()):
        yield command.split("#")[0].strip()


class Tourist:
    """Who follows the tour, and copies ids from what was printed before."""

    def __init__(self, folder: Path, environment: Mapping[str, str]) -> None:
        self._folder = folder
        self._environment = environment
        self._copied: dict[str, str] = {}

    def give(self, command: str) -> None:
        """Give a command, with `--json` if it is ours; where a correction is waited for, until it came."""
        ends_at = time.monotonic() + _CORRECTION_SECONDS
        while True:
            document = self._run(command)
            if "corrections list" not in command or document.get("corrections"):
                break
            if time.monotonic() > ends_at:
                raise PlayingError("no correction came")
            time.sleep(1)
        self._copied.update(copied_from(command, document))

    def _run(self, command: str) -> dict[str, Any]:
        for name, value in self._copied.items():
            command = re.sub(rf"\b{name}\b", value, command)
        is_ours = _OURS.match(command) is not None
        printed = run_in(self._folder, f"{command} --json" if is_ours else command, self._environment)
        document: dict[str, Any] = json.loads(printed) if is_ours else {}
        return document


def copied_from(command: str, document: Mapping[str, Any]) -> dict[str, str]:
    """What stands in capitals in the commands that follow."""
    if " hits" in command:
        found = [hit["hit_id"] for hit in document.get("hits", ()) if ACCOUNT in hit["values"]]
        return {"HIT_ID": found[0]} if found else {}
    if " request create " in command:
        return {"ID": document["request_id"]}
    if " query --type " in command:
        return {"ID": document["query_id"]}
    if " corrections list" in command:
        return {}
    return {"NNNN-A": document["reference"]} if " alert draft " in command else {}


def run_in(folder: Path, command: str, environment: Mapping[str, str]) -> str:
    """What a command prints. Raises PlayingError when it fails."""
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise PlayingError(f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done.stdout


@contextmanager
def sandbox(folder: Path, command: list[str], environment: Mapping[str, str]) -> Iterator[None]:
    """The sandbox of the tour in `folder`, while the block runs."""
    log = folder / "sandbox.log"
    with log.open("ab") as output:
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdin=subprocess.DEVNULL, stdout=output, stderr=output
        )
    try:
        ends_at = time.monotonic() + _START_SECONDS
        while not (folder / "sandbox" / "sandbox.json").exists():
            if process.poll() is not None or time.monotonic() > ends_at:
                raise PlayingError(f"the sandbox did not start: {log.read_text(errors='replace')}")
            time.sleep(0.2)
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=120)
