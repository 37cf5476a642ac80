"""What was right when a request was made may not be so when it is taken up, answered, read again or sent again: the
rows, groups, gateways, people and times of the moment decide.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from exchange.corrections.notify import notify_corrections
from exchange.gateways.request_policy import RequestPolicy
from exchange.gateways.rules import RULES, GatewayRules
from exchange.indicators.store import RecentIndicator
from exchange.membership.store import revoke_key
from exchange.requests.end import REQUESTS_KEPT, purge_answers
from exchange.requests.store import InformationRequest
from exchange.web.context import attach_context
from schemas.terms import LegalGateway, MemberKind
from tests.exchange.corrections.taking_back import make_withdrawal
from tests.exchange.requests.factories import notice
from tests.exchange.requests.scenario import RequestScenario
from tests.taskforce.members import reasons_of

NewScenario = Callable[..., RequestScenario]
SECRET = "Cell KESTREL only: never outside a and c"
OFFER: dict[str, Any] = {"mode": "provide", "condition": "warning", "confirmations": ["safeguarding_action"]}
REQUEST: dict[str, Any] = {}


@pytest.mark.parametrize("terms", [REQUEST, OFFER])
def test_a_holder_learns_nothing_of_a_cell_of_the_others(new_scenario: NewScenario, terms: dict[str, Any]) -> None:
    scenario = new_scenario()
    scenario.taskforce.state_group(("a", "c"), "cell")
    scenario.share("a", "b")
    for name in "ac":
        scenario.hold(name, group="cell", handling="C", conditions=SECRET, tlp="RED", subject_role="victim")
    request_id = scenario.asked("a", scenario.hit_of("a"), **terms)
    taken = scenario.take_up("b", request_id)
    assert taken.status_code == 200, taken.text
    assert taken.get_json()["marking"]["conditions"] == ""
    assert SECRET not in scenario["b"].send("GET", f"/v1/requests/{request_id}").text
    if not terms:
        assert scenario.answer("b", request_id).status_code == 200, "at the marking of the rows that both share"


def test_a_repeated_take_up_shows_what_may_be_read_now_and_is_logged(new_scenario: NewScenario) -> None:
    scenario = new_scenario("a", "b")
    request_id = scenario.asked("a", scenario.share("a", "b"))
    path = f"/v1/requests/{request_id}/take-up"

    def send() -> dict[str, Any]:
        answer = scenario["b"].send("POST", path, {}, as_name="authoriser", idempotency_key="k" * 32)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.get_json()
        return found

    assert send()["requester"] == "a"
    assert send()["requester"] == "a", "a lost answer is given again"
    assert scenario["a"].send("POST", "/v1/withdrawals", make_withdrawal([scenario.token])).status_code == 201
    notify_corrections(scenario.taskforce.database, scenario.clock())
    before = len(scenario.views("b", "request_read"))
    again = send()
    assert [again[name] for name in ("requester", "terms", "proof", "marking")] == [None] * 4
    assert len(scenario.views("b", "request_read")) == before + 1


def test_after_a_withdrawal_its_marking_is_not_read_either(new_scenario: NewScenario) -> None:
    scenario = new_scenario("a", "b")
    scenario.hold("a", handling="C", conditions=SECRET)
    scenario.hold("b")
    request_id = scenario.asked("a", scenario.hit_of("a"))
    assert scenario.take_up("b", request_id).get_json()["marking"]["conditions"] == SECRET
    assert scenario["a"].send("POST", "/v1/withdrawals", make_withdrawal([scenario.token])).status_code == 201
    notify_corrections(scenario.taskforce.database, scenario.clock())
    assert scenario.read("b", request_id)["marking"] is None


def test_nobody_acts_on_a_lapsed_request_before_the_worker_comes(new_scenario: NewScenario) -> None:
    scenario = new_scenario()
    request_id = scenario.asked("a", scenario.share("a", "b", "c"), urgency="immediate")
    assert scenario.take_up("b", request_id).status_code == 200
    scenario.clock.advance(days=3)  # type: ignore[attr-defined]
    assert reasons_of(scenario.take_up("c", request_id)) == {"lapsed"}
    assert "lapsed" in reasons_of(scenario.answer("b", request_id))
    assert scenario.read("a", request_id)["answers"] == []


def test_an_offer_whose_time_is_up_is_released_to_nobody(new_scenario: NewScenario) -> None:
    scenario = new_scenario("a", "b")
    request_id = scenario.asked("a", scenario.share("a", "b"), **OFFER)
    assert scenario.take_up("b", request_id).status_code == 200
    scenario.clock.advance(days=30)  # type: ignore[attr-defined]
    told = [one["submission_id"] for one in _submissions(scenario, "a")]
    answer = scenario.answer("a", request_id, requester="b", to="b", submissions=told)
    assert "lapsed" in reasons_of(answer)


def test_the_gateway_looks_at_the_rows_that_are_told_of_and_at_no_others(new_scenario: NewScenario) -> None:
    scenario = new_scenario("a", "b")
    scenario.taskforce.state_group(("a", "b"), "cell")
    for name in "ab":
        scenario.hold(name, theme="terrorist_finance")
        scenario.hold(name, theme="fraud", group="cell")
    given = notice(scenario.clock() - timedelta(days=1))
    ground = {"legal_gateway": "TACT2000_s21CA", "condition": None, "nca_notice": given}
    request_id = scenario.asked("a", scenario.hit_of("a"), **ground)
    assert scenario.take_up("b", request_id).status_code == 200
    by_group = {one["group_id"]: one["submission_id"] for one in _submissions(scenario, "b")}
    confirmed = ["regulated_sector", "will_or_may_assist"]
    fraud = scenario.answer("b", request_id, submissions=[by_group["cell"]], confirmations=confirmed)
    assert reasons_of(fraud) == {"gateway-theme"}
    right = scenario.answer("b", request_id, submissions=[by_group["taskforce"]], confirmations=confirmed)
    assert right.status_code == 200, right.text


@pytest.mark.parametrize("terms", [REQUEST, OFFER])
def test_under_a_gateway_that_is_closed_since_nobody_is_shown_or_named(
    new_scenario: NewScenario, terms: dict[str, Any]
) -> None:
    scenario = new_scenario("a", "b")
    request_id = scenario.asked("a", scenario.share("a", "b"), **terms)
    left: GatewayRules = {
        gateway: rule for gateway, rule in RULES.items() if gateway is not LegalGateway.ECCTA2023_S188
    }
    app = scenario.taskforce.app
    attach_context(app.extensions, replace(app.extensions["exchange"], policy=RequestPolicy(left)))
    assert reasons_of(scenario.take_up("b", request_id)) == {"no-gateway"}
    assert scenario.views("a", "request_taken_up") == []
    assert scenario.read("b", request_id)["requester"] is None


def test_a_requester_that_left_the_gateways_kinds_learns_nothing(new_scenario: NewScenario) -> None:
    scenario = new_scenario("a", "b")
    request_id = scenario.asked("a", scenario.share("a", "b"))
    scenario["a"].kind = MemberKind.TELECOM
    scenario.taskforce.state_member(scenario["a"])
    assert {"gateway-kind", "gateway-parties"} == reasons_of(scenario.take_up("b", request_id))


@pytest.mark.parametrize("taken_up_before", [False, True])
def test_what_a_revoked_person_asked_goes_no_further(new_scenario: NewScenario, taken_up_before: bool) -> None:
    scenario = new_scenario("a", "b")
    request_id = scenario.asked("a", scenario.share("a", "b"))
    if taken_up_before:
        assert scenario.take_up("b", request_id).status_code == 200
    scenario.taskforce.database.run_in_transaction(lambda session: revoke_key(session, "a/analyst"))
    refused = scenario.answer("b", request_id) if taken_up_before else scenario.take_up("b", request_id)
    assert reasons_of(refused) == {"asker-inactive"}


def test_to_cancel_what_is_over_changes_nothing_and_keeps_nothing_longer(new_scenario: NewScenario) -> None:
    scenario = new_scenario("a", "b")
    request_id = scenario.asked("a", scenario.share("a", "b"))
    scenario.answered("b", request_id)
    scenario.clock.advance(days=60)  # type: ignore[attr-defined]
    assert scenario["a"].send("POST", f"/v1/requests/{request_id}/cancel", {}).get_json()["state"] == "answered"
    assert scenario.views("a", "request_cancelled") == []
    scenario.clock.advance(days=REQUESTS_KEPT.days - 59)  # type: ignore[attr-defined]
    purge_answers(scenario.taskforce.database, scenario.clock())
    with scenario.taskforce.database.reading() as session:
        assert session.scalar(select(func.count()).select_from(InformationRequest)) == 0


def _submissions(scenario: RequestScenario, name: str) -> list[dict[str, str]]:
    """Group and submission of each of a member's rows of the token."""
    row = RecentIndicator
    wanted = select(row.group_id, row.submission_id).where(row.token == scenario.token, row.member_id == name)
    with scenario.taskforce.database.reading() as session:
        return [dict(one) for one in session.execute(wanted).mappings()]
