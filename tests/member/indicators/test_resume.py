"""A killed upload goes on where it stopped: nothing is lost, nothing counted twice, nothing confirmed sent again."""

from __future__ import annotations

import io
import json
import signal
from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from typing import Any
from wsgiref.types import StartResponse, WSGIEnvironment

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.orm import Session

from exchange.log.events import record
from exchange.submissions import submit as submit_indicators
from schemas.problems import TYPE_PREFIX
from tests.member.indicators.upload_process import upload
from tests.taskforce.homes import EXCHANGE_URL, MemberHomes
from tests.taskforce.member_program import accounts, write_csv


def sent(taskforce: MemberHomes) -> list[tuple[str, int, str]]:
    """What the exchange was sent: submission, part and key of each, in order."""
    lines = (line.split() for line in (taskforce.folder / "sent").read_text().splitlines())
    return [(submission_id, int(part), key) for submission_id, part, key in lines]


def result(taskforce: MemberHomes) -> dict[str, Any]:
    """What the last upload to end printed."""
    found: dict[str, Any] = json.loads((taskforce.folder / "result.json").read_text())
    return found


@pytest.mark.parametrize(("moment", "first"), [("before:2", 1000), ("after:2", 2000)])
def test_a_killed_upload_goes_on_where_it_stopped(
    taskforce: MemberHomes, tmp_path: Path, moment: str, first: int
) -> None:
    rows = [*accounts(*range(first, first + 90)), "phone,call me,bad,,", *accounts(first, first + 50)]
    file = write_csv(tmp_path / "rows.csv", *rows)
    (taskforce.folder / "sent").unlink(missing_ok=True)
    assert upload(taskforce.folder, "a", file, moment) == -signal.SIGKILL
    begun = sent(taskforce)
    assert [part for _, part, _ in begun] == [0, 1, 2]

    assert upload(taskforce.folder, "a", file, "never") == 0
    done, all_sent = result(taskforce), sent(taskforce)
    assert {submission_id for submission_id, _, _ in all_sent} == {begun[0][0]} == {done["submission_id"]}
    assert (done["accepted"], done["duplicates"], len(done["rejected"]), done["rows"]) == (90, 2, 1, 93)
    assert Counter(part for _, part, _ in all_sent) == {0: 1, 1: 1, 2: 2, 3: 1, 4: 1}
    assert len({key for _, _, key in all_sent}) == 5

    other = taskforce.run("b", "submit", str(file)).document
    assert (other["accepted"], other["duplicates"], other["hits"]) == (90, 2, 90)
    assert upload(taskforce.folder, "a", file, "never") == 0
    again = result(taskforce)
    assert (again["accepted"], again["duplicates"], again["hits"]) == (0, 92, 90)
    assert again["submission_id"] != done["submission_id"]


def test_a_resumed_upload_costs_no_second_evaluation_of_what_was_kept(taskforce: MemberHomes, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "rows.csv", *accounts(*range(3000, 3020)))
    assert upload(taskforce.folder, "b", file, "after:0") == -signal.SIGKILL
    before = [each["budget"]["remaining"] for each in taskforce.run("b", "status").document["holders"]]
    assert upload(taskforce.folder, "b", file, "never") == 0
    assert result(taskforce)["accepted"] == 20
    after = [each["budget"]["remaining"] for each in taskforce.run("b", "status").document["holders"]]
    assert after == before


def test_a_killed_upload_can_be_begun_anew(taskforce: MemberHomes, tmp_path: Path) -> None:
    file = write_csv(tmp_path / "rows.csv", *accounts(*range(4000, 4030)))
    (taskforce.folder / "sent").unlink(missing_ok=True)
    assert upload(taskforce.folder, "b", file, "after:0") == -signal.SIGKILL
    done = taskforce.run("b", "submit", str(file), "--restart").document
    assert done["submission_id"] != sent(taskforce)[0][0]
    assert (done["accepted"], done["duplicates"]) == (10, 20)


def test_what_the_exchange_may_have_taken_is_not_forgotten_by_a_refusal(taskforce: MemberHomes, tmp_path: Path) -> None:
    numbers = range(5000, 5002)
    file = str(write_csv(tmp_path / "rows.csv", *accounts(*numbers)))
    before = taskforce.run("a", "status").document["indicators"]
    with taskforce.losing_answers("/submissions"):
        assert taskforce.run("a", "submit", file).status == 1
    others = taskforce.run("a", "--as", "authoriser", "submit", file).document["error"]
    assert (others["type"], others["status"]) == ("forbidden", 403)
    assert taskforce.run("a", "status").document["indicators"] == before + len(numbers)
    assert taskforce.run("b", "submit", file).document["hits"] == len(numbers)
    shown = {hit["values"][0]: hit["source_refs"] for hit in taskforce.run("a", "hits").document["hits"]}
    assert [shown[str(20_000_000_000_000 + number)] for number in numbers] == [["ref-5000"], ["ref-5001"]]
    resumed = taskforce.run("a", "submit", file).document
    assert (resumed["accepted"], resumed["duplicates"]) == (2, 0), "the same upload, answered as it was the first time"


