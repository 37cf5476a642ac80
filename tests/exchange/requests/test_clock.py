"""The clock: reminders half way and when due, what lapses, what is taken back, and what is forgotten in the end."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from exchange.requests.end import REQUESTS_KEPT, SEALED_KEPT, enforce_deadlines, purge_answers
from tests.exchange.requests.factories import NO_TRACE
from tests.exchange.requests.scenario import RequestScenario
from tests.taskforce.members import reasons_of

NewScenario = Callable[..., RequestScenario]
HALF, GRACE = timedelta(hours=12), timedelta(days=1)


@pytest.fixture
def scenario(shared: RequestScenario) -> RequestScenario:
    """A scenario in which no request is open."""
    for _ in range(2):
        enforce_deadlines(shared.taskforce.database, shared.clock() + timedelta(days=30))
    shared.begin()
    return shared


def test_a_holder_gets_two_reminders_before_the_request_lapses(scenario: RequestScenario) -> None:
    """One comes at half the time, one when the answer is due."""
    request_id = scenario.asked("a", scenario.share("a", "b"))
    told = [
        scenario.pass_time(by) for by in (HALF - timedelta(seconds=1), timedelta(seconds=1), timedelta(0), HALF, HALF)
    ]
    assert told == [0, 1, 0, 1, 0]
    assert [view["overdue"] for view in scenario.views("b", "request_reminder")] == [False, True]
    assert scenario.pass_time(HALF) == 1
    assert scenario.pass_time(HALF) == 0
    assert scenario.notices("b") == ["request_received", "request_reminder", "request_reminder", "request_lapsed"]
    assert scenario.notices("a") == ["request_lapsed"]
    assert [scenario.read(name, request_id)["state"] for name in "ab"] == ["lapsed", "lapsed"]
    assert reasons_of(scenario.take_up("b", request_id)) == {"lapsed"}


def test_a_request_that_cannot_be_ended_keeps_no_other_from_ending(scenario: RequestScenario) -> None:
    hit_id = scenario.share("a", "b")
    stuck, other = scenario.asked("a", hit_id), scenario.asked("a", hit_id)
    refusing = f"BEFORE UPDATE ON request_parts WHEN OLD.request_id = '{stuck}' BEGIN SELECT RAISE(ABORT, 'stuck'); END"
    with scenario.taskforce.database.transaction() as session:
        session.connection().exec_driver_sql(f"CREATE TRIGGER stuck {refusing}")
    scenario.pass_time(3 * GRACE)
    assert [scenario.read("a", one)["state"] for one in (stuck, other)] == ["open", "lapsed"]
    with scenario.taskforce.database.transaction() as session:
        session.connection().exec_driver_sql("DROP TRIGGER stuck")
    scenario.pass_time(GRACE)
    assert scenario.read("a", stuck)["state"] == "lapsed"


def test_until_it_lapses_an_answer_may_still_come_late(scenario: RequestScenario) -> None:
    request_id = scenario.asked("a", scenario.share("a", "b"), urgency="immediate")
    scenario.pass_time(timedelta(hours=20))
    scenario.answered("b", request_id)
    assert scenario.pass_time(GRACE) == 0
    assert scenario.read("a", request_id)["state"] == "answered"


def test_who_was_answered_does_not_learn_that_another_let_it_lapse(scenario: RequestScenario) -> None:
    request_id = scenario.asked("a", scenario.share("a", "b", "c"))
    scenario.answered("b", request_id)
    before = scenario.notices("a")
    scenario.pass_time(3 * GRACE)
    assert scenario.notices("a") == before
    assert scenario.views("a", "request_lapsed") == []
    assert scenario.read("a", request_id)["state"] == "answered"
    assert scenario.read("c", request_id)["state"] == "lapsed"


def test_an_answered_holder_is_reminded_of_nothing(scenario: RequestScenario) -> None:
    request_id = scenario.asked("a", scenario.share("a", "b"))
    scenario.answered("b", request_id, **NO_TRACE)
    assert scenario.pass_time(GRACE) == 0
    assert "request_reminder" not in scenario.notices("b")


def test_a_request_that_is_taken_back_is_answered_by_nobody(scenario: RequestScenario) -> None:
    request_id = scenario.asked("a", scenario.share("a", "b", "c"))
    assert scenario.take_up("b", request_id).status_code == 200
    cancelled = scenario["a"].send("POST", f"/v1/requests/{request_id}/cancel", {})
    assert (cancelled.status_code, cancelled.get_json()["state"]) == (200, "cancelled")
    assert reasons_of(scenario.answer("b", request_id)) == {"cancelled"}
    assert reasons_of(scenario.take_up("c", request_id)) == {"cancelled"}
    assert scenario.read("c", request_id)["requester"] is None
    assert [scenario.notices(name)[-1] for name in "bc"] == ["request_cancelled", "request_cancelled"]
    assert reasons_of(scenario["a"].send("POST", f"/v1/requests/{request_id}/cancel", {})) == {"cancelled"}
    assert scenario["b"].send("POST", f"/v1/requests/{request_id}/cancel", {}).status_code == 404
    assert scenario.pass_time(3 * GRACE) == 0


def test_what_was_answered_before_it_was_taken_back_stays_answered(scenario: RequestScenario) -> None:
    request_id = scenario.asked("a", scenario.share("a", "b", "c"))
    scenario.answered("b", request_id)
    assert scenario["a"].send("POST", f"/v1/requests/{request_id}/cancel", {}).get_json()["state"] == "answered"
    assert scenario.stage_of("a") == "response"
    assert reasons_of(scenario.take_up("c", request_id)) == {"cancelled"}


def test_sealed_answers_are_deleted_first_and_the_request_later(
    new_scenario: NewScenario,
) -> None:
    scenario = new_scenario()
    request_id = scenario.asked("a", scenario.share("a", "b"))
    scenario.answered("b", request_id)
    before = scenario.read("a", request_id)["answers"][0]
    database, closed_at = scenario.taskforce.database, scenario.clock()
    assert purge_answers(database, closed_at + SEALED_KEPT) == 0
    assert purge_answers(database, closed_at + SEALED_KEPT + timedelta(seconds=1)) == 1
    assert purge_answers(database, closed_at + SEALED_KEPT + timedelta(seconds=1)) == 0
    assert scenario.read("a", request_id)["answers"] == [{**before, "sealed": None}]
    assert purge_answers(database, closed_at + REQUESTS_KEPT) == 0
    assert purge_answers(database, closed_at + REQUESTS_KEPT + timedelta(seconds=1)) == 1
    for member_id in "ab":
        assert scenario[member_id].send("GET", f"/v1/requests/{request_id}").status_code == 404
        assert scenario.listed(member_id) == []


def test_two_workers_remind_once(scenario: RequestScenario) -> None:
    scenario.asked("a", scenario.share("a", "b"))
    later = scenario.clock() + HALF
    with ThreadPoolExecutor(2) as workers:
        done = list(workers.map(lambda _: enforce_deadlines(scenario.taskforce.database, later), range(2)))
    assert sum(done) == 1
    assert scenario.notices("b") == ["request_received", "request_reminder"]
