"""Offers (modes provide and alert): the sender tells, the holders agree to be told; who learns what when, and what
nobody may do.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from exchange.corrections.notify import notify_corrections
from exchange.indicators.derived import DerivedDisclosure
from exchange.requests.end import SEALED_KEPT, purge_answers
from schemas.requests.messages import SEALED_SIZES
from schemas.terms import MemberKind, Sector
from schemas.values.encoding import to_base64
from tests.exchange.corrections.taking_back import make_withdrawal
from tests.exchange.requests.factories import NO_TRACE, REFUSED, STRICT, WANTED, make_answer
from tests.exchange.requests.scenario import RequestScenario
from tests.taskforce.members import reasons_of

NewScenario = Callable[..., RequestScenario]
OFFER: dict[str, Any] = {"mode": "provide", "condition": "warning", "confirmations": ["safeguarding_action"]}
SEALED = to_base64(b"s" * SEALED_SIZES[0])


def offered(scenario: RequestScenario, *names: str, **changes: Any) -> str:
    """The id of an offer of the first member's to the others, all of whom hold the token."""
    return scenario.asked(names[0], scenario.share(*names), **{**OFFER, **changes})


def release(
    scenario: RequestScenario, request_id: str, to: str | None, as_name: str = "authoriser", **said: Any
) -> TestResponse:
    """a tells a holder what it offered."""
    signer = scenario["a"].keys[as_name]
    told_of = [] if said.get("outcome") in {"no_trace", "refused"} else told_to(scenario, request_id, to)
    value = make_answer(signer, request_id, "a", to, **{"to": to, "sealed": SEALED, "submissions": told_of, **said})
    return scenario["a"].send("POST", f"/v1/requests/{request_id}/answer", value, as_name=as_name)


def told_to(scenario: RequestScenario, request_id: str, holder: str | None) -> list[str]:
    """a's submissions that a holder which took the offer up may be told of."""
    waiting = scenario.read("a", request_id)["waiting"]
    return next((one["submissions"] for one in waiting if one["institution"] == holder), [])


def test_who_takes_up_an_offer_is_named_and_answered_by_a_second_person(scenario: RequestScenario) -> None:
    request_id = offered(scenario, "a", "b", "c")
    assert {scenario.read(holder, request_id)["requester"] for holder in "bc"} == {None}
    taken = scenario.take_up("b", request_id)
    assert taken.get_json()["requester"] == "a"
    (view,) = scenario.views("a", "request_taken_up")
    assert view["institution"] == "b"
    of_sender = scenario.read("a", request_id)
    assert [one["institution"] for one in of_sender["waiting"]] == ["b"]
    assert (of_sender["answers"], of_sender["marking"]) == ([], STRICT)
    told = release(scenario, request_id, "b")
    assert told.status_code == 200, told.text
    (got,), (given,) = (scenario.read(name, request_id)["answers"] for name in "ba")
    assert (got["institution"], got["recipient"], got["representative_id"]) == ("a", "b", "a/authoriser")
    assert (got["sealed"], given["sealed"], got["marking"]) == (SEALED, None, STRICT)
    assert given == {**got, "sealed": None}
    assert scenario.read("c", request_id)["answers"] == []
    assert scenario.read("a", request_id)["waiting"] == []
    (own,), (theirs,) = (scenario.views(name, "request_answered") for name in "ab")
    assert own["event_id"] == theirs["event_id"]
    assert own["sealed_sha256"] == theirs["sealed_sha256"] == got["sealed_sha256"]
    assert (theirs["institution"], theirs["recipient"]) == ("a", "b")
    assert scenario.views("c", "request_answered") == []
    assert (scenario.notices("a"), scenario.notices("c")) == (["request_taken_up"], ["request_received"])
    assert scenario.notices("b") == ["request_received", "request_answered"]


def test_a_withdrawal_reaches_both_sides_of_an_offer(scenario: RequestScenario) -> None:
    request_id = offered(scenario, "a", "b", "c")
    assert scenario.take_up("b", request_id).status_code == 200
    assert release(scenario, request_id, "b").status_code == 200
    with scenario.taskforce.database.reading() as session:
        rows = session.scalars(select(DerivedDisclosure).where(DerivedDisclosure.token == scenario.token)).all()
    noted = {(row.source_member_id, row.recipient_member_id, row.kind) for row in rows}
    assert noted == {("a", "b", "request"), ("a", "c", "request"), ("b", "a", "request"), ("a", "b", "response")}
    assert scenario["b"].send("POST", "/v1/withdrawals", make_withdrawal([scenario.token])).status_code == 201
    notify_corrections(scenario.taskforce.database, scenario.clock())
    assert [one["withdrawn"] for one in scenario.read("b", request_id)["answers"]] == [False], "what a told is a's"
    assert scenario["a"].send("POST", "/v1/withdrawals", make_withdrawal([scenario.token])).status_code == 201
    told = [(one["withdrawn"], one["sealed"]) for one in scenario.read("b", request_id)["answers"]]
    assert told == [(True, None)], "at once"
    notify_corrections(scenario.taskforce.database, scenario.clock())
    for reader, others in (("a", "b"), ("b", "a"), ("c", "a")):
        listed = scenario[reader].send("GET", "/v1/corrections?state=open").get_json()["corrections"]
        assert listed, (reader, others)


