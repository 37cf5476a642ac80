"""Two recordings differ by what passed, and by nothing that differs from run to run."""

from __future__ import annotations

import base64
import json
import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from tests.recording.comparing import compare
from tests.recording.masking import Masking, said_lines
from tests.recording.playing import HOOK, STORIES, commands_of, copied_from, tour_of
from tests.recording.reading import read_recording

DAY = date(2026, 11, 30)
ROOT = Path(__file__).resolve().parent.parent.parent
ONE, OTHER = ("0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b", "0190ffff-0000-7111-8222-333344445555")


def encoded(document: Any) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def masked(value: Any) -> Any:
    return Masking(DAY).document(value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"hit_id": ONE}, {"hit_id": OTHER}),
        ({"told_at": "2026-11-30T10:00:00.000Z"}, {"told_at": "2026-11-30T11:22:33.444Z"}),
        (
            {"token": base64.b64encode(bytes(range(32))).decode()},
            {"token": base64.b64encode(bytes(range(9, 41))).decode()},
        ),
        ({"sha256": "0a" * 32}, {"sha256": "1b" * 32}),
        ({"url": "http://127.0.0.1:4711/v1"}, {"url": "http://127.0.0.1:4712/v1"}),
        ({"size": 12}, {"size": 13}),
        ({"log_verified": {"a": 12}}, {"log_verified": {"a": 13}}),
        ({"event_id": ONE, "index": 12}, {"event_id": OTHER, "index": 13}),
        ({"reference": "0001-A"}, {"reference": "0002-A"}),
        ({"hits": [{"band": "1", "id": ONE}, {"band": "5+"}]}, {"hits": [{"band": "5+"}, {"band": "1", "id": OTHER}]}),
        ({"payload": encoded({"id": ONE, "kind": "x"})}, {"payload": encoded({"id": OTHER, "kind": "x"})}),
    ],
)
def test_what_differs_from_run_to_run_is_masked(one: Any, other: Any) -> None:
    assert one != other
    assert masked(one) == masked(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"hit_id": ONE}, {"hit": ONE}),
        ({"hit_id": ONE}, {"hit_id": None}),
        ({"accepted": 9}, {"accepted": 8}),
        ({"size": 12}, {"size": None}),
        ({"band": "2-4"}, {"band": "5+"}),
        ({"until": "2026-12-30"}, {"until": "2026-12-31"}),
        (
            {"token": base64.b64encode(bytes(range(32))).decode()},
            {"token": base64.b64encode(bytes(range(31))).decode()},
        ),
        ({"kind": "law_enforcement_of_the_north"}, {"kind": "law_enforcement_of_the_south"}),
        ({"payload": encoded({"accepted": 9})}, {"payload": encoded({"accepted": 8})}),
        ({"fields": ["reason", "contact"]}, {"fields": ["contact", "reason"]}),
        ({"is_new": True}, {"is_new": False}),
        ({"entries": [{"event_id": ONE, "accepted": 1}]}, {"entries": [{"event_id": ONE, "accepted": 2}]}),
        ({"holders": [{"index": 1}]}, {"holders": [{"index": 2}]}),
        ({"reference": "0001-A"}, {"reference": "0001-B"}),
    ],
)
def test_what_a_program_says_is_not_masked(one: Any, other: Any) -> None:
    assert masked(one) != masked(other)


def test_days_are_counted_from_the_day_of_the_run() -> None:
    assert masked({"until": "2026-12-30"}) == Masking(date(2026, 12, 1)).document({"until": "2026-12-31"})
    assert masked({"first_seen": "2026-10-01"}) == {"first_seen": "2026-10-01"}


def test_sentences_are_kept_apart() -> None:
    masking = Masking(DAY)
    problem = {"type": "urn:exchange:problem:group", "title": "Refused", "detail": f"no {ONE}", "status": 403}
    assert masking.document({"error": problem})["error"] == {**problem, "title": "<prose>", "detail": "<prose>"}
    assert masking.prose == [(".error.detail", "no <uuid>"), (".error.title", "Refused")]
    assert Masking(DAY).document({"title": "An alert"}) == {"title": "An alert"}, "an alert's is what it says"


def test_progress_and_durations_are_left_out_of_what_is_said() -> None:
    said = "a warning\nsubmitting: 9 of 9 rows, 5 rows/s, 0 s left\rdone in 61.5 s\n22 entries of a, 9 rows"
    assert said_lines(said) == ["a warning", "done in <number> s", "<number> entries of a, 9 rows"]


def write_recording(
    folder: Path,
    *,
    answer: Any = None,
    arguments: tuple[str, ...] = ("hits",),
    kinds: tuple[str, ...] = ("withdrawal",),
) -> Path:
    """A recording with one request, one command and some entries of the log in each story."""
    for story in STORIES:
        (folder / story).mkdir(parents=True)
        request = {
            **{"record": "request", "service": "exchange", "method": "POST", "path": f"/v1/requests/{ONE}/take-up"},
            **{"query": "", "headers": {"signature-input": 'sig1=();keyid="a/analyst"'}, "body": "", "status": 200},
            "answer_headers": [["Content-Type", "application/json"]],
            "answer": encoded(answer or {"state": "open"}),
        }
        command = {
            **{"record": "command", "program": "member", "arguments": [*arguments, "--json"], "status": 0},
            **{"printed": encoded({"hits": []}), "said": base64.b64encode(b"a warning\n").decode()},
        }
        lines = [json.dumps(record) for record in (request, command)]
        (folder / story / "1.jsonl").write_text("\n".join(lines) + "\n")
        with closing(sqlite3.connect(folder / story / "exchange.db")) as connection:
            connection.execute("CREATE TABLE log_entries (member_id TEXT, kind TEXT, view BLOB)")
            rows = [("a", kind, json.dumps({"event_id": OTHER, "kind": kind}).encode()) for kind in kinds]
            connection.executemany("INSERT INTO log_entries VALUES (?, ?, ?)", rows)
            connection.commit()
    (folder / "recording.json").write_text(json.dumps({"commit": "x", "day": DAY.isoformat()}))
    return folder