def test_a_refused_retry_does_not_hide_the_lost_answer_before_it(taskforce: MemberHomes, tmp_path: Path) -> None:
    """Both happen within one call."""
    file = str(write_csv(tmp_path / "rows.csv", *accounts(5020, 5021)))
    before = taskforce.run("a", "status").document["indicators"]
    honest, tries = taskforce.applications[EXCHANGE_URL], iter(range(2))

    def losing_once(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not environ["PATH_INFO"].endswith("/submissions"):
            return honest(environ, start_response)
        if next(tries, None) == 0:
            list(honest(environ, start_response))
            raise httpx.ReadError("the answer is lost")
        start_response("403 FORBIDDEN", [("Content-Type", "application/problem+json")])
        return [json.dumps({"type": f"{TYPE_PREFIX}forbidden", "title": "other rules meanwhile"}).encode()]

    taskforce.applications[EXCHANGE_URL] = losing_once
    try:
        refused = taskforce.run("a", "submit", file).document["error"]
    finally:
        taskforce.applications[EXCHANGE_URL] = honest
    assert refused["type"] == "forbidden"
    assert taskforce.run("a", "status").document["indicators"] == before + 2
    resumed = taskforce.run("a", "submit", file).document
    assert (resumed["accepted"], resumed["duplicates"]) == (2, 0), "the same upload, answered as it was the first time"


def test_a_part_that_the_exchange_says_it_has_keeps_its_rows(taskforce: MemberHomes, tmp_path: Path) -> None:
    file = str(write_csv(tmp_path / "rows.csv", *accounts(5010, 5011)))
    with taskforce.losing_answers("/submissions"):
        assert taskforce.run("a", "submit", file).status == 1
    held = taskforce.run("a", "status").document["indicators"]
    with taskforce.database.transaction() as session:  # as after the days for which answers are kept
        session.execute(text("DELETE FROM idempotent_answers"))
    refused = taskforce.run("a", "submit", file).document["error"]
    assert refused["type"] == "submission-conflict"
    assert "--restart" in refused["hint"]
    assert taskforce.run("a", "status").document["indicators"] == held
    anew = taskforce.run("a", "submit", file, "--restart").document
    assert (anew["accepted"], anew["duplicates"]) == (0, 2)


def test_a_part_refused_when_some_of_it_was_stored_keeps_its_rows(
    taskforce: MemberHomes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    numbers = range(5030, 5034)
    file = str(write_csv(tmp_path / "rows.csv", *accounts(*numbers)))
    before = taskforce.run("a", "status").document["indicators"]

    def close_the_group(session: Session, *arguments: Any, **options: Any) -> Any:
        session.execute(text("UPDATE sharing_groups SET state = 'closed'"))
        return record(session, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(submit_indicators, "SLICE_ROWS", 1)
        patched.setattr(submit_indicators, "record", close_the_group)
        refused = taskforce.run("a", "submit", file).document["error"]
    with taskforce.database.transaction() as session:
        session.execute(text("UPDATE sharing_groups SET state = 'open'"))
    assert (refused["type"], refused["status"]) == ("partly-stored", 409)
    assert "not an open group" in refused["detail"]
    assert "does the same again" in refused["hint"]
    assert taskforce.run("a", "status").document["indicators"] == before + len(numbers)
    resumed = taskforce.run("a", "submit", file).document
    assert (resumed["accepted"], resumed["duplicates"]) == (len(numbers), 0)


def test_the_bytes_of_a_part_do_not_follow_the_order_of_its_fields(
    taskforce: MemberHomes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bodies = []
    honest = taskforce.applications[EXCHANGE_URL]

    def reading(environ: Any, start_response: Any) -> Any:
        if environ["PATH_INFO"].endswith("/submissions"):
            body = environ["wsgi.input"].read()
            environ["wsgi.input"] = io.BytesIO(body)
            bodies.append(body)
        return honest(environ, start_response)

    monkeypatch.setitem(taskforce.applications, EXCHANGE_URL, reading)
    file = write_csv(tmp_path / "rows.csv", *accounts(7100, 7101))
    assert taskforce.run("a", "submit", str(file)).document["accepted"] == 2
    (body,) = bodies
    assert body == json.dumps(json.loads(body), sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()