def test_the_maker_of_an_offer_and_its_key_cannot_release_it(new_scenario: NewScenario) -> None:
    scenario = new_scenario("a", "b")
    request_id = offered(scenario, "a", "b")
    assert scenario.take_up("b", request_id).status_code == 200
    assert release(scenario, request_id, "b", as_name="analyst").status_code == 403
    keys = scenario["a"].keys
    keys["authoriser"], keys["analyst"] = keys["analyst"], keys["authoriser"]
    scenario.taskforce.state_member(scenario["a"])
    assert "same-person" in reasons_of(release(scenario, request_id, "b"))
    assert scenario.read("b", request_id)["answers"] == []


def test_a_release_does_not_show_who_declined_or_is_a_holder(
    scenario: RequestScenario,
) -> None:
    """The answer is the same for a holder that did not take it up, and for no holder."""
    request_id = offered(scenario, "a", "b")
    answers = [release(scenario, request_id, to) for to in ("b", "c", "nobody", None)]
    assert [reasons_of(answer) for answer in answers] == [{"not-taken-up"}] * 4
    assert {answer.data for answer in answers} == {answers[0].data}
    assert scenario.read("b", request_id)["answers"] == []


def test_a_holder_never_tells_details_to_an_offer(scenario: RequestScenario) -> None:
    request_id = offered(scenario, "a", "b")
    assert scenario.take_up("b", request_id).status_code == 200
    assert "offer" in reasons_of(scenario.answer("b", request_id))
    assert "offer" in reasons_of(scenario.answer("b", request_id, **NO_TRACE))
    assert scenario.read("a", request_id)["answers"] == []


def test_an_offer_can_be_refused_unseen_and_stays_so(scenario: RequestScenario) -> None:
    request_id = offered(scenario, "a", "b", "c")
    assert reasons_of(scenario.answer("b", request_id, **REFUSED)) == {"signature"}, "it cannot know whose offer it is"
    assert scenario.answer("b", request_id, requester=None, **REFUSED).status_code == 200
    (answer,) = scenario.read("a", request_id)["answers"]
    assert (answer["outcome"], answer["institution"], answer["recipient"]) == ("refused", None, None)
    assert scenario.views("a", "request_taken_up") == []
    assert scenario.views("a", "request_answered")[0]["institution"] is None
    of_holder = scenario.read("b", request_id)
    assert (of_holder["requester"], of_holder["state"]) == (None, "answered")
    assert scenario.views("b", "request_answered")[0]["requester"] is None
    assert reasons_of(release(scenario, request_id, "b")) == {"not-taken-up"}


def test_who_took_an_offer_up_may_still_refuse_it_and_then_waits_no_more(scenario: RequestScenario) -> None:
    request_id = offered(scenario, "a", "b")
    assert scenario.take_up("b", request_id).status_code == 200
    assert scenario.answer("b", request_id, **REFUSED).status_code == 200
    assert scenario.read("a", request_id)["waiting"] == []
    assert reasons_of(release(scenario, request_id, "b")) == {"second-answer"}


def test_each_holder_is_told_once(scenario: RequestScenario) -> None:
    request_id = offered(scenario, "a", "b", "c")
    for holder in "bc":
        assert scenario.take_up(holder, request_id).status_code == 200
        assert release(scenario, request_id, holder).status_code == 200
        assert reasons_of(release(scenario, request_id, holder)) == {"second-answer"}
    assert [answer["recipient"] for answer in scenario.read("a", request_id)["answers"]] == ["b", "c"]


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("fields", {"fields": ["narrative"]}),
        ("fields", {"fields": []}),
        ("offer", {**NO_TRACE, "marking": None}),
        ("offer", {**REFUSED, "marking": None}),
        ("sealed", {"sealed": None}),
        ("marking", {"marking": {**STRICT, "tlp": "CLEAR"}}),
        ("signature", {"signature": to_base64(bytes(64))}),
    ],
)
def test_a_release_that_a_rule_refuses_tells_nothing(
    scenario: RequestScenario, rule: str, changes: dict[str, Any]
) -> None:
    request_id = offered(scenario, "a", "b")
    assert scenario.take_up("b", request_id).status_code == 200
    assert rule in reasons_of(release(scenario, request_id, "b", **changes))
    assert scenario.read("b", request_id)["answers"] == []


