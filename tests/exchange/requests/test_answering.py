"""Taking up and answering: who may, what each side learns when, and what no answer may carry."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from exchange.corrections.notify import notify_corrections
from exchange.indicators.derived import DerivedDisclosure, DerivedKind
from exchange.indicators.store import read_rows
from exchange.operations.purge import purge_records
from keys.statements.types import GroupState
from schemas.requests.messages import SEALED_SIZES
from schemas.terms import MemberKind, Sector
from schemas.values.encoding import to_base64
from tests.exchange.corrections.taking_back import make_withdrawal, submission_of
from tests.exchange.requests.factories import NO_TRACE, REFUSED, STRICT, WANTED, make_answer, make_request
from tests.exchange.requests.scenario import RequestScenario
from tests.taskforce.members import reasons_of

NewScenario = Callable[..., RequestScenario]


def test_taking_up_reveals_the_whole_request_to_that_holder_alone(scenario: RequestScenario) -> None:
    body = make_request(scenario.share("a", "b", "c"))
    assert scenario["a"].send("POST", "/v1/requests", body).status_code == 201
    request_id = body["request_id"]
    taken = scenario.take_up("b", request_id)
    assert taken.status_code == 200, taken.text
    found = taken.get_json()
    assert (found["requester"], found["requested_by"], found["state"]) == ("a", "a/analyst", "taken_up")
    assert found["encryption_key"] == to_base64(scenario["a"].encryption_key)
    assert found["proof"] == body.pop("proof")
    assert found["terms"] == body, "to the byte what the proof covers"
    assert scenario.read("b", request_id)["terms"] == body
    assert scenario.read("c", request_id)["terms"] is None
    of_requester = scenario.read("a", request_id)
    assert (of_requester["state"], of_requester["taken_up"], of_requester["answers"]) == ("open", True, [])


def test_the_requester_learns_once_of_a_take_up_but_not_by_whom(scenario: RequestScenario) -> None:
    request_id = scenario.asked("a", scenario.share("a", "b", "c"))
    for holder in "bc":
        assert scenario.take_up(holder, request_id).status_code == 200
    (view,) = scenario.views("a", "request_taken_up")
    common = {"event_id", "kind", "member_id", "recorded_at", "core_digest"}
    assert {name: view[name] for name in view if name not in common} == {"request_id": request_id}
    assert scenario.notices("a") == ["request_taken_up"]
    assert [len(scenario.views(holder, "request_taken_up")) for holder in "bc"] == [1, 1]


def test_a_partial_answer_names_the_holder_and_carries_its_sealed_part(scenario: RequestScenario) -> None:
    request_id = scenario.asked("a", scenario.share("a", "b"))
    scenario.answered("b", request_id, sealed=to_base64(b"s" * SEALED_SIZES[1]))
    found = scenario.read("a", request_id)
    (answer,) = found["answers"]
    assert found["state"] == "answered"
    assert (answer["institution"], answer["representative_id"]) == ("b", "b/authoriser")
    assert (answer["outcome"], answer["fields"]) == ("partial", WANTED[:1])
    assert answer["sealed"] == to_base64(b"s" * SEALED_SIZES[1])
    assert scenario.notices("a") == ["request_taken_up", "request_answered"]
    (own,), (theirs,) = (scenario.views(name, "request_answered") for name in "ab")
    assert own["event_id"] == theirs["event_id"]
    assert own["sealed_sha256"] == theirs["sealed_sha256"] == answer["sealed_sha256"]
    assert scenario.stage_of("a") == "response"
    with scenario.taskforce.database.reading() as session:
        noted = DerivedDisclosure.token == scenario.token, DerivedDisclosure.kind == DerivedKind.RESPONSE
        responses = session.scalars(select(DerivedDisclosure).where(*noted))
        assert [(one.recipient_member_id, one.source_member_id) for one in responses] == [("a", "b")]


def test_who_has_no_trace_or_refuses_stays_unnamed(scenario: RequestScenario) -> None:
    request_id = scenario.asked("a", scenario.share("a", "b", "c"))
    scenario.answered("b", request_id, **NO_TRACE)
    scenario.answered("c", request_id, **REFUSED)
    found = scenario.read("a", request_id)
    assert [answer["outcome"] for answer in found["answers"]] == ["refused", "no_trace"]
    named = ("institution", "representative_id", "sealed", "signature", "marking", "answered_at")
    assert {answer[name] for answer in found["answers"] for name in named} == {None}
    for view in scenario.views("a", "request_answered"):
        assert {view[name] for name in named[:4:3] if name in view} <= {None}
        assert (view["institution"], view["signature"]) == (None, None)
    assert scenario.notices("a") == ["request_taken_up", "request_answered", "request_answered"]
    assert scenario.read("b", request_id)["answers"][0]["institution"] == "b"


def test_the_state_does_not_show_whether_others_have_still_to_answer(scenario: RequestScenario) -> None:
    alone = "b"
    request_id = scenario.asked("a", scenario.share("a", "b", "c"))
    scenario.answered(alone, request_id)
    two_held = scenario.read("a", request_id)
    scenario.answered("c", request_id, **NO_TRACE)
    assert two_held["state"] == scenario.read("a", request_id)["state"] == "answered"


def test_only_the_authoriser_who_took_it_up_answers_and_once(scenario: RequestScenario) -> None:
    request_id = scenario.asked("a", scenario.share("a", "b"))
    assert reasons_of(scenario.answer("b", request_id)) == {"not-taken-up"}
    assert scenario.take_up("b", request_id, as_name="analyst").status_code == 403
    scenario.answered("b", request_id)
    assert reasons_of(scenario.answer("b", request_id, **NO_TRACE)) == {"second-answer"}
    assert reasons_of(scenario.take_up("b", request_id)) == {"second-answer"}
    (answer,) = scenario.read("a", request_id)["answers"]
    assert answer["outcome"] == "partial"
    assert [view["reasons"][0]["code"] for view in scenario.views("b", "refusal")][-2:] == ["second-answer"] * 2


def test_the_requester_neither_takes_up_nor_answers_its_own_request(scenario: RequestScenario) -> None:
    request_id = scenario.asked("a", scenario.share("a", "b"))
    assert reasons_of(scenario.take_up("a", request_id)) == {"own-request"}
    assert reasons_of(scenario.answer("a", request_id)) == {"own-request"}
    assert scenario.read("a", request_id)["answers"] == []


def test_one_key_is_one_person_at_another_bank_too(new_scenario: NewScenario) -> None:
    scenario = new_scenario("a", "b")
    scenario["b"].keys["authoriser"] = scenario["a"].keys["analyst"]
    scenario.taskforce.state_member(scenario["b"])
    request_id = scenario.asked("a", scenario.share("a", "b"))
    assert reasons_of(scenario.take_up("b", request_id)) == {"same-person"}
    assert scenario.read("b", request_id)["requester"] is None


@pytest.mark.parametrize(
    ("rule", "changes"),
    [
        ("fields", {"fields": []}),
        ("fields", {"fields": ["narrative"]}),
        ("fields", {"fields": WANTED[:1] * 2}),
        ("fields", {**NO_TRACE, "fields": WANTED}),
        ("sealed", {"sealed": None}),
        ("sealed", {**REFUSED, "sealed": to_base64(bytes(SEALED_SIZES[0]))}),
        ("refusal-reason", {**REFUSED, "refusal_reason": None}),
        ("refusal-reason", {"refusal_reason": "policy"}),
        ("signature", {"signature": to_base64(bytes(64))}),
        ("signature", {"signed_as": "analyst"}),
        ("signature", {"requester": "c"}),
        ("marking", {"marking": None}),
        ("marking", {"marking": {**STRICT, "tlp": "GREEN"}}),
        ("to", {"to": "a"}),
        ("confirmation", {"confirmations": ["will_or_may_assist"]}),
    ],
)
def test_an_answer_that_a_rule_refuses_leaves_the_request_as_it_was(
    shared: RequestScenario, taken_up: str, rule: str, changes: dict[str, Any]
) -> None:
    assert rule in reasons_of(shared.answer("b", taken_up, **changes))
    assert shared.read("a", taken_up)["answers"] == []
    assert shared.read("b", taken_up)["state"] == "taken_up"


@pytest.fixture(scope="module")
def taken_up(shared: RequestScenario) -> str:
    """A request that b took up."""
    request_id = shared.asked("a", shared.share("a", "b"))
    assert shared.take_up("b", request_id).status_code == 200
    return request_id


@pytest.mark.parametrize("size", [0, 1, 4095, 4097, 65_537])
def test_what_is_sealed_has_one_of_three_sizes(shared: RequestScenario, taken_up: str, size: int) -> None:
    answer = shared.answer("b", taken_up, sealed=to_base64(bytes(size)))
    assert answer.status_code == 422
    assert set(answer.get_json()["errors"]["json"]) == {"sealed"}


def test_an_answer_signed_for_one_request_is_worth_nothing_for_another(scenario: RequestScenario) -> None:
    hit_id = scenario.share("a", "b")
    first, second = scenario.asked("a", hit_id), scenario.asked("a", hit_id)
    scenario.answered("b", first)
    assert scenario.take_up("b", second).status_code == 200
    given = scenario.read("b", first)["answers"][0]
    body = {name: given[name] for name in ("outcome", "fields", "refusal_reason", "signature", "marking", "prepared")}
    body |= {"to": None, "confirmations": []}
    body |= {"sealed": to_base64(bytes(SEALED_SIZES[0])), "submissions": scenario.submissions("b", second)}
    replayed = scenario["b"].send("POST", f"/v1/requests/{second}/answer", body, as_name="authoriser")
    assert reasons_of(replayed) == {"signature"}


def test_only_a_refusal_remains_when_the_two_no_longer_share_the_row(
    scenario: RequestScenario,
) -> None:
    for holder in "bc":
        scenario.taskforce.state_group(["a", holder], f"cell-{holder}")
    hit_id = scenario.share("a", "b", group="cell-b")
    scenario.share("a", "c", group="cell-c")
    request_id = scenario.asked("a", hit_id)
    assert scenario.take_up("b", request_id).status_code == 200
    for holder in "bc":
        scenario.taskforce.state_group(["a", holder], f"cell-{holder}", state=GroupState.CLOSED)
    assert reasons_of(scenario.take_up("c", request_id)) == {"hit-ended"}
    for holder in "bc":
        assert scenario.read(holder, request_id)["requester"] is None
        assert scenario.read(holder, request_id)["terms"] is None
    assert reasons_of(scenario.answer("b", request_id)) == {"hit-ended"}
    assert scenario.answer("b", request_id, **REFUSED).status_code == 200


def test_what_was_sealed_is_out_of_reach_once_the_row_behind_it_is(scenario: RequestScenario) -> None:
    scenario.taskforce.state_group(["a", "b"], "cell")
    request_id = scenario.asked("a", scenario.share("a", "b", group="cell"))
    scenario.answered("b", request_id)
    before = scenario.read("a", request_id)["answers"][0]
    scenario.taskforce.state_group(["a", "b"], "cell", state=GroupState.CLOSED)
    after = scenario.read("a", request_id)["answers"][0]
    assert before["sealed"] is not None
    assert after == {**before, "sealed": None}


def test_an_answer_rests_only_on_rows_in_the_requesters_groups(scenario: RequestScenario) -> None:
    """Bank b holds the token in the open group and in a cell with c: a learns nothing of the cell."""
    scenario.taskforce.state_group(["b", "c"], "other-cell")
    hit_id = scenario.share("a", "b")
    (kept,) = {submission_of(scenario.taskforce, scenario.token, "b")}
    scenario.hold("b", group="other-cell")
    request_id = scenario.asked("a", hit_id)
    taken = scenario.take_up("b", request_id).get_json()
    assert taken["submissions"] == [kept]
    with scenario.taskforce.database.reading() as session:
        (cell,) = {row.submission_id for row in read_rows(session, [scenario.token]) if row.key[1] == "other-cell"}
    for named, rule in (([], "submissions"), ([cell], "rows-changed"), ([kept, cell], "rows-changed")):
        assert reasons_of(scenario.answer("b", request_id, submissions=named)) == {rule}
    assert reasons_of(scenario.answer("b", request_id, **NO_TRACE, submissions=[kept])) == {"submissions"}
    assert scenario.answer("b", request_id, submissions=[kept]).status_code == 200
    read = scenario.read("a", request_id)
    assert read["submissions"] is None
    assert kept not in str(read)
    # The row in the cell is taken back: a was never told of it.
    taken_back = scenario["b"].send("POST", "/v1/withdrawals", make_withdrawal(submission_id=cell)).get_json()
    assert (taken_back["withdrawn"], taken_back["told"]) == (1, 0)
    notify_corrections(scenario.taskforce.database, scenario.clock())
    assert scenario["a"].send("GET", "/v1/corrections?state=open").get_json()["corrections"] == []
    assert scenario.read("a", request_id)["answers"] == read["answers"]


def test_an_answer_on_a_withdrawn_row_is_marked_and_a_new_one_is_not(
    new_scenario: NewScenario,
) -> None:
    scenario = new_scenario("a", "b")
    hit_id = scenario.share("a", "b")
    first, waiting = scenario.asked("a", hit_id), scenario.asked("a", hit_id)
    scenario.answered("b", first)
    assert scenario.take_up("b", waiting).status_code == 200
    wrong = scenario.submissions("b", waiting)
    assert scenario["b"].send("POST", "/v1/withdrawals", make_withdrawal([scenario.token])).status_code == 201

    def marks(request_id: str) -> list[tuple[bool, bool]]:
        return [(one["withdrawn"], one["sealed"] is None) for one in scenario.read("a", request_id)["answers"]]

    assert marks(first) == [(True, True)]
    scenario.hold("b", relist="seen again")
    assert reasons_of(scenario.answer("b", waiting, submissions=wrong)) == {"rows-changed"}
    scenario.answered("b", waiting)
    assert (marks(first), marks(waiting)) == ([(True, True)], [(False, False)])
    assert notify_corrections(scenario.taskforce.database, scenario.clock()) == 1
    scenario.clock.advance(seconds=60)  # type: ignore[attr-defined]
    assert notify_corrections(scenario.taskforce.database, scenario.clock()) == 0
    (correction,) = scenario["a"].send("GET", "/v1/corrections").get_json()["corrections"]
    path = f"/v1/corrections/{correction['correction_id']}"
    about = {(one["kind"], one["object_id"]) for one in scenario["a"].send("GET", path).get_json()["concerned"]}
    assert about == {("hit", hit_id), ("response", first)}
    scenario.clock.advance(days=100)  # type: ignore[attr-defined]
    purge_records(scenario.taskforce.database, scenario.clock())
    assert marks(first) == [(True, True)]


def test_the_strictest_marking_of_both_rows_binds_request_and_answer(scenario: RequestScenario) -> None:
    scenario.hold("a", tlp="RED")
    victim = {"handling": "C", "conditions": "not to be shown to the customer", "subject_role": "victim"}
    scenario.hold("b", **victim)
    request_id = scenario.asked("a", scenario.hit_of("a"))
    marking = {
        "classification": "OFFICIAL",
        "tlp": "RED",
        "handling": "C",
        "conditions": "not to be shown to the customer",
        "protected_subject": True,
    }
    assert scenario.take_up("b", request_id).get_json()["marking"] == marking
    for lax in ("tlp", "handling", "conditions", "protected_subject"):
        laxer = {**marking, lax: {**STRICT, "conditions": ""}[lax]}
        assert "marking" in reasons_of(scenario.answer("b", request_id, marking=laxer, confirmations=["conditions"]))
    assert reasons_of(scenario.answer("b", request_id, marking=marking)) == {"handling-conditions"}
    assert scenario.answer("b", request_id, marking=marking, confirmations=["conditions"]).status_code == 200
    assert scenario.read("a", request_id)["answers"][0]["marking"] == marking
    assert scenario.views("b", "request_answered")[-1]["confirmations"] == ["conditions"]


def test_what_is_marked_red_is_told_only_with_its_originators_consent(scenario: RequestScenario) -> None:
    scenario.hold("a")
    scenario.hold("b", tlp="RED")
    request_id = scenario.asked("a", scenario.hit_of("a"))
    assert scenario.take_up("b", request_id).status_code == 200
    red = {**STRICT, "tlp": "RED"}
    assert reasons_of(scenario.answer("b", request_id, marking=red)) == {"tlp-red"}
    assert reasons_of(scenario.answer("b", request_id, marking=red, confirmations=["conditions"])) == {"tlp-red"}
    assert scenario.answer("b", request_id, marking=red, confirmations=["tlp-red"]).status_code == 200


def test_a_colleague_takes_over_what_another_took_up(new_scenario: NewScenario) -> None:
    scenario = new_scenario("a", "b")
    hit_id = scenario.share("a", "b")
    request_id = scenario.asked("a", hit_id)
    assert scenario.take_up("b", request_id).status_code == 200
    scenario["b"].keys["analyst"], scenario["b"].keys["authoriser"] = (
        scenario["b"].keys["authoriser"],
        scenario["b"].keys["analyst"],
    )
    assert scenario.take_up("b", request_id).status_code == 401, "the keys are not the ones that are enrolled"
    scenario.taskforce.state_member(scenario["b"])
    assert scenario.take_up("b", request_id).status_code == 200
    assert scenario.answer("b", request_id).status_code == 200


def test_the_gateway_is_judged_again_when_details_are_released(new_scenario: NewScenario) -> None:
    scenario = new_scenario("a", "b")
    request_id = scenario.asked("a", scenario.share("a", "b"))
    assert scenario.take_up("b", request_id).status_code == 200
    scenario["b"].kind, scenario["b"].sector = MemberKind.TELECOM, Sector.TELECOMMUNICATIONS
    scenario.taskforce.state_member(scenario["b"])
    assert reasons_of(scenario.answer("b", request_id)) == {"gateway-kind", "gateway-parties"}
    assert scenario.answer("b", request_id, **NO_TRACE).status_code == 200


def test_with_the_log_down_nothing_is_revealed_and_no_answer_is_kept(scenario: RequestScenario) -> None:
    request_id = scenario.asked("a", scenario.share("a", "b", "c"))
    assert scenario.take_up("b", request_id).status_code == 200
    rename = "ALTER TABLE {} RENAME TO {}"
    with scenario.taskforce.database.transaction() as session:
        session.connection().exec_driver_sql(rename.format("log_pending", "log_elsewhere"))
    answers = [scenario.take_up("c", request_id), scenario.answer("b", request_id)]
    answers.append(scenario["a"].send("GET", f"/v1/requests/{request_id}"))
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    with scenario.taskforce.database.transaction() as session:
        session.connection().exec_driver_sql(rename.format("log_elsewhere", "log_pending"))
    assert scenario.read("a", request_id)["answers"] == []
    assert scenario.read("c", request_id)["requester"] is None


def test_the_same_answer_again_is_answered_alike_and_told_once(scenario: RequestScenario) -> None:
    request_id = scenario.asked("a", scenario.share("a", "b"))
    assert scenario.take_up("b", request_id).status_code == 200
    value = make_answer(scenario["b"].keys["authoriser"], request_id, "b", "a", **NO_TRACE)
    target = f"/v1/requests/{request_id}/answer"
    first, again = (
        scenario["b"].send("POST", target, value, as_name="authoriser", idempotency_key="answered-once")
        for _ in range(2)
    )
    assert (first.status_code, first.data) == (again.status_code, again.data) == (200, first.data)
    assert scenario.notices("a") == ["request_taken_up", "request_answered"]
