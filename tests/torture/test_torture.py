"""The torture run in small: it holds on both databases, goes on after it was killed, and finds a wrong exchange out."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from tests.torture import victims
from tests.torture.audit import find_faults
from tests.torture.mutations import MUTATIONS
from tests.torture.programs import AGENCY, BANKS, REVIEWER, is_alive
from tests.torture.records import Records
from tests.torture.shown import Shown, Submitted, Told
from tests.torture.story.corrected import Due, find_due
from tests.torture.work import Truth, make_upload

ROOT = Path(__file__).resolve().parents[2]
KILLS = 12
SEED = "24"
"""By whose schedule these kills fall on every kind of process, and some find another that hangs."""
ACTION = ("requests", "answers", "queries", "withdrawals", "corrections")

pytestmark = pytest.mark.timeout(900)


def start(*options: str) -> subprocess.Popen[bytes]:
    """The program, as `make torture` runs it."""
    command = [sys.executable, "-m", "tests.torture", "--longest-pause", "1", "--seed", SEED, *options]
    return subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def end(process: subprocess.Popen[bytes]) -> tuple[int, dict[str, Any]]:
    """Its exit status and document. What it reports, faults in words too, is shown where a test fails."""
    printed, said = process.communicate()
    print(said.decode())  # noqa: T201
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
    assert all(document[name] > 0 for name in ("requests", "answers", "queries", "withdrawals", "corrections")), (
        document
    )


def test_kills_on_postgresql_lose_double_and_hide_nothing() -> None:
    status, document = end(start("--kills", str(KILLS), "--audit-every", "6", "--database-url", "postgresql"))
    assert_nothing_is_wrong(status, document)
    assert document["by_victim"].keys() == {*victims.COMMON, *victims.OF_POSTGRESQL}


_HANGING_COMMAND = """
import sys, time
from pathlib import Path
from tests.torture.member_process import MemberProcess
print(MemberProcess(sys.argv[1], ["rows"], Path(sys.argv[1]), "000001").pid, flush=True)
time.sleep(600)
"""


def test_no_command_outlives_a_run_that_is_killed(tmp_path: Path) -> None:
    """Given again by the run that goes on, it would be at work twice at once."""
    os.mkfifo(tmp_path / "000001.draft")  # the command waits for ever to write its result
    run = subprocess.Popen([sys.executable, "-c", _HANGING_COMMAND, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE)
    assert run.stdout is not None  # it is a pipe
    command = int(run.stdout.readline())
    time.sleep(1)
    assert is_alive(command)
    run.kill()
    run.wait()
    deadline = time.monotonic() + 30
    while is_alive(command) and time.monotonic() < deadline:
        time.sleep(0.05)
    outlives = is_alive(command)
    victims.kill_one(command)
    assert not outlives


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
    return end(start("--kills", str(KILLS), "--audit-every", "6", "--folder", str(folder)))


def finish(folder: Path) -> None:
    """Have the run in the folder end well, and keep what its members were told and its database as they are then."""
    kept = folder / "kept"
    if not kept.exists():
        if kills_of(folder) < KILLS:
            run_to_the_end(folder)
        shutil.copytree(folder / "members", kept)
        shutil.copytree(folder / "sandbox" / "exchange", kept / "exchange")


def test_kills_on_sqlite_lose_double_and_hide_nothing(folder: Path) -> None:
    """The run itself is killed too, and goes on where it was."""
    first = start("--kills", str(KILLS), "--folder", str(folder))
    while kills_of(folder) < KILLS // 2:
        assert first.poll() is None, first.communicate()
        time.sleep(0.05)
    first.send_signal(signal.SIGKILL)
    first.communicate()
    reached = kills_of(folder)
    status, document = run_to_the_end(folder)
    assert_nothing_is_wrong(status, document)
    assert document["by_victim"].keys() == set(victims.COMMON)
    assert KILLS // 2 <= reached < KILLS
    finish(folder)


def test_whatever_is_falsified_in_the_database_is_found(folder: Path) -> None:
    finish(folder)
    records = Records()
    for member in (*BANKS, AGENCY, REVIEWER):
        records.read_taps(member, folder / "kept" / member)
    engine = sqlalchemy.create_engine(f"sqlite:///{folder / 'kept' / 'exchange' / 'exchange.db'}")
    for what, (kind, statement) in MUTATIONS.items():
        with engine.connect() as connection:
            assert connection.execute(sqlalchemy.text(statement)).rowcount > 0, what
            found = find_faults(connection, records.shown(), settled=True)
            connection.rollback()
        assert kind in {each for each, _, count in found if count}, what
    with engine.connect() as connection:
        assert not [fault for fault in find_faults(connection, records.shown(), settled=True) if fault[2]]
    engine.dispose()


def test_an_exchange_that_answers_before_it_commits_is_found_out(folder: Path) -> None:
    """By the first kill that falls between an answer to an upload and its commit; others hit other work."""
    finish(folder)
    options = ("--kills", str(KILLS + 15), "--folder", str(folder))
    status, document = end(start(*options, "--wrong", "--audit-every", "1"))
    assert status == 1
    assert document["lost"] > 0
    assert document["unlogged"] > 0
    assert KILLS < document["kills"] < KILLS + 15


def test_the_same_seed_kills_the_same_and_uploads_the_same() -> None:
    kinds = (*victims.COMMON, *victims.OF_POSTGRESQL)
    assert victims.make_schedule(7, 50, kinds, 2.0) == victims.make_schedule(7, 50, kinds, 2.0)
    assert victims.make_schedule(7, 50, kinds, 2.0) != victims.make_schedule(8, 50, kinds, 2.0)
    assert {blow.kind for blow in victims.make_schedule(7, 500, kinds, 2.0)} == set(kinds)
    assert make_upload(7, "a", 3) == make_upload(7, "a", 3)
    assert make_upload(7, "a", 3) != make_upload(7, "b", 3)


def test_a_value_being_withdrawn_is_possible_but_not_certain() -> None:
    truth, upload = Truth(), make_upload(7, "a", 0)
    value = min(upload.values)
    for member in ("a", "b"):
        truth.begin(member, upload)
        truth.acknowledge(member, upload)
    moment = truth.moment()
    assert truth.certain("b")[value] == {"a", "b"}
    truth.begin_withdrawal("a", [value])
    assert value not in truth.certain("b")
    assert value in truth.possible("b")
    truth.end_withdrawal("a", [value])
    assert value not in truth.possible("b")
    assert truth.taken_back_since(moment) == {value}
    assert truth.begin("a", upload) == 1


def told(asked_at: float, told_at: float, kind: str = "hit", object_id: str = "h") -> Told:
    """That somebody was told of the token between two moments."""
    return Told("token", kind, object_id, asked_at, told_at)


def test_a_correction_is_due_to_readers_of_the_live_row_alone() -> None:
    holder = Shown(submitted={Submitted("token", 10.0, "s")}, withdrawing={"w": 20.0}, withdrawn={"w": ("token",)})
    for moments, is_due in (((11.0, 12.0), True), ((9.0, 12.0), False), ((19.0, 21.0), False), ((21.0, 22.0), False)):
        due = find_due({"a": holder, "b": Shown(told={told(*moments)})})
        assert due == ({Due("w", "b", "token", "hit", "h")} if is_due else set())


def test_an_answer_is_corrected_for_its_holders_row_alone() -> None:
    def row() -> Shown:
        return Shown(submitted={Submitted("token", 10.0, "s")}, withdrawing={"w": 20.0}, withdrawn={"w": ("token",)})

    asker, holder, other = Shown(asked={"r": "h"}), row(), row()
    holder.told.add(told(11.0, 12.0, "request", "r"))
    holder.answered["r"] = 13.0
    assert find_due({"a": asker, "b": holder}) == {Due("w", "a", "token", "response", "r")}
    asker.submitted, asker.withdrawing, asker.withdrawn = row().submitted, {"x": 20.0}, {"x": ("token",)}
    holder.withdrawing, holder.withdrawn = {}, {}
    assert find_due({"a": asker, "b": holder, "c": other}) == {Due("x", "b", "token", "request", "r")}


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
