"""A part that many members share is stored in several slices: what is answered and told is as if it were one."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from exchange.indicators.store import RecentIndicator
from exchange.indicators.submissions import SubmissionPart
from exchange.log.events import LogUnavailableError, record
from exchange.submissions import submit as submit_indicators
from exchange.submissions.slices import end_of_slice
from keys.statements.types import MemberState
from schemas.values.encoding import from_base64, to_base64
from tests.exchange.corrections.taking_back import make_withdrawal
from tests.exchange.factories import make_rows, make_token
from tests.taskforce.founding import Taskforce
from tests.taskforce.members import MemberSimulator

NewTaskforce = Callable[..., Taskforce]


@pytest.fixture
def small_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(submit_indicators, "SLICE_ROWS", 5)


def send(member: MemberSimulator, value: dict[str, Any], status: int = 201) -> dict[str, Any]:
    answer = member.send("POST", "/v1/submissions", value, idempotency_key=value["submission_id"])
    assert answer.status_code == status, answer.text
    told: dict[str, Any] = answer.get_json()
    return told


def said(hits: Sequence[dict[str, Any]], tokens: Sequence[bytes]) -> list[tuple[int, str, str, str]]:
    """What hits on those tokens say, in the order of the tokens."""
    place = {to_base64(token): number for number, token in enumerate(tokens)}
    own = [hit for hit in hits if hit["token"] in place]
    return sorted((place[hit["token"]], hit["institutions"], str(hit["themes"]), hit["first_seen"]) for hit in own)


def submit_a_mixed_part(taskforce: Taskforce, tokens: list[bytes]) -> dict[str, Any]:
    """Rows that are shared, a member's own already, taken back, given twice and at fault; of twelve tokens."""
    a, b, c = taskforce.members.values()
    assert a.submit(tokens[:7]).status_code == c.submit(tokens[4:9]).status_code == 201
    assert b.submit([tokens[1], tokens[11]]).status_code == b.submit([tokens[5], tokens[10]]).status_code == 201
    taken_back = b.send("POST", "/v1/withdrawals", make_withdrawal([tokens[5], tokens[10]]))
    assert taken_back.status_code == 201, taken_back.text
    rows = [*make_rows(tokens), *make_rows([tokens[2]]), ["no token", "bank_account", None, None]]
    return send(b, b.submission((), rows=rows))


