"""A row taken back stays out, for every reason, until its member says why it is listed again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import text

from exchange.corrections.notify import notify_corrections
from exchange.indicators.expire import expire_indicators
from exchange.operations.purge import RETIRED_KEPT, purge_records
from schemas.terms import WithdrawalReason
from tests.exchange.corrections.taking_back import make_withdrawal
from tests.exchange.factories import make_token
from tests.taskforce.founding import Taskforce
from tests.taskforce.members import MemberSimulator

NewTaskforce = Callable[..., Taskforce]


def take_back(member: MemberSimulator, *args: Any, **changes: Any) -> None:
    answer = member.send("POST", "/v1/withdrawals", make_withdrawal(*args, **changes))
    assert answer.status_code == 201, answer.text


def submit(member: MemberSimulator, tokens: list[bytes], **options: Any) -> dict[str, Any]:
    answer = member.submit(tokens, **options)
    assert answer.status_code == 201, answer.text
    told: dict[str, Any] = answer.get_json()
    return told


@pytest.mark.parametrize("reason", list(WithdrawalReason))
def test_a_row_taken_back_is_left_out_whatever_the_reason(new_taskforce: NewTaskforce, reason: str) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    taken, other = make_token(), make_token()
    submit(a, [taken, other])
    submit(b, [taken])
    take_back(a, [taken], reason=reason)
    again = submit(a, [taken, other])
    assert (again["accepted"], len(again["duplicates"])) == (0, 1)
    assert again["left_out"] == [{"row": 0, "reason": reason}]
    assert (b.hits(), a.hits()) == ([], [])
    view = taskforce.views("a", "match")[-1]
    assert (view["left_out"], view["relist"], view["relisted"]) == (1, None, 0)


def test_it_stays_out_when_the_row_itself_has_long_been_purged(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    a, token = taskforce.members["a"], make_token()
    submit(a, [token])
    take_back(a, [token])
    notify_corrections(taskforce.database, taskforce.clock())
    taskforce.clock.advance(days=RETIRED_KEPT.days + 1)  # type: ignore[attr-defined]
    purge_records(taskforce.database, taskforce.clock())
    assert submit(a, [token])["left_out"] == [{"row": 0, "reason": "false_positive"}]


@pytest.mark.parametrize("is_moved", [False, True])
@pytest.mark.parametrize("is_expired", [False, True])
def test_the_rows_of_a_submission_taken_back_stay_out(
    new_taskforce: NewTaskforce, is_moved: bool, is_expired: bool
) -> None:
    taskforce = new_taskforce("a")
    a, token = taskforce.members["a"], make_token()
    submission_id = submit(a, [token], envelope={"expires_on": "2026-12-01", "review_by": "2026-12-01"})[
        "submission_id"
    ]
    if is_expired:
        taskforce.clock.advance(days=20)  # type: ignore[attr-defined]
        expire_indicators(taskforce.database, taskforce.clock())
    take_back(a, None, submission_id, reason="cleared")
    if is_moved:
        notify_corrections(taskforce.database, taskforce.clock())
    assert submit(a, [token])["left_out"] == [{"row": 0, "reason": "cleared"}]


def test_it_is_listed_again_with_a_reason_that_the_log_keeps(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    token, fresh = make_token(), make_token()
    submit(b, [token])
    submit(a, [token])
    take_back(a, [token])
    done = submit(a, [token, fresh], fields={"relist": "a new mule account on it"})
    assert (done["accepted"], done["left_out"], len(done["hits"])) == (2, [], 1)
    view = taskforce.views("a", "match")[-1]
    assert (view["relist"], view["relisted"]) == ("a new mule account on it", 1)
    assert "mule account on it" not in str(taskforce.views("b", "match"))
    assert submit(a, [token])["duplicates"] == [0]
    take_back(a, [token], reason="cleared")
    assert submit(a, [token])["left_out"] == [{"row": 0, "reason": "cleared"}]


def test_a_row_listed_again_before_the_worker_comes_stays_listed(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    token, ending = make_token(), {"expires_on": "2026-12-01", "review_by": "2026-12-01"}
    submission_id = submit(a, [token], envelope=ending)["submission_id"]
    submit(b, [token])
    taskforce.clock.advance(days=20)  # type: ignore[attr-defined]
    expire_indicators(taskforce.database, taskforce.clock())
    take_back(a, None, submission_id)
    ending = {"expires_on": "2026-12-20", "review_by": "2026-12-20"}
    assert submit(a, [token], envelope=ending, fields={"relist": "seen again"})["accepted"] == 1
    assert notify_corrections(taskforce.database, taskforce.clock()) == 1, "who was told of the expired row still hears"
    taskforce.clock.advance(days=20)  # type: ignore[attr-defined]
    expire_indicators(taskforce.database, taskforce.clock())
    anew = submit(a, [token])
    assert (anew["accepted"], anew["left_out"]) == (1, []), "expired, not taken back"


def test_a_reason_said_of_some_rows_lists_no_others_again(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    a, said, unsaid = taskforce.members["a"], make_token(), make_token()
    submit(a, [said, unsaid])
    take_back(a, [said, unsaid])
    done = submit(a, [unsaid, said], fields={"relist": "seen again", "relist_rows": [1]})
    assert (done["accepted"], done["left_out"]) == (1, [{"row": 0, "reason": "false_positive"}])
    view = taskforce.views("a", "match")[-1]
    assert (view["relist"], view["relisted"]) == ("seen again", 1)


@pytest.mark.parametrize("reason", ["", "  \n "])
def test_without_a_reason_nothing_is_listed_again_and_that_is_logged(new_taskforce: NewTaskforce, reason: str) -> None:
    taskforce = new_taskforce("a")
    a, token = taskforce.members["a"], make_token()
    submit(a, [token])
    take_back(a, [token])
    answer = a.submit([token], fields={"relist": reason})
    assert (answer.status_code, answer.get_json()["reasons"][0]["code"]) == (403, "relist-reason")
    assert taskforce.views("a", "refusal")[-1]["reasons"][0]["code"] == "relist-reason"
    assert submit(a, [token])["left_out"] == [{"row": 0, "reason": "false_positive"}]


def test_what_a_member_says_it_took_back_stays_out_in_a_new_epoch_too(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    taskforce.state_epoch(2)
    a, of_new_epoch, live = taskforce.members["a"], make_token(), make_token()
    submit(a, [live], envelope={"epoch": 2})
    said = {"taken_back": [[0, "court_order"], [1, "error"]]}
    done = submit(a, [of_new_epoch, live], envelope={"epoch": 2}, fields=said)
    assert (done["left_out"], done["duplicates"]) == ([{"row": 0, "reason": "court_order"}], [1])
    assert submit(a, [of_new_epoch], envelope={"epoch": 2})["left_out"] == [{"row": 0, "reason": "court_order"}]
    with taskforce.database.transaction() as session:
        session.execute(text("UPDATE key_epochs SET state = 'retired' WHERE epoch = 2"))
    assert purge_records(taskforce.database, taskforce.clock()) == 1


def test_another_group_and_another_member_have_rows_of_their_own(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    taskforce.state_group(["a", "b"], "cell")
    token = make_token()
    submit(a, [token])
    take_back(a, [token])
    assert submit(b, [token])["accepted"] == 1
    assert submit(a, [token], envelope={"group": "cell"})["accepted"] == 1
    assert submit(a, [token])["left_out"] == [{"row": 0, "reason": "false_positive"}]


@pytest.mark.parametrize(
    "fields",
    [
        {"taken_back": [[1, "error"]]},
        {"taken_back": [[-1, "error"]]},
        {"taken_back": [[0, "error"], [0, "cleared"]]},
        {"taken_back": [[0, "because"]]},
        {"taken_back": [["0", "error"]]},
        {"relist": 1},
        {"relist": "x" * 2001},
        {"relist": "a\u0000b"},
        {"relist_rows": [0]},
        {"relist": "seen again", "relist_rows": ["0"]},
        {"relist": "seen again", "relist_rows": 0},
    ],
)
def test_other_forms_are_refused(new_taskforce: NewTaskforce, fields: dict[str, Any]) -> None:
    taskforce = new_taskforce("a")
    assert taskforce.members["a"].submit([make_token()], fields=fields).status_code == 422
