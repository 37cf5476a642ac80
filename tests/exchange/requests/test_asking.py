"""Making a request: whom it reaches, what each side learns of it, and what is refused."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from exchange.indicators.derived import DerivedDisclosure
from exchange.requests.store import InformationRequest, RequestPart
from keys.signatures.messages import new_nonce, sign_request
from keys.statements.types import GroupState, MemberState
from schemas.terms import MemberKind, Sector
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.exchange.factories import make_token
from tests.exchange.requests.factories import make_request, notice
from tests.exchange.requests.scenario import RequestScenario
from tests.taskforce.founding import URL
from tests.taskforce.members import reasons_of

NewScenario = Callable[..., RequestScenario]
SEEN_BEFORE_TAKING_UP = {
    *("request_id", "state", "due_at", "direction", "token"),
    *("requester_kind", "mode", "legal_gateway", "urgency"),
}


def test_a_request_reaches_every_holder_and_names_nobody(scenario: RequestScenario) -> None:
    hit_id = scenario.share("a", "b", "c")
    answer = scenario.ask("a", hit_id, urgency="immediate")
    assert answer.status_code == 201, answer.text
    due_at = "2026-11-22T10:15:00.000Z"
    request_id = answer.get_json()["request_id"]
    assert answer.get_json() == {"request_id": request_id, "state": "open", "due_at": due_at}
    for holder in "bc":
        (listed,) = scenario.listed(holder)
        assert listed == {
            "request_id": request_id,
            "state": "open",
            "due_at": due_at,
            "direction": "incoming",
            "token": to_base64(scenario.token),
            "requester_kind": "financial_institution",
            "mode": "request",
            "legal_gateway": "ECCTA2023_s188",
            "urgency": "immediate",
        }
        (view,) = scenario.views(holder, "request_made")
        assert '"a"' not in str(view).replace("'", '"')
        assert view["requester_kind"] == "financial_institution"
        assert scenario.notices(holder) == ["request_received"]
    assert scenario.notices("a") == []
    (own,) = scenario.views("a", "request_made")
    assert own["representative_id"] == "a/analyst"
    assert not {"b", "c"} & set(map(str, own.values()))


def test_a_holder_that_has_not_taken_it_up_reads_no_more_than_it_was_told(scenario: RequestScenario) -> None:
    request_id = scenario.asked("a", scenario.share("a", "b"))
    found = scenario.read("b", request_id)
    told = {name for name, value in found.items() if value not in (None, [], False)}
    assert told == {*SEEN_BEFORE_TAKING_UP, "event_id"}
    assert "deciding whether" not in str(found)


def test_who_holds_nothing_is_not_asked_and_finds_nothing(scenario: RequestScenario) -> None:
    request_id = scenario.asked("a", scenario.share("a", "b"))
    missing = uuid7()
    for target in ("", "/take-up", "/answer", "/cancel"):
        method = "POST" if target else "GET"
        value: dict[str, Any] | None = {} if target in ("/take-up", "/cancel") else None
        if target == "/answer":
            value = {"outcome": "no_trace", "fields": [], "refusal_reason": None, "sealed": None, "submissions": []}
            value |= {"to": None, "marking": None, "confirmations": [], "prepared": None}
            value["signature"] = to_base64(bytes(64))
        answers = [
            scenario["c"].send(method, f"/v1/requests/{known}{target}", value, as_name="authoriser")
            for known in (request_id, missing)
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        assert answers[0].data == answers[1].data
    assert scenario.listed("c") == []


def test_the_hit_rises_to_request_for_the_one_who_asked_alone(scenario: RequestScenario) -> None:
    scenario.asked("a", scenario.share("a", "b"))
    assert scenario.stage_of("a") == "request"
    assert scenario.stage_of("b") == "hit"


def test_a_holder_outside_the_gateway_is_left_out_unnoticed(
    new_scenario: NewScenario,
) -> None:
    scenario = new_scenario("a", "b")
    scenario.taskforce.add_member("t", kind=MemberKind.TELECOM, sector=Sector.TELECOMMUNICATIONS)
    scenario.taskforce.state_group(["a", "b", "t"])
    hit_id = scenario.share("a", "t", legal_gateway="DPA2018_Sch2")
    closed = scenario.ask("a", hit_id)
    opened = scenario.ask("a", hit_id, legal_gateway="DPA2018_Sch2", condition=None)
    assert (closed.status_code, opened.status_code) == (201, 201)
    assert closed.get_json().keys() == opened.get_json().keys()
    assert [one["legal_gateway"] for one in scenario.listed("t")] == ["DPA2018_Sch2"]


def test_a_repeated_request_is_answered_alike_and_delivered_once(scenario: RequestScenario) -> None:
    body = make_request(scenario.share("a", "b"))
    first, again = (
        scenario["a"].send("POST", "/v1/requests", body, idempotency_key="asked-once-only") for _ in range(2)
    )
    assert (first.status_code, first.data) == (again.status_code, again.data)
    assert scenario.notices("b") == ["request_received"]
    under_another_key = scenario["a"].send("POST", "/v1/requests", body)
    assert reasons_of(under_another_key, 409) == {"id-in-use"}
    assert reasons_of(scenario.ask("b", scenario.hit_of("b"), request_id=body["request_id"]), 409) == {"id-in-use"}


def test_a_request_is_noted_as_derived_from_the_askers_row(scenario: RequestScenario) -> None:
    request_id = scenario.asked("a", scenario.share("a", "b"))
    with scenario.taskforce.database.reading() as session:
        (noted,) = session.scalars(select(DerivedDisclosure).where(DerivedDisclosure.token == scenario.token)).all()
    assert (noted.token, noted.recipient_member_id, noted.kind) == (scenario.token, "b", "request")
    assert (noted.object_id, noted.source_member_id) == (request_id, "a")


REFUSED: list[tuple[str, str, dict[str, Any]]] = [
    ("no-gateway", "legal_gateway", {"legal_gateway": ""}),
    ("no-purpose", "purpose", {"purpose": " \n "}),
    ("no-necessity", "necessity", {"necessity": ""}),
    ("no-proportionality", "proportionality", {"proportionality": "\t"}),
    ("no-fields", "fields", {"fields": []}),
    ("fields", "fields", {"fields": ["reason", "reason"]}),
    ("no-condition", "condition", {"condition": None}),
    ("gateway-condition", "condition", {"condition": "warning"}),
    ("gateway-condition", "condition", {"mode": "alert"}),
    ("gateway-condition", "condition", {"legal_gateway": "DPA2018_Sch2"}),
    ("gateway-mode", "mode", {"legal_gateway": "POCA2002_s339ZB", "mode": "provide", "condition": None}),
    ("no-prior-notice", "nca_notice", {"legal_gateway": "POCA2002_s339ZB", "condition": None}),
    ("gateway-theme", "theme", {"legal_gateway": "TACT2000_s21CA", "condition": None}),
    ("gateway-kind", "legal_gateway", {"legal_gateway": "CCA2013_s7", "condition": None}),
    ("gateway-kind", "legal_gateway", {"legal_gateway": "ECCTA2023_s189", "condition": None}),
    ("no-gateway", "legal_gateway", {"legal_gateway": "ECCTA2023_s190"}),
    ("no-mode", "mode", {"mode": "demand"}),
    ("no-urgency", "urgency", {"urgency": "now"}),
    ("gateway-condition", "condition", {"condition": "suspicion"}),
    ("fields", "fields", {"fields": ["everything"]}),
    ("fields", "fields", {"mode": "alert", "fields": ["narrative"]}),
    ("confirmation", "confirmations", {"confirmations": ["safeguarding_action"]}),
    ("no-confirmation", "confirmations", {"mode": "provide", "condition": "warning"}),
    ("tipping-off", "purpose", {"purpose": "after our SAR of last week"}),
    ("tipping-off", "necessity", {"necessity": "a D.A.M.L. is pending"}),
]
MALFORMED: list[tuple[str, dict[str, Any]]] = [
    ("request_id", {"request_id": "0"}),
    ("request_id", {"request_id": "11111111-1111-4111-8111-111111111111"}),
    ("hit_id", {"hit_id": "nothing"}),
    ("mode", {"mode": "demand\n"}),
    ("purpose", {"purpose": "a\u0007b"}),
    ("necessity", {"necessity": "right \u202e to left"}),
    ("proportionality", {"proportionality": "p" * 2001}),
    ("nca_notice", {"nca_notice": {"reference": "r", "given_at": "yesterday"}}),
    ("nca_notice", {"nca_notice": {"reference": "", "given_at": "2026-11-21T10:00:00Z"}}),
    ("proof", {"proof": to_base64(bytes(31))}),
    ("unknown", {"audience": "everyone"}),
]


@pytest.fixture(scope="module")
def hit_id(shared: RequestScenario) -> str:
    """a's hit."""
    return shared.share("a", "b")


