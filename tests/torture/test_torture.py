"""The torture run in small: it holds on both databases, goes on after it was killed, and finds a wrong exchange out."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.torture import victims
from tests.torture.work import Truth, make_upload

ROOT = Path(__file__).resolve().parents[2]
KILLS = 20

pytestmark = pytest.mark.timeout(900)


def start(*options: str) -> subprocess.Popen[bytes]:
    """The program, as `make torture` runs it."""
    command = [sys.executable, "-m", "tests.torture", "--longest-pause", "1", *options]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def end(process: subprocess.Popen[bytes]) -> tuple[int, dict[str, Any]]:
    """Its exit status and document."""
    printed, said = process.communicate()
    assert printed, said.decode()[-3000:]
    return process.returncode, json.loads(printed)


def assert_nothing_is_wrong(status: int, document: dict[str, Any]) -> None:
    """All kills were dealt while members worked, and every check holds."""
    assert [document[name] for name in ("lost", "doubled", "unlogged", "unexpected")] == [0, 0, 0, 0], document
    assert status == 0
    assert document["kills"] == sum(document["by_victim"].values()) == KILLS
    assert document["submissions"] > 0
    assert document["rows"] > 0
    assert document["entries_verified"] > document["parts"] > 0


def test_twenty_kills_on_postgresql_lose_double_and_hide_nothing() -> None:
    status, document = end(start("--kills", str(KILLS), "--seed", "0", "--database-url", "postgresql"))
    assert_nothing_is_wrong(status, document)
    assert document["by_victim"].keys() == {*victims.COMMON, *victims.OF_POSTGRESQL}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the run on SQLite, which the tests below go on with one after the other: setting up takes longest."""
    return tmp_path_factory.mktemp("torture") / "run"


def kills_of(folder: Path) -> int:
    """How many kills the run in the folder has reached."""
    state = folder / "state.json"
    return int(json.loads(state.read_text())["kills"]) if state.exists() else 0


def run_to_the_end(folder: Path) -> tuple[int, dict[str, Any]]:
    """The run in the folder, from wherever it is."""
    return end(start("--kills", str(KILLS), "--seed", "1", "--folder", str(folder)))


def test_twenty_kills_on_sqlite_lose_double_and_hide_nothing_even_when_the_run_is_killed_too(folder: Path) -> None:
    first = start("--kills", str(KILLS), "--seed", "1", "--folder", str(folder))
    while kills_of(folder) < KILLS // 2:
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    reached = kills_of(folder)
    assert_nothing_is_wrong(*run_to_the_end(folder))
    assert KILLS // 2 <= reached < KILLS


def test_an_exchange_that_answers_before_it_commits_is_found_out(folder: Path) -> None:
    if kills_of(folder) < KILLS:
        run_to_the_end(folder)
    options = ("--kills", str(KILLS + 3), "--seed", "1", "--folder", str(folder))
    status, document = end(start(*options, "--wrong", "--audit-every", "1"))
    assert status == 1
    assert document["lost"] > 0
    assert document["unlogged"] > 0
    assert document["kills"] == KILLS + 1


def test_the_same_seed_kills_the_same_and_uploads_the_same() -> None:
    kinds = (*victims.COMMON, *victims.OF_POSTGRESQL)
    assert victims.make_schedule(7, 50, kinds, 2.0) == victims.make_schedule(7, 50, kinds, 2.0)
    assert victims.make_schedule(7, 50, kinds, 2.0) != victims.make_schedule(8, 50, kinds, 2.0)
    assert {blow.kind for blow in victims.make_schedule(7, 500, kinds, 2.0)} == set(kinds)
    assert make_upload(7, "a", 3) == make_upload(7, "a", 3)
    assert make_upload(7, "a", 3) != make_upload(7, "b", 3)


def test_the_files_of_different_members_overlap_and_repeat_themselves() -> None:
    truth = Truth()
    for member in ("a", "b"):
        for number in range(40):
            upload = make_upload(7, member, number)
            truth.begin(member, upload)
            truth.acknowledge(member, upload)
    assert 20 < len(truth.certain("a")) == len(truth.certain("b")) <= 240
    uploads = [make_upload(7, "a", number) for number in range(40)]
    assert any(len(upload.rows) - upload.unreadable > len(upload.values) for upload in uploads)
    assert 0 < sum(upload.unreadable for upload in uploads) < 40