def test_an_alert_offers_what_warns_and_no_more(scenario: RequestScenario) -> None:
    hit_id = scenario.share("a", "b")
    assert reasons_of(scenario.ask("a", hit_id, **{**OFFER, "mode": "alert"})) == {"fields"}, WANTED
    request_id = scenario.asked("a", hit_id, **{**OFFER, "mode": "alert", "fields": ["reason", "contact"]})
    assert scenario.take_up("b", request_id).status_code == 200
    assert release(scenario, request_id, "b", fields=["reason"]).status_code == 200


def test_what_was_offered_and_not_released_lapses_and_what_was_is_purged(new_scenario: NewScenario) -> None:
    scenario = new_scenario("a", "b", "c")
    request_id = offered(scenario, "a", "b", "c")
    for holder in "bc":
        assert scenario.take_up(holder, request_id).status_code == 200
    assert release(scenario, request_id, "b").status_code == 200
    scenario.pass_time(timedelta(days=1, minutes=1))
    assert "request_reminder" not in scenario.notices("c"), "it is for the sender to tell"
    scenario.pass_time(timedelta(days=1))
    assert [scenario.read(holder, request_id)["state"] for holder in "bc"] == ["answered", "lapsed"]
    assert reasons_of(release(scenario, request_id, "c")) == {"lapsed"}
    assert purge_answers(scenario.taskforce.database, scenario.clock() + SEALED_KEPT + timedelta(seconds=1)) >= 1
    assert scenario.read("b", request_id)["answers"][0]["sealed"] is None


def test_an_offer_is_released_and_read_only_while_both_share_the_row(new_scenario: NewScenario) -> None:
    scenario = new_scenario("a", "b", "c")
    request_id = offered(scenario, "a", "b", "c")
    for holder in "bc":
        assert scenario.take_up(holder, request_id).status_code == 200
    assert release(scenario, request_id, "b").status_code == 200
    scenario.taskforce.state_group(["a", "x"])
    assert scenario.read("b", request_id)["answers"][0]["sealed"] is None
    assert "hit-ended" in reasons_of(release(scenario, request_id, "c"))


def test_police_are_offered_things_by_banks_under_the_gateways_to_them(new_scenario: NewScenario) -> None:
    """Section 7 of the 2013 Act is to the NCA: other police who hold the same are left out, as are banks."""
    scenario = new_scenario("a", "b")
    for name in ("nca", "met"):
        scenario.taskforce.add_member(name, kind=MemberKind.LAW_ENFORCEMENT, sector=Sector.LAW_ENFORCEMENT)
    scenario.taskforce.state_group(["a", "b", "nca", "met"])
    hit_id = scenario.share("a", "b", "nca", "met")
    to_nca = {"mode": "provide", "condition": None, "legal_gateway": "CCA2013_s7"}
    request_id = scenario.asked("a", hit_id, **to_nca)
    assert [len(scenario.listed(name)) for name in ("b", "met", "nca")] == [0, 0, 1]
    taken = scenario.take_up("nca", request_id)
    assert taken.status_code == 200, taken.text
    marking = taken.get_json()["marking"]
    assert "permitted purpose" in marking["conditions"]
    assert reasons_of(release(scenario, request_id, "nca")) == {"marking"}, "what goes with section 7 goes with it"
    assert release(scenario, request_id, "nca", marking=marking).status_code == 200
    of_met = scenario.ask("met", scenario.hit_of("met"), legal_gateway="CCA2013_s7", condition=None)
    assert reasons_of(of_met) == {"gateway-recipient"}
    assert "DPA2018_Sch2" in of_met.text


def test_an_offer_to_a_fraud_prevention_service_needs_a_decision(new_scenario: NewScenario) -> None:
    scenario = new_scenario("a", "b")
    scenario.taskforce.add_member("cifas", kind=MemberKind.FRAUD_PREVENTION_SERVICE, sector=Sector.FRAUD_PREVENTION)
    scenario.taskforce.state_group(["a", "b", "cifas"])
    hit_id = scenario.share("a", "b", "cifas")
    to_service = {**OFFER, "condition": None, "legal_gateway": "ECCTA2023_s189"}
    assert reasons_of(scenario.ask("a", hit_id, **{**to_service, "confirmations": []})) == {"no-confirmation"}
    confirmed = ["decided_to_restrict", "intermediary_agreement", "no_privileged_material"]
    request_id = scenario.asked("a", hit_id, **{**to_service, "confirmations": confirmed})
    assert [len(scenario.listed(name)) for name in ("b", "cifas")] == [0, 1]
    assert scenario.take_up("cifas", request_id).status_code == 200
    assert release(scenario, request_id, "cifas").status_code == 200