@pytest.mark.parametrize(("rule", "field", "changes"), REFUSED)
def test_a_request_against_a_rule_is_refused_logged_and_not_delivered(
    shared: RequestScenario, hit_id: str, rule: str, field: str, changes: dict[str, Any]
) -> None:
    refusals = len(shared.views("a", "refusal"))
    answer = shared.ask("a", hit_id, **changes)
    assert rule in reasons_of(answer)
    (refusal,) = shared.views("a", "refusal")[refusals:]
    assert {"code": rule, "field": field} in refusal["reasons"]
    assert (refusal["asked"], refusal["hit_id"]) == ("request", hit_id)
    assert not _stored(shared)


@pytest.mark.parametrize(("field", "changes"), MALFORMED)
def test_what_has_another_form_is_refused_with_the_field(
    shared: RequestScenario, hit_id: str, field: str, changes: dict[str, Any]
) -> None:
    refusals = len(shared.views("a", "refusal"))
    answer = shared.ask("a", hit_id, **changes)
    assert answer.status_code == 422, answer.text
    assert set(answer.get_json()["errors"]["json"]) == {field}
    (refusal,) = shared.views("a", "refusal")[refusals:]
    (reason,) = refusal["reasons"]
    assert (reason["code"], reason["field"].partition(".")[0]) == ("invalid-form", field)
    assert (refusal["asked"], refusal["route"]) == ("form", "POST /v1/requests")
    assert not any(str(value) in str(refusal) for value in changes.values() if value not in ("0", ""))
    assert not _stored(shared)