def test_a_part_in_slices_is_answered_as_one_in_one(
    new_taskforce: NewTaskforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    taskforce = new_taskforce("a", "b", "c")
    answers, shown = [], []
    for most in (10_000, 5, 1):
        monkeypatch.setattr(submit_indicators, "SLICE_ROWS", most)
        tokens = sorted(make_token() for _ in range(12))
        answer = submit_a_mixed_part(taskforce, tokens)
        answers.append([answer[name] for name in ("accepted", "duplicates", "left_out", "rejected")])
        assert [hit["hit_id"] for hit in answer["hits"]] == sorted(hit["hit_id"] for hit in answer["hits"])
        told = [[hit for view in taskforce.views(name, "match") for hit in view["hits"]] for name in "ac"]
        listed = [each.hits() for each in taskforce.members.values()]
        shown.append([said(hits, tokens) for hits in (answer["hits"], *told, *listed)])
        of_part = [
            view for view in taskforce.views("b", "match") if view.get("submission_id") == answer["submission_id"]
        ]
        assert [view["slice"] for view in of_part] == list(range(len(of_part)))
        assert (len(of_part) > 1) == (most < 10_000)
        receipt = json.loads(from_base64(answer["receipt"]["payload"]))
        for name in ("accepted", "duplicates", "rejected", "left_out"):
            assert sum(view[name] for view in of_part) == receipt[name]
        assert of_part[-1]["event_id"] == receipt["event_id"]
    left_out = [{"row": row, "reason": "false_positive"} for row in (5, 10)]
    assert answers[0][:3] == [8, [1, 11, 12], left_out]
    assert answers[0] == answers[1] == answers[2]
    assert shown[0] == shown[1] == shown[2]


@pytest.mark.usefixtures("small_slices")
def test_a_part_stopped_between_slices_goes_on_and_tells_once(
    new_taskforce: NewTaskforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    tokens = [make_token() for _ in range(12)]
    assert a.submit(tokens).status_code == 201
    value, slices = b.submission(tokens), 0

    def stop_at_the_third(*arguments: Any, **options: Any) -> Any:
        nonlocal slices
        slices += 1
        if slices == 3:
            raise LogUnavailableError("stopped")
        return record(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(submit_indicators, "record", stop_at_the_third)
        send(b, value, 503)
    with taskforce.database.reading() as session:
        stored = select(func.count()).where(SubmissionPart.submission_id == value["submission_id"])
        assert session.scalar(stored) == 2

    answer = send(b, value)
    assert (answer["accepted"], answer["duplicates"]) == (12, [])
    assert said(answer["hits"], tokens) == said(b.hits(), tokens)
    assert len(answer["hits"]) == 12
    told = [hit["hit_id"] for view in taskforce.views("a", "match") for hit in view["hits"]]
    assert sorted(told) == sorted({hit["hit_id"] for hit in a.hits()})
    assert [view["slice"] for view in taskforce.views("b", "match")] == list(range(12))
    again = send(b, value, 200)
    assert (again["receipt"], said(again["hits"], tokens)) == (answer["receipt"], said(answer["hits"], tokens))
    with taskforce.database.reading() as session:
        assert session.scalar(select(func.count()).where(RecentIndicator.member_id == "b")) == 12


@pytest.mark.usefixtures("small_slices")
def test_another_body_cannot_take_over_an_unfinished_part(
    new_taskforce: NewTaskforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    taskforce = new_taskforce("a")
    a = taskforce.members["a"]
    value = a.submission([make_token() for _ in range(12)])

    def stop_at_the_second(*arguments: Any, **options: Any) -> Any:
        if taskforce.views("a", "match"):
            raise LogUnavailableError("stopped")
        return record(*arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(submit_indicators, "record", stop_at_the_second)
        send(a, value, 503)
    other = a.send(
        "POST", "/v1/submissions", value | {"rows": make_rows([make_token()])}, idempotency_key="another-key"
    )
    assert other.status_code == 409, other.text
    assert send(a, value)["accepted"] == 12


@pytest.mark.usefixtures("small_slices")
def test_a_part_refused_between_slices_says_that_rows_are_there(
    new_taskforce: NewTaskforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    value = a.submission([make_token() for _ in range(12)])

    def close_the_group(session: Session, *arguments: Any, **options: Any) -> Any:
        session.execute(text("UPDATE sharing_groups SET state = 'closed'"))
        return record(session, *arguments, **options)

    with monkeypatch.context() as patched:
        patched.setattr(submit_indicators, "record", close_the_group)
        refused = send(a, value, 409)
    assert refused["type"].endswith(":partly-stored")
    assert [reason["code"] for reason in refused["reasons"]] == ["group"]
    assert send(a, value, 409)["type"] == refused["type"]
    others = send(b, b.submission([make_token()]) | {"submission_id": value["submission_id"]}, 403)
    assert others["type"].endswith(":refused"), "whether another's id is in use is not said"
    with taskforce.database.transaction() as session:
        session.execute(text("UPDATE sharing_groups SET state = 'open'"))
    assert send(a, value)["accepted"] == 12


def cuts_of(
    taskforce: Taskforce, tokens: list[bytes], monkeypatch: pytest.MonkeyPatch, **fields: Any
) -> list[list[int]]:
    """How many rows each entry of a's log has of a part with those tokens, by what a slice may hold at most; a
    repetition under its key is read in as many entries.
    """
    a, found = taskforce.members["a"], []
    for most in range(9, 150, 10):
        monkeypatch.setattr(submit_indicators, "SLICE_ROWS", most)
        value = a.submission(tokens) | fields
        send(a, value)
        of_part = [
            view for view in taskforce.views("a", "match") if view.get("submission_id") == value["submission_id"]
        ]
        found.append([view["accepted"] + view["duplicates"] + view["left_out"] for view in of_part])
        before = len(taskforce.views("a", "hits_read"))
        send(a, value, 200)
        assert len(taskforce.views("a", "hits_read")) - before == len(of_part)
    return found


def test_slices_show_nothing_of_holders_beyond_the_band(
    new_taskforce: NewTaskforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not how many they are, nor holders in other groups, suspended ones, and those that took back or expired."""
    taskforce = new_taskforce(*"abcdefghi")
    taskforce.state_group("hi", "cell")
    others = list(taskforce.members.values())[1:]
    cuts: dict[str, list[list[int]]] = {}
    for name, holders in {"none": 0, "two": 2, "three": 3, "four": 4, "five": 5, "seven": 7}.items():
        tokens = sorted(make_token() for _ in range(8))
        for other in others[:holders]:
            assert other.submit(tokens[2:5]).status_code == 201
        cuts[name] = cuts_of(taskforce, tokens, monkeypatch)
    assert cuts["two"] == cuts["three"] == cuts["four"]
    assert cuts["five"] == cuts["seven"]
    assert cuts["none"] != cuts["two"] != cuts["five"]

    # What is left out gets no hit, and nobody else is told.
    said, kept = (sorted(make_token() for _ in range(8)) for _ in range(2))
    assert taskforce.members["a"].submit(kept[2:5]).status_code == 201
    taken = make_withdrawal(kept[2:5])
    assert taskforce.members["a"].send("POST", "/v1/withdrawals", taken).status_code == 201
    assert others[0].submit([*said[2:5], *kept[2:5]]).status_code == 201
    marked = [[row, "error"] for row in (2, 3, 4)]
    assert cuts_of(taskforce, said, monkeypatch, taken_back=marked) == cuts["none"]
    assert cuts_of(taskforce, kept, monkeypatch) == cuts["none"]

    today = {"expires_on": "2026-11-22", "review_by": "2026-11-22"}
    elsewhere, gone, left = (sorted(make_token() for _ in range(8)) for _ in range(3))
    for other in others[-2:]:
        assert other.submit(elsewhere[2:5], envelope={"group": "cell"}).status_code == 201
    value = others[0].submission(gone[2:5])
    send(others[0], value)
    taken = make_withdrawal(submission_id=value["submission_id"])
    assert others[0].send("POST", "/v1/withdrawals", taken).status_code == 201
    assert others[1].submit(gone[2:5], envelope=today).status_code == 201
    taskforce.clock.advance(days=1)  # type: ignore[attr-defined]
    assert others[2].submit(left[2:5]).status_code == 201
    taskforce.state_member(others[2], MemberState.SUSPENDED)
    assert cuts_of(taskforce, elsewhere, monkeypatch) == cuts["none"]
    assert cuts_of(taskforce, gone, monkeypatch) == cuts["none"]
    assert cuts_of(taskforce, left, monkeypatch) == cuts["none"]


@pytest.mark.parametrize(
    ("held", "most", "ends"),
    [
        ({}, 4, [4, 5]),
        ({b"a": 1, b"b": 1, b"c": 1}, 4, [1, 2, 3, 5]),
        ({b"a": 400, b"b": 400}, 4, [1, 2, 5]),
        ({}, 100, [5]),
    ],
)
def test_a_slice_ends_by_its_rows_and_by_who_holds_them(held: dict[bytes, int], most: int, ends: list[int]) -> None:
    tokens, found, start = [b"a", b"b", b"c", b"d", b"e"], [], 0
    while start < len(tokens):
        start = end_of_slice(tokens, start, held, most)
        found.append(start)
    assert found == ends
