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

NewWorld = Callable[..., RequestScenario]


def test_taking_up_reveals_the_whole_request_to_that_holder_alone(world: RequestScenario) -> None:
    body = make_request(world.share("a", "b", "c"))
    assert world["a"].send("POST", "/v1/requests", body).status_code == 201
    request_id = body["request_id"]
    taken = world.take_up("b", request_id)
    assert taken.status_code == 200, taken.text
    found = taken.get_json()
    assert (found["requester"], found["requested_by"], found["state"]) == ("a", "a/analyst", "taken_up")
    assert found["encryption_key"] == to_base64(world["a"].encryption_key)
    assert found["proof"] == body.pop("proof")
    assert found["terms"] == body, "to the byte what the proof covers"
    assert world.read("b", request_id)["terms"] == body
    assert world.read("c", request_id)["terms"] is None
    of_requester = world.read("a", request_id)
    assert (of_requester["state"], of_requester["taken_up"], of_requester["answers"]) == ("open", True, [])


def test_the_requester_learns_once_of_a_take_up_but_not_by_whom(world: RequestScenario) -> None:
    request_id = world.asked("a", world.share("a", "b", "c"))
    for holder in "bc":
        assert world.take_up(holder, request_id).status_code == 200
    (view,) = world.views("a", "request_taken_up")
    common = {"event_id", "kind", "member_id", "recorded_at", "core_digest"}
    assert {name: view[name] for name in view if name not in common} == {"request_id": request_id}
    assert world.notices("a") == ["request_taken_up"]
    assert [len(world.views(holder, "request_taken_up")) for holder in "bc"] == [1, 1]


def test_a_partial_answer_names_the_holder_and_carries_its_sealed_part(world: RequestScenario) -> None:
    request_id = world.asked("a", world.share("a", "b"))
    world.answered("b", request_id, sealed=to_base64(b"s" * SEALED_SIZES[1]))
    found = world.read("a", request_id)
    (answer,) = found["answers"]
    assert found["state"] == "answered"
    assert (answer["institution"], answer["representative_id"]) == ("b", "b/authoriser")
    assert (answer["outcome"], answer["fields"]) == ("partial", WANTED[:1])
    assert answer["sealed"] == to_base64(b"s" * SEALED_SIZES[1])
    assert world.notices("a") == ["request_taken_up", "request_answered"]
    (own,), (theirs,) = (world.views(name, "request_answered") for name in "ab")
    assert own["event_id"] == theirs["event_id"]
    assert own["sealed_sha256"] == theirs["sealed_sha256"] == answer["sealed_sha256"]
    assert world.stage_of("a") == "response"
    with world.taskforce.database.reading() as session:
        noted = DerivedDisclosure.token == world.token, DerivedDisclosure.kind == DerivedKind.RESPONSE
        responses = session.scalars(select(DerivedDisclosure).where(*noted))
        assert [(one.recipient_member_id, one.source_member_id) for one in responses] == [("a", "b")]


def test_who_has_no_trace_or_refuses_stays_unnamed(world: RequestScenario) -> None:
    request_id = world.asked("a", world.share("a", "b", "c"))
    world.answered("b", request_id, **NO_TRACE)
    world.answered("c", request_id, **REFUSED)
    found = world.read("a", request_id)
    assert [answer["outcome"] for answer in found["answers"]] == ["refused", "no_trace"]
    named = ("institution", "representative_id", "sealed", "signature", "marking", "answered_at")
    assert {answer[name] for answer in found["answers"] for name in named} == {None}
    for view in world.views("a", "request_answered"):
        assert {view[name] for name in named[:4:3] if name in view} <= {None}
        assert (view["institution"], view["signature"]) == (None, None)
    assert world.notices("a") == ["request_taken_up", "request_answered", "request_answered"]
    assert world.read("b", request_id)["answers"][0]["institution"] == "b"


def test_the_state_does_not_show_whether_others_have_still_to_answer(world: RequestScenario) -> None:
    alone = "b"
    request_id = world.asked("a", world.share("a", "b", "c"))
    world.answered(alone, request_id)
    two_held = world.read("a", request_id)
    world.answered("c", request_id, **NO_TRACE)
    assert two_held["state"] == world.read("a", request_id)["state"] == "answered"


