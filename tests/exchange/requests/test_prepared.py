"""Four eyes inside an answering bank: what one person prepared another sends, and the exchange holds them to it."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from keys.statements.types import MemberStatement, RepresentativeState
from schemas.requests.prepared import PREPARED_DAYS
from schemas.terms import FourEyes
from schemas.values.encoding import to_base64
from tests.exchange.requests.factories import NO_TRACE, REFUSED, make_prepared
from tests.exchange.requests.scenario import RequestScenario
from tests.taskforce.members import reasons_of


def want_two(scenario: RequestScenario, *codes: FourEyes) -> None:
    """Bank b says what takes two people of it."""
    stated, member = scenario.taskforce.member_statement, scenario["b"]
    scenario.taskforce.state(
        "member", "b", lambda number: dataclasses.replace(stated(member, number), four_eyes=frozenset(codes))
    )


@pytest.fixture
def wary(scenario: RequestScenario) -> Iterator[RequestScenario]:
    """Bank b wants two people for each answer, by its own statement."""
    want_two(scenario, FourEyes.ANSWERS)
    yield scenario
    want_two(scenario)


def taken_up(scenario: RequestScenario) -> str:
    """A request that the authoriser of b has taken up."""
    request_id = scenario.asked("a", scenario.share("a", "b"))
    assert scenario.take_up("b", request_id).status_code == 200
    return request_id


def prepared(scenario: RequestScenario, request_id: str, by: str = "analyst", **changes: Any) -> dict[str, Any]:
    """The analyst's preparation of a partial answer, or of another."""
    told_of = [] if changes.get("outcome") in {"no_trace", "refused"} else scenario.submissions("b", request_id)
    key = scenario["b"].keys[changes.pop("key_of", by)]
    said = {"submissions": told_of, "prepared_at": scenario.clock(), **changes}
    return make_prepared(key, f"b/{by}", request_id, "b", "a", **said)


def test_both_people_stand_in_the_answer_and_in_both_logs(scenario: RequestScenario) -> None:
    request_id = taken_up(scenario)
    given = prepared(scenario, request_id)
    assert scenario.answer("b", request_id, prepared=given).status_code == 200
    (answer,) = scenario.read("a", request_id)["answers"]
    assert (answer["representative_id"], answer["prepared"]) == ("b/authoriser", given)
    for name in "ab":
        (view,) = scenario.views(name, "request_answered")
        assert (view["prepared"], view["representative_id"]) == (given, "b/authoriser")


@pytest.mark.parametrize("outcome", [NO_TRACE, REFUSED], ids=["no trace", "refused"])
def test_who_prepared_an_answer_without_a_name_is_in_its_own_log_alone(
    scenario: RequestScenario, outcome: dict[str, Any]
) -> None:
    request_id = taken_up(scenario)
    given = prepared(scenario, request_id, **outcome)
    assert scenario.answer("b", request_id, prepared=given, **outcome).status_code == 200
    (own,), (theirs,) = scenario.views("b", "request_answered"), scenario.views("a", "request_answered")
    assert (own["prepared"], theirs["prepared"]) == (given, None)
    assert scenario.read("a", request_id)["answers"][0]["prepared"] is None


@pytest.mark.parametrize("outcome", [{}, NO_TRACE, REFUSED], ids=["partial", "no trace", "refused"])
def test_a_bank_that_wants_two_people_sends_nothing_that_one_made(
    wary: RequestScenario, outcome: dict[str, Any]
) -> None:
    request_id = taken_up(wary)
    assert reasons_of(wary.answer("b", request_id, **outcome)) == {"not-prepared"}
    (refusal,) = wary.views("b", "refusal")
    assert {reason["code"] for reason in refusal["reasons"]} == {"not-prepared"}
    assert wary.answer("b", request_id, prepared=prepared(wary, request_id, **outcome), **outcome).status_code == 200