def changes(before: Path, after: Path) -> list[str]:
    return sorted(compare(read_recording(before), read_recording(after)).differences)


def test_the_same_recording_has_no_differences(tmp_path: Path) -> None:
    assert changes(write_recording(tmp_path / "one"), write_recording(tmp_path / "other")) == []


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"answer": {"status": "open"}}, "answer.state: 'open' -> '—'"),
        ({"answer": {"state": "answered"}}, "answer.state: 'open' -> 'answered'"),
        ({"kinds": ()}, "demo: log of a: withdrawal: only before"),
        ({"kinds": ("withdrawal", "withdrawal")}, "1 times before, 2 after"),
        ({"arguments": ("hits", "--new")}, "demo: member hits --new: only after"),
    ],
)
def test_a_real_difference_is_found(tmp_path: Path, changed: Any, expected: str) -> None:
    found = changes(write_recording(tmp_path / "before"), write_recording(tmp_path / "after", **changed))
    assert [line for line in found if expected in line]


def test_a_command_is_recorded_as_it_ends(tmp_path: Path) -> None:
    program = tmp_path / "member"
    program.write_text("import sys\nprint('{\"hits\": []}')\nprint('a warning', file=sys.stderr)\nsys.exit(3)\n")
    environment = {**os.environ, "PYTHONPATH": str(HOOK), "RECORDING_FOLDER": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, program, "hits", "--json"], env=environment, check=False, capture_output=True
    )
    (path,) = tmp_path.glob("*.jsonl")
    record = json.loads(path.read_text())
    assert (done.returncode, done.stdout, done.stderr) == (3, b'{"hits": []}\n', b"a warning\n")
    assert (record["program"], record["arguments"], record["status"]) == ("member", ["hits", "--json"], 3)
    assert base64.b64decode(record["printed"]) == done.stdout
    assert base64.b64decode(record["said"]) == done.stderr


_FORKING = """
import sys
if __name__ == "__main__":
    from demo import commands
    commands.run_program("member", "--version")
"""


def test_a_command_that_a_sandbox_forks_off_is_recorded(tmp_path: Path) -> None:
    program = tmp_path / "exchange"
    program.write_text(_FORKING)
    environment = {**os.environ, "PYTHONPATH": f"{HOOK}{os.pathsep}{ROOT}", "RECORDING_FOLDER": str(tmp_path)}
    subprocess.run([sys.executable, program, "serving"], env=environment, check=True, capture_output=True)
    records = [json.loads(line) for path in tmp_path.glob("*.jsonl") for line in path.read_text().splitlines()]
    (record,) = [one for one in records if one["program"] == "member"]
    assert (record["arguments"], record["status"]) == (["--version"], 0)
    assert base64.b64decode(record["printed"]).startswith(b"member ")


_SERVICE = """
import flask
from werkzeug.test import Client
app = flask.Flask("x")
app.add_url_rule("/v1/echo", view_func=lambda: flask.request.get_json(), methods=["POST"])
print(Client(app).post("/v1/echo?cursor=1", json={"state": "open"}).get_json())
"""


def test_a_request_is_recorded_with_its_answer(tmp_path: Path) -> None:
    program = tmp_path / "exchange"
    program.write_text(_SERVICE)
    environment = {**os.environ, "PYTHONPATH": str(HOOK), "RECORDING_FOLDER": str(tmp_path)}
    subprocess.run([sys.executable, program, "serve"], env=environment, check=True, capture_output=True)
    (path,) = tmp_path.glob("*.jsonl")
    record = json.loads(path.read_text())
    assert (record["service"], record["method"], record["path"], record["query"]) == (
        *("exchange", "POST"),
        *("/v1/echo", "cursor=1"),
    )
    assert json.loads(base64.b64decode(record["body"])) == {"state": "open"}
    assert (record["status"], json.loads(base64.b64decode(record["answer"]))) == (200, {"state": "open"})


def test_ids_are_copied_from_the_documents_of_the_tour() -> None:
    commands = [command for block in tour_of((ROOT / "README.md").read_text()) for command in commands_of(block)]
    documents: dict[str, dict[str, Any]] = {
        " submit mine.csv": {},
        " hits": {"hits": [{"hit_id": ONE, "values": ["20000000012345"]}]},
        " request create ": {"request_id": OTHER},
        " alert draft ": {"reference": "0001-A"},
    }
    copied: dict[str, str] = {}
    for command in commands:
        for part, document in documents.items():
            if part in command:
                copied.update(copied_from(command, document))
    assert copied == {"HIT_ID": ONE, "ID": OTHER, "NNNN-A": "0001-A"}
    assert len(commands) > 40