def test_only_the_authoriser_who_took_it_up_answers_and_once(world: RequestScenario) -> None:
    request_id = world.asked("a", world.share("a", "b"))
    assert reasons_of(world.answer("b", request_id)) == {"not-taken-up"}
    assert world.take_up("b", request_id, as_name="analyst").status_code == 403
    world.answered("b", request_id)
    assert reasons_of(world.answer("b", request_id, **NO_TRACE)) == {"second-answer"}
    assert reasons_of(world.take_up("b", request_id)) == {"second-answer"}
    (answer,) = world.read("a", request_id)["answers"]
    assert answer["outcome"] == "partial"
    assert [view["reasons"][0]["code"] for view in world.views("b", "refusal")][-2:] == ["second-answer"] * 2


def test_the_requester_neither_takes_up_nor_answers_its_own_request(world: RequestScenario) -> None:
    request_id = world.asked("a", world.share("a", "b"))
    assert reasons_of(world.take_up("a", request_id)) == {"own-request"}
    assert reasons_of(world.answer("a", request_id)) == {"own-request"}
    assert world.read("a", request_id)["answers"] == []


def test_one_key_is_one_person_at_another_bank_too(new_world: NewWorld) -> None:
    world = new_world("a", "b")
    world["b"].keys["authoriser"] = world["a"].keys["analyst"]
    world.taskforce.state_member(world["b"])
    request_id = world.asked("a", world.share("a", "b"))
    assert reasons_of(world.take_up("b", request_id)) == {"same-person"}
    assert world.read("b", request_id)["requester"] is None


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


def test_an_answer_signed_for_one_request_is_worth_nothing_for_another(world: RequestScenario) -> None:
    hit_id = world.share("a", "b")
    first, second = world.asked("a", hit_id), world.asked("a", hit_id)
    world.answered("b", first)
    assert world.take_up("b", second).status_code == 200
    given = world.read("b", first)["answers"][0]
    body = {name: given[name] for name in ("outcome", "fields", "refusal_reason", "signature", "marking", "prepared")}
    body |= {"to": None, "confirmations": []}
    body |= {"sealed": to_base64(bytes(SEALED_SIZES[0])), "submissions": world.submissions("b", second)}
    replayed = world["b"].send("POST", f"/v1/requests/{second}/answer", body, as_name="authoriser")
    assert reasons_of(replayed) == {"signature"}


def test_only_a_refusal_remains_when_the_two_no_longer_share_the_row(
    world: RequestScenario,
) -> None:
    for holder in "bc":
        world.taskforce.state_group(["a", holder], f"cell-{holder}")
    hit_id = world.share("a", "b", group="cell-b")
    world.share("a", "c", group="cell-c")
    request_id = world.asked("a", hit_id)
    assert world.take_up("b", request_id).status_code == 200
    for holder in "bc":
        world.taskforce.state_group(["a", holder], f"cell-{holder}", state=GroupState.CLOSED)
    assert reasons_of(world.take_up("c", request_id)) == {"hit-ended"}
    for holder in "bc":
        assert world.read(holder, request_id)["requester"] is None
        assert world.read(holder, request_id)["terms"] is None
    assert reasons_of(world.answer("b", request_id)) == {"hit-ended"}
    assert world.answer("b", request_id, **REFUSED).status_code == 200


def test_what_was_sealed_is_out_of_reach_once_the_row_behind_it_is(world: RequestScenario) -> None:
    world.taskforce.state_group(["a", "b"], "cell")
    request_id = world.asked("a", world.share("a", "b", group="cell"))
    world.answered("b", request_id)
    before = world.read("a", request_id)["answers"][0]
    world.taskforce.state_group(["a", "b"], "cell", state=GroupState.CLOSED)
    after = world.read("a", request_id)["answers"][0]
    assert before["sealed"] is not None
    assert after == {**before, "sealed": None}