def test_an_attacker_cannot_prepare_and_send_as_one_person(wary: RequestScenario) -> None:
    request_id = taken_up(wary)
    same = prepared(wary, request_id, by="authoriser")
    assert reasons_of(wary.answer("b", request_id, prepared=same)) == {"same-preparer"}
    named = prepared(wary, request_id, key_of="authoriser")
    assert reasons_of(wary.answer("b", request_id, prepared=named)) == {"preparers-signature"}


def test_an_attacker_cannot_replay_what_was_prepared_for_another_request(wary: RequestScenario) -> None:
    first = taken_up(wary)
    given = prepared(wary, first)
    wary.begin()
    second = taken_up(wary)
    assert "preparers-signature" in reasons_of(wary.answer("b", second, prepared=given))


@pytest.mark.parametrize(
    "changed",
    [{"outcome": "full", "fields": ["local_reference", "reason"]}, {"confirmations": ["need_to_know"]}, NO_TRACE],
    ids=["more fields", "confirmed", "another outcome"],
)
def test_what_one_prepared_the_other_does_not_change(wary: RequestScenario, changed: dict[str, Any]) -> None:
    request_id = taken_up(wary)
    given = prepared(wary, request_id)
    assert "preparers-signature" in reasons_of(wary.answer("b", request_id, prepared=given, **changed))


def test_the_senders_signature_covers_who_prepared_it(scenario: RequestScenario) -> None:
    request_id = taken_up(scenario)
    given = prepared(scenario, request_id)
    other = {**given, "signature": to_base64(bytes(64))}
    assert "preparers-signature" in reasons_of(scenario.answer("b", request_id, prepared=other))
    assert scenario.answer("b", request_id, prepared=given).status_code == 200


@pytest.mark.parametrize("by", ["a/analyst", "b/nobody", "c/analyst"])
def test_nobody_else_prepares_it(scenario: RequestScenario, by: str) -> None:
    request_id = taken_up(scenario)
    told_of = scenario.submissions("b", request_id)
    key = scenario[by[0]].keys["analyst"]
    given = make_prepared(key, by, request_id, "b", "a", prepared_at=scenario.clock(), submissions=told_of)
    assert reasons_of(scenario.answer("b", request_id, prepared=given)) == {"preparer"}


@pytest.mark.parametrize("age", [timedelta(days=PREPARED_DAYS, seconds=1), timedelta(minutes=-6)], ids=["old", "ahead"])
def test_what_was_prepared_long_ago_or_later_is_not_sent(scenario: RequestScenario, age: timedelta) -> None:
    request_id = taken_up(scenario)
    given = prepared(scenario, request_id, prepared_at=scenario.clock() - age)
    assert reasons_of(scenario.answer("b", request_id, prepared=given)) == {"prepared-too-old"}
    just = timedelta(seconds=max(0, age.total_seconds() - 2))
    fresh = prepared(scenario, request_id, prepared_at=scenario.clock() - just)
    forged = {**given, "prepared_at": fresh["prepared_at"]}
    assert reasons_of(scenario.answer("b", request_id, prepared=forged)) == {"preparers-signature"}
    assert scenario.answer("b", request_id, prepared=fresh).status_code == 200
    (view,) = scenario.views("b", "request_answered")
    assert view["prepared"]["prepared_at"] == fresh["prepared_at"]


def test_a_removed_person_has_prepared_nothing(new_scenario: Callable[..., RequestScenario]) -> None:
    scenario = new_scenario("a", "b")
    request_id = taken_up(scenario)
    given = prepared(scenario, request_id)
    stated, member = scenario.taskforce.member_statement, scenario["b"]

    def without_the_analyst(number: int) -> MemberStatement:
        statement = stated(member, number)
        people = tuple(
            dataclasses.replace(each, state=RepresentativeState.REVOKED)
            if each.representative_id == "b/analyst"
            else each
            for each in statement.representatives
        )
        return dataclasses.replace(statement, representatives=people)

    told_of = scenario.submissions("b", request_id)
    scenario.taskforce.state("member", "b", without_the_analyst)
    assert reasons_of(scenario.answer("b", request_id, prepared=given, submissions=told_of)) == {"preparer"}