def test_every_reason_is_told_at_once(shared: RequestScenario, hit_id: str) -> None:
    changes: dict[str, Any] = {"legal_gateway": "", "purpose": "", "necessity": "", "proportionality": "", "fields": []}
    wanted = {"no-gateway", "no-purpose", "no-necessity", "no-proportionality", "no-fields"}
    assert reasons_of(shared.ask("a", hit_id, **changes)) == wanted


def test_ten_megabytes_are_refused_for_their_length_and_that_is_logged(shared: RequestScenario, hit_id: str) -> None:
    logged = len(shared.views("a", "refusal"))
    answer = shared.ask("a", hit_id, purpose="p" * 10_000_000)
    assert (answer.status_code, answer.get_json()["detail"]) == (413, "The body has at most 4,194,304 bytes.")
    (refusal,) = shared.views("a", "refusal")[logged:]
    assert refusal["reasons"] == [{"code": "too-long", "field": "body"}]
    assert refusal["route"] == "POST /v1/requests"
    assert not _stored(shared)


def test_an_oversized_request_is_logged_once_for_its_signer_alone(shared: RequestScenario, hit_id: str) -> None:
    """Neither a replay nor another member's signature puts it into a log."""
    member, body = shared["a"], b"p" * 10_000_000
    given = {"Idempotency-Key": "key-of-the-member", "Content-Type": "application/json"}
    target = f"{URL}/v1/requests"
    right, anothers = (
        sign_request("POST", target, given, body, "a/analyst", key, shared.taskforce.clock, new_nonce())
        for key in (member.keys["analyst"], shared["b"].keys["analyst"])
    )
    logged = len(shared.views("a", "refusal"))
    sent = [
        shared.taskforce.send_unsigned("POST", "/v1/requests", body, one) for one in (anothers, given, right, right)
    ]
    assert {answer.status_code for answer in sent} == {413}
    assert len(shared.views("a", "refusal")) == logged + 1