def test_an_answer_rests_only_on_rows_in_the_requesters_groups(world: RequestScenario) -> None:
    """Bank b holds the token in the open group and in a cell with c: a learns nothing of the cell."""
    world.taskforce.state_group(["b", "c"], "other-cell")
    hit_id = world.share("a", "b")
    (kept,) = {submission_of(world.taskforce, world.token, "b")}
    world.hold("b", group="other-cell")
    request_id = world.asked("a", hit_id)
    taken = world.take_up("b", request_id).get_json()
    assert taken["submissions"] == [kept]
    with world.taskforce.database.reading() as session:
        (cell,) = {row.submission_id for row in read_rows(session, [world.token]) if row.key[1] == "other-cell"}
    for named, rule in (([], "submissions"), ([cell], "rows-changed"), ([kept, cell], "rows-changed")):
        assert reasons_of(world.answer("b", request_id, submissions=named)) == {rule}
    assert reasons_of(world.answer("b", request_id, **NO_TRACE, submissions=[kept])) == {"submissions"}
    assert world.answer("b", request_id, submissions=[kept]).status_code == 200
    read = world.read("a", request_id)
    assert read["submissions"] is None
    assert kept not in str(read)
    # The row in the cell is taken back: a was never told of it.
    taken_back = world["b"].send("POST", "/v1/withdrawals", make_withdrawal(submission_id=cell)).get_json()
    assert (taken_back["withdrawn"], taken_back["told"]) == (1, 0)
    notify_corrections(world.taskforce.database, world.clock())
    assert world["a"].send("GET", "/v1/corrections?state=open").get_json()["corrections"] == []
    assert world.read("a", request_id)["answers"] == read["answers"]


def test_an_answer_on_a_withdrawn_row_is_marked_and_a_new_one_is_not(
    new_world: NewWorld,
) -> None:
    world = new_world("a", "b")
    hit_id = world.share("a", "b")
    first, waiting = world.asked("a", hit_id), world.asked("a", hit_id)
    world.answered("b", first)
    assert world.take_up("b", waiting).status_code == 200
    wrong = world.submissions("b", waiting)
    assert world["b"].send("POST", "/v1/withdrawals", make_withdrawal([world.token])).status_code == 201

    def marks(request_id: str) -> list[tuple[bool, bool]]:
        return [(one["withdrawn"], one["sealed"] is None) for one in world.read("a", request_id)["answers"]]

    assert marks(first) == [(True, True)]
    world.hold("b", relist="seen again")
    assert reasons_of(world.answer("b", waiting, submissions=wrong)) == {"rows-changed"}
    world.answered("b", waiting)
    assert (marks(first), marks(waiting)) == ([(True, True)], [(False, False)])
    assert notify_corrections(world.taskforce.database, world.clock()) == 1
    world.clock.advance(seconds=60)  # type: ignore[attr-defined]
    assert notify_corrections(world.taskforce.database, world.clock()) == 0
    (correction,) = world["a"].send("GET", "/v1/corrections").get_json()["corrections"]
    path = f"/v1/corrections/{correction['correction_id']}"
    about = {(one["kind"], one["object_id"]) for one in world["a"].send("GET", path).get_json()["concerned"]}
    assert about == {("hit", hit_id), ("response", first)}
    world.clock.advance(days=100)  # type: ignore[attr-defined]
    purge_records(world.taskforce.database, world.clock())
    assert marks(first) == [(True, True)]


def test_the_strictest_marking_of_both_rows_binds_request_and_answer(world: RequestScenario) -> None:
    world.hold("a", tlp="RED")
    victim = {"handling": "C", "conditions": "not to be shown to the customer", "subject_role": "victim"}
    world.hold("b", **victim)
    request_id = world.asked("a", world.hit_of("a"))
    marking = {
        "classification": "OFFICIAL",
        "tlp": "RED",
        "handling": "C",
        "conditions": "not to be shown to the customer",
        "protected_subject": True,
    }
    assert world.take_up("b", request_id).get_json()["marking"] == marking
    for lax in ("tlp", "handling", "conditions", "protected_subject"):
        laxer = {**marking, lax: {**STRICT, "conditions": ""}[lax]}
        assert "marking" in reasons_of(world.answer("b", request_id, marking=laxer, confirmations=["conditions"]))
    assert reasons_of(world.answer("b", request_id, marking=marking)) == {"handling-conditions"}
    assert world.answer("b", request_id, marking=marking, confirmations=["conditions"]).status_code == 200
    assert world.read("a", request_id)["answers"][0]["marking"] == marking
    assert world.views("b", "request_answered")[-1]["confirmations"] == ["conditions"]


