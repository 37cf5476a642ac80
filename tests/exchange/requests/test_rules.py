"""The rules of information requests by themselves: what is refused, under which code, at which field."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import msgspec
import pytest

from exchange.gateways.four_eyes import Preparer, SignatoryKind, decide_age, decide_preparer, decide_unprepared
from exchange.gateways.legal_gateway import GivenNotice, Signatory
from exchange.gateways.request_policy import RequestPolicy
from exchange.gateways.rules import Side
from exchange.kernel.decision import Decision
from exchange.requests.rules import (
    case_of,
    decide_answer,
    decide_cancelling,
    decide_codes,
    decide_own_rows,
    decide_provision,
    decide_take_up,
    texts_of,
)
from schemas.requests.messages import NewAnswer, RequestTerms
from schemas.terms import Role, Urgency
from schemas.values.identifiers import uuid7
from tests.taskforce.clock import NOW

HELD = "0190a1b2-c3d4-7e5f-8a6b-7c8d9e0f1a2b"
ASKER = Signatory("a/analyst", b"1" * 32)
_TERMS = {
    **{"request_id": uuid7(), "hit_id": uuid7(), "mode": "request", "legal_gateway": "DPA2018_Sch2", "condition": None},
    **{"purpose": "p", "necessity": "n", "proportionality": "q", "fields": ["reason", "contact"], "urgency": "24h"},
    **{"confirmations": [], "nca_notice": None},
}
_ANSWER = {
    **{"to": None, "outcome": "partial", "fields": ["reason"], "refusal_reason": None, "sealed": b"s" * 4096},
    **{"marking": None, "confirmations": [], "signature": bytes(64), "submissions": [HELD], "prepared": None},
}
_NOTHING: dict[str, Any] = {"fields": [], "sealed": None, "submissions": []}
_REFUSAL = {**_NOTHING, "outcome": "refused", "refusal_reason": "legal_bar"}


def terms_of(**changes: Any) -> RequestTerms:
    return msgspec.convert({**_TERMS, **changes}, RequestTerms)


def answer_of(**changes: Any) -> NewAnswer:
    return NewAnswer(**{**_ANSWER, **changes})


def refused(decision: Decision) -> list[tuple[str, str]]:
    """The codes of a decision, with their fields."""
    return [(reason.code, reason.field) for reason in decision.reasons]


@pytest.mark.parametrize(
    ("mode", "urgency", "wanted", "codes"),
    [
        ("request", "immediate", ["reason"], []),
        ("provide", "14d", ["reason", "narrative"], []),
        ("alert", "24h", ["reason", "contact"], []),
        ("ask", "24h", ["reason"], [("no-mode", "mode")]),
        ("request", "soon", ["reason"], [("no-urgency", "urgency")]),
        ("request", "24h", [], [("no-fields", "fields")]),
        ("request", "24h", ["reason", "reason"], [("fields", "fields")]),
        ("request", "24h", ["reason", "colour"], [("fields", "fields")]),
        ("alert", "24h", ["reason", "narrative"], [("fields", "fields")]),
        ("", "", [], [("no-mode", "mode"), ("no-urgency", "urgency"), ("no-fields", "fields")]),
    ],
)
def test_a_request_says_how_how_soon_and_which_fields(
    mode: str, urgency: str, wanted: list[str], codes: list[tuple[str, str]]
) -> None:
    decision = decide_codes(mode, urgency, wanted)
    assert refused(decision) == codes
    known = "reason, first_seen, last_seen, subject_role, contact"
    listed = [reason.detail for reason in decision.reasons if reason.code == "fields" and mode == "alert"]
    assert listed in ([], [f"each field once, of {known}"])


@pytest.mark.parametrize(
    ("has_row", "has_others", "codes"),
    [
        (True, True, []),
        (False, True, [("row-ended", "hit_id")]),
        (False, False, [("row-ended", "hit_id")]),
        (True, False, [("hit-ended", "hit_id")]),
    ],
)
def test_a_request_is_about_a_live_hit(has_row: bool, has_others: bool, codes: list[tuple[str, str]]) -> None:
    assert refused(decide_own_rows(has_row, has_others)) == codes


@pytest.mark.parametrize(
    ("state", "taken", "cancelled"),
    [
        ("open", [], []),
        ("waiting", [], [("waiting", "request_id")]),
        ("answered", [("second-answer", "request_id")], []),
        ("lapsed", [("lapsed", "request_id")], [("lapsed", "request_id")]),
        ("cancelled", [("cancelled", "request_id")], [("cancelled", "request_id")]),
    ],
)
def test_what_has_ended_is_neither_taken_up_nor_cancelled(
    state: str, taken: list[tuple[str, str]], cancelled: list[tuple[str, str]]
) -> None:
    assert refused(decide_take_up(state, has_overlap=True)) == taken
    assert refused(decide_take_up(state, has_overlap=False)) == [*taken, ("hit-ended", "request_id")]
    assert refused(decide_cancelling(state)) == cancelled


@pytest.mark.parametrize(
    ("changes", "codes"),
    [
        ({}, []),
        ({"outcome": "full", "fields": ["reason", "contact"]}, []),
        ({**_NOTHING, "outcome": "no_trace"}, []),
        (_REFUSAL, []),
        ({"to": "b"}, [("to", "to")]),
        ({"fields": ["reason", "reason"]}, [("fields", "fields")]),
        ({"fields": ["narrative"]}, [("fields", "fields")]),
        ({"fields": []}, [("fields", "fields")]),
        ({"sealed": None}, [("sealed", "sealed")]),
        ({"refusal_reason": "legal_bar"}, [("refusal-reason", "refusal_reason")]),
        ({**_REFUSAL, "refusal_reason": None}, [("refusal-reason", "refusal_reason")]),
        ({**_REFUSAL, "fields": ["reason"]}, [("fields", "fields")]),
        ({**_REFUSAL, "sealed": b"s"}, [("sealed", "sealed")]),
        ({**_REFUSAL, "submissions": [HELD]}, [("submissions", "submissions")]),
        ({"submissions": []}, [("submissions", "submissions")]),
        ({"submissions": [HELD, uuid7()]}, [("rows-changed", "submissions")]),
    ],
)
def test_an_answer_carries_what_its_outcome_says(changes: dict[str, Any], codes: list[tuple[str, str]]) -> None:
    answer, people = answer_of(**changes), ("b/authoriser", "b/authoriser")
    assert refused(decide_answer(answer, terms_of(), "open", *people, held={HELD})) == codes


def test_an_answer_is_given_by_whoever_took_it_up_while_rows_overlap() -> None:
    answer, terms = answer_of(), terms_of()
    for taken_up_by in (None, "b/other"):
        found = decide_answer(answer, terms, "open", taken_up_by, "b/authoriser", held={HELD})
        assert refused(found) == [("not-taken-up", "representative")]
    found = decide_answer(answer, terms, "lapsed", None, "b/authoriser", held={HELD})
    assert refused(found) == [("lapsed", "request_id")]
    found = decide_answer(answer, terms, "open", "b/authoriser", "b/authoriser", held=set())
    assert refused(found) == [("hit-ended", "request_id")]
    found = decide_answer(answer_of(**_REFUSAL), terms, "open", "b/authoriser", "b/authoriser", held=set())
    assert found.is_allowed, "who tells nothing needs no rows"


@pytest.mark.parametrize("mode", ["provide", "alert"])
def test_a_holder_only_refuses_an_offer_taken_up_or_not(mode: str) -> None:
    terms = terms_of(mode=mode)
    for taken_up_by in (None, "b/other"):
        assert decide_answer(answer_of(**_REFUSAL), terms, "open", taken_up_by, "b/authoriser", held=()).is_allowed
    for answer in (answer_of(), answer_of(**{**_NOTHING, "outcome": "no_trace"})):
        found = decide_answer(answer, terms, "open", "b/authoriser", "b/authoriser", held={HELD})
        assert refused(found) == [("offer", "outcome")]


@pytest.mark.parametrize(
    ("state", "changes", "codes"),
    [
        ("waiting", {}, []),
        (None, {}, [("not-taken-up", "to")]),
        ("answered", {}, [("second-answer", "request_id")]),
        ("waiting", _REFUSAL, [("offer", "outcome")]),
        ("waiting", {**_NOTHING, "outcome": "no_trace"}, [("offer", "outcome")]),
        ("waiting", {"submissions": [uuid7()]}, [("rows-changed", "submissions")]),
        ("waiting", {"fields": ["narrative"]}, [("fields", "fields")]),
    ],
)
def test_an_offer_is_released_to_who_took_it_up(
    state: str | None, changes: dict[str, Any], codes: list[tuple[str, str]]
) -> None:
    answer = answer_of(to="b", **changes)
    assert refused(decide_provision(answer, terms_of(mode="provide"), state, held={HELD})) == codes


@pytest.mark.parametrize(("mode", "offers"), [("request", False), ("provide", True), ("alert", True)])
def test_who_asks_is_to_receive_and_who_offers_to_disclose(mode: str, offers: bool) -> None:
    notice = {"reference": "NCA/1", "given_at": "2026-11-21T10:00:00.000Z"}
    terms = terms_of(mode=mode, nca_notice=notice, confirmations=["x"], condition="request")
    case = case_of(terms, ASKER, Side("a", "telecom"), NOW)
    assert (case.discloser, case.recipient) == (
        (Side("a", "telecom"), None) if offers else (None, Side("a", "telecom"))
    )
    assert (case.gateway, case.mode, case.condition, case.now) == ("DPA2018_Sch2", mode, "request", NOW)
    assert (case.purpose, case.necessity, case.proportionality) == ("p", "n", "q")
    assert (case.asker, case.confirmations) == (ASKER, frozenset({"x"}))
    assert case.notice == GivenNotice("NCA/1", NOW - timedelta(days=1))
    texts = {"purpose": "p", "necessity": "n", "proportionality": "q"}
    assert texts_of(terms) == {**texts, "nca_notice.reference": "NCA/1"}
    assert texts_of(terms_of()) == texts


@pytest.mark.parametrize(
    ("urgency", "minutes"), [("immediate", 60), ("24h", 24 * 60), ("48h", 48 * 60), ("14d", 14 * 24 * 60)]
)
def test_a_request_is_due_by_its_urgency_and_lapses_later(urgency: str, minutes: int) -> None:
    policy = RequestPolicy(immediate_minutes=60, grace_minutes=30)
    terms = terms_of(urgency=urgency)
    assert policy.urgency_minutes[Urgency(urgency)] == minutes
    assert policy.due_at(terms, NOW) == NOW + timedelta(minutes=minutes)
    assert policy.lapses_at(terms, NOW) == NOW + timedelta(minutes=30)


def test_a_request_is_due_before_its_notice_is_too_old() -> None:
    policy, given = RequestPolicy(grace_minutes=30), NOW - timedelta(days=20)
    written = given.strftime("%Y-%m-%dT%H:%M:%S.000Z")
    named = {"urgency": "14d", "nca_notice": {"reference": "NCA/1", "given_at": written}}
    assert policy.due_at(terms_of(**named), NOW) == NOW + timedelta(days=14), "the gateway asks for no notice"
    terms = terms_of(**named, legal_gateway="POCA2002_s339ZB")
    assert policy.due_at(terms, NOW) == given + timedelta(days=28)
    assert policy.lapses_at(terms, given + timedelta(days=28)) == given + timedelta(days=28)
    assert policy.due_at(terms_of(urgency="14d", legal_gateway="no such"), NOW) == NOW + timedelta(days=14)


_OTHER = Signatory("b/analyst", b"2" * 32)
_SENDER = Signatory("b/authoriser", b"3" * 32)
_PREPARER = Preparer(_OTHER, frozenset({Role.INVESTIGATOR}), is_active=True)


@pytest.mark.parametrize(
    ("preparer", "code"),
    [
        (_PREPARER, None),
        (Preparer(_OTHER, frozenset({Role.AUTHORISER, Role.SUBMITTER}), is_active=True), None),
        (None, "preparer"),
        (Preparer(_OTHER, frozenset({Role.INVESTIGATOR}), is_active=False), "preparer"),
        (Preparer(_OTHER, frozenset({Role.SUBMITTER}), is_active=True), "preparer-role"),
        (Preparer(_OTHER, frozenset(), is_active=True), "preparer-role"),
        (Preparer(_SENDER, frozenset({Role.INVESTIGATOR}), is_active=True), "same-preparer"),
        (Preparer(Signatory("b/x", _SENDER.public_key), frozenset(Role), is_active=True), "same-preparer"),
        (Preparer(Signatory(_SENDER.representative_id, b"4" * 32), frozenset(Role), is_active=True), "same-preparer"),
    ],
)
def test_another_person_with_another_key_prepares(preparer: Preparer | None, code: str | None) -> None:
    field = "prepared.representative_id"
    assert refused(decide_preparer(preparer, _SENDER)) == ([] if code is None else [(code, field)])


def test_a_signatory_that_is_no_person_prepares_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    system: Any = "system"
    preparer = Preparer(_OTHER, frozenset({Role.INVESTIGATOR}), is_active=True, kind=system)
    assert refused(decide_preparer(preparer, _SENDER)) == [("preparer-role", "prepared.representative_id")]
    assert _PREPARER.kind is SignatoryKind.PERSON


def test_what_nobody_prepared_is_refused_where_it_is_asked_for() -> None:
    assert decide_unprepared(is_wanted=False).is_allowed
    assert refused(decide_unprepared(is_wanted=True)) == [("not-prepared", "prepared")]


@pytest.mark.parametrize(
    ("ago", "is_timely"),
    [
        (timedelta(0), True),
        (timedelta(days=7), True),
        (timedelta(days=7, seconds=1), False),
        (timedelta(minutes=-5), True),
        (timedelta(minutes=-5, seconds=-1), False),
    ],
)
def test_what_was_prepared_is_sent_within_seven_days(ago: timedelta, is_timely: bool) -> None:
    codes = [] if is_timely else [("prepared-too-old", "prepared.prepared_at")]
    assert refused(decide_age(NOW - ago, NOW)) == codes