def test_an_authoriser_does_not_ask(shared: RequestScenario, hit_id: str) -> None:
    assert shared.ask("a", hit_id, as_name="authoriser").status_code == 403


def test_anothers_hit_looks_like_one_that_does_not_exist(shared: RequestScenario, hit_id: str) -> None:
    of_other, invented = (shared.ask("b", known) for known in (hit_id, uuid7()))
    assert (of_other.status_code, invented.status_code) == (404, 404)
    assert of_other.data == invented.data
    assert shared.views("b", "refusal")[-1]["reasons"] == [{"code": "unknown-hit", "field": "hit_id"}]


@pytest.mark.parametrize(("days", "rule"), [(-28, None), (-29, "notice-too-old"), (0, None), (1, "notice-not-prior")])
def test_a_notice_comes_first_and_not_long_before(scenario: RequestScenario, days: int, rule: str | None) -> None:
    hit_id = scenario.share("a", "b")
    given = notice(scenario.clock() + timedelta(days=days))
    answer = scenario.ask("a", hit_id, legal_gateway="POCA2002_s339ZB", condition=None, nca_notice=given)
    assert (answer.status_code == 201) if rule is None else (reasons_of(answer) == {rule})


def test_closed_cells_expired_rows_and_suspended_holders_end_a_hit(new_scenario: NewScenario) -> None:
    scenario = new_scenario()
    scenario.taskforce.state_group(["a", "b"], "cell")
    in_cell = scenario.share("a", "b", group="cell")
    assert scenario.ask("a", in_cell).status_code == 201
    scenario.taskforce.state_group(["a", "b"], "cell", state=GroupState.CLOSED)
    assert reasons_of(scenario.ask("a", in_cell)) == {"closed-group"}
    scenario.taskforce.state_group(["a", "b"], "cell", sunset=scenario.clock() - timedelta(seconds=1))
    assert reasons_of(scenario.ask("a", in_cell)) == {"closed-group"}
    scenario.token = make_token()
    shared = scenario.share("a", "c", expires_on="2027-05-02")
    scenario.taskforce.state_member(scenario["c"], MemberState.SUSPENDED)
    assert reasons_of(scenario.ask("a", shared)) == {"hit-ended"}
    scenario.clock.advance(days=200)  # type: ignore[attr-defined]
    assert reasons_of(scenario.ask("a", shared)) == {"row-ended"}


def test_with_the_log_down_nothing_is_asked(scenario: RequestScenario) -> None:
    hit_id = scenario.share("a", "b")
    with scenario.taskforce.database.transaction() as session:
        session.connection().exec_driver_sql("ALTER TABLE log_pending RENAME TO log_elsewhere")
    assert scenario.ask("a", hit_id).status_code == 503
    with scenario.taskforce.database.transaction() as session:
        session.connection().exec_driver_sql("ALTER TABLE log_elsewhere RENAME TO log_pending")
    assert scenario.listed("a") == scenario.listed("b") == []


def _stored(scenario: RequestScenario) -> int:
    with scenario.taskforce.database.reading() as session:
        counts = (
            session.scalar(select(func.count()).select_from(model)) for model in (InformationRequest, RequestPart)
        )
        return sum(count or 0 for count in counts)