def test_what_is_marked_red_is_told_only_with_its_originators_consent(world: RequestScenario) -> None:
    world.hold("a")
    world.hold("b", tlp="RED")
    request_id = world.asked("a", world.hit_of("a"))
    assert world.take_up("b", request_id).status_code == 200
    red = {**STRICT, "tlp": "RED"}
    assert reasons_of(world.answer("b", request_id, marking=red)) == {"tlp-red"}
    assert reasons_of(world.answer("b", request_id, marking=red, confirmations=["conditions"])) == {"tlp-red"}
    assert world.answer("b", request_id, marking=red, confirmations=["tlp-red"]).status_code == 200


def test_a_colleague_takes_over_what_another_took_up(new_world: NewWorld) -> None:
    world = new_world("a", "b")
    hit_id = world.share("a", "b")
    request_id = world.asked("a", hit_id)
    assert world.take_up("b", request_id).status_code == 200
    world["b"].keys["analyst"], world["b"].keys["authoriser"] = (
        world["b"].keys["authoriser"],
        world["b"].keys["analyst"],
    )
    assert world.take_up("b", request_id).status_code == 401, "the keys are not the ones that are enrolled"
    world.taskforce.state_member(world["b"])
    assert world.take_up("b", request_id).status_code == 200
    assert world.answer("b", request_id).status_code == 200


def test_the_gateway_is_judged_again_when_details_are_released(new_world: NewWorld) -> None:
    world = new_world("a", "b")
    request_id = world.asked("a", world.share("a", "b"))
    assert world.take_up("b", request_id).status_code == 200
    world["b"].kind, world["b"].sector = MemberKind.TELECOM, Sector.TELECOMMUNICATIONS
    world.taskforce.state_member(world["b"])
    assert reasons_of(world.answer("b", request_id)) == {"gateway-kind", "gateway-parties"}
    assert world.answer("b", request_id, **NO_TRACE).status_code == 200


def test_with_the_log_down_nothing_is_revealed_and_no_answer_is_kept(world: RequestScenario) -> None:
    request_id = world.asked("a", world.share("a", "b", "c"))
    assert world.take_up("b", request_id).status_code == 200
    rename = "ALTER TABLE {} RENAME TO {}"
    with world.taskforce.database.transaction() as session:
        session.connection().exec_driver_sql(rename.format("log_pending", "log_elsewhere"))
    answers = [world.take_up("c", request_id), world.answer("b", request_id)]
    answers.append(world["a"].send("GET", f"/v1/requests/{request_id}"))
    assert [answer.status_code for answer in answers] == [503, 503, 503]
    with world.taskforce.database.transaction() as session:
        session.connection().exec_driver_sql(rename.format("log_elsewhere", "log_pending"))
    assert world.read("a", request_id)["answers"] == []
    assert world.read("c", request_id)["requester"] is None


def test_the_same_answer_again_is_answered_alike_and_told_once(world: RequestScenario) -> None:
    request_id = world.asked("a", world.share("a", "b"))
    assert world.take_up("b", request_id).status_code == 200
    value = make_answer(world["b"].keys["authoriser"], request_id, "b", "a", **NO_TRACE)
    target = f"/v1/requests/{request_id}/answer"
    first, again = (
        world["b"].send("POST", target, value, as_name="authoriser", idempotency_key="answered-once") for _ in range(2)
    )
    assert (first.status_code, first.data) == (again.status_code, again.data) == (200, first.data)
    assert world.notices("a") == ["request_taken_up", "request_answered"]
