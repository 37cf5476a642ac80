"""Safeguards: tipping off, closed groups, the strictest handling."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marshmallow import ValidationError

from exchange.gateways.handling import decide_marking
from exchange.gateways.safeguards import decide_marking_given, decide_open_group, decide_release, decide_texts
from exchange.membership.authority import Authority
from schemas.marking import Marking, is_laxer, marking_of_envelope, strictest
from schemas.submissions import SubmissionEnvelope
from schemas.terms import Classification, Handling, TrafficLight
from schemas.values.derived import schema_of
from schemas.values.tipping_off import find_tipping_off
from tests.exchange.factories import stated_envelope


@pytest.mark.parametrize(
    "text",
    [
        "we filed a SAR last week",
        "two SARs are open",
        "the S.A.R. of May",
        "see s-a-r 12",
        "joint super-SAR",
        "Suspicious  Activity Reports were made",
        "suspicious\ntransaction report",
        "we asked for a DAML",
        "defence against money laundering",
        "the consent regime applies",
        "NCA consent is awaited",
        "in the moratorium period",
        "an authorised disclosure was made",
        "ＳＡＲ",
        "S\u200bAR",
        "sent through goAML",
        "we reported him to the NCA",
        "reported to our MLRO in May",
        "our MLRO has reported it",
        "an STR was filed",
        "we filed an STR",
        "a required disclosure was made",
    ],
)
def test_text_that_tells_of_a_report_is_refused_and_not_quoted(text: str) -> None:
    (reason,) = decide_texts({"purpose": "fraud", "necessity": f"Quentin: {text}"}).reasons
    assert (reason.code, reason.field) == ("tipping-off", "necessity")
    assert "Quentin" not in reason.detail


@pytest.mark.parametrize(
    "text",
    [
        "paid from the Hong Kong SAR",
        "a required disclosure under FATCA",
        "Str. des 17. Juni 5",
        "reported by the customer",
        "Sarah of Sarajevo",
        "Kansas arrears",
        "an activity report on sales",
        "the customer's consent",
        "salary",
        "",
    ],
)
def test_text_about_other_things_passes(text: str) -> None:
    assert decide_texts({"purpose": text, "note": None}).is_allowed


@given(before=st.text(max_size=30), after=st.text(max_size=30))
def test_words_around_do_not_hide_a_report(before: str, after: str) -> None:
    assert find_tipping_off(f"{before} SAR {after}") is not None


def test_only_members_share_in_a_group_and_nobody_in_a_closed_one() -> None:
    authority = Authority.of({"open": ["a"]}, {"a": "banking"})
    assert decide_open_group(["closed", "open"], "a", authority).is_allowed
    for groups, member_id in ((["closed"], "a"), (["open"], "b"), ([], "a")):
        (reason,) = decide_open_group(groups, member_id, authority).reasons
        assert reason.code == "closed-group"


_ENVELOPES = st.fixed_dictionaries(
    {
        "classification": st.sampled_from(list(Classification)),
        "tlp": st.sampled_from(list(TrafficLight)),
        "handling": st.sampled_from(list(Handling)),
        "conditions": st.sampled_from(["", "ask first", "no onward sharing"]),
    }
).map(lambda fields: stated_envelope(**fields))


@given(st.lists(_ENVELOPES, min_size=1, max_size=4))
def test_the_strictest_handling_covers_that_of_every_row(
    rows: list[SubmissionEnvelope],
) -> None:
    found = strictest(map(marking_of_envelope, rows))
    for row in rows:
        assert list(TrafficLight).index(TrafficLight(found.tlp)) <= list(TrafficLight).index(TrafficLight(row.tlp))
        assert found.handling == "C" or row.handling == "P"
        assert (row.conditions or "") in found.conditions
    assert found.classification in {row.classification for row in rows}


def marked(classification: str = "OFFICIAL", tlp: str = "AMBER", handling: str = "P", conditions: str = "") -> Marking:
    return Marking(
        classification=Classification(classification),
        tlp=TrafficLight(tlp),
        handling=Handling(handling),
        conditions=conditions,
        protected_subject=False,
    )


@pytest.mark.parametrize(
    ("marking", "confirmations", "codes"),
    [
        (marked(), [], []),
        (marked(tlp="AMBER+STRICT"), [], []),
        (marked(tlp="RED"), [], ["tlp-red"]),
        (marked(tlp="RED"), ["tlp-red"], []),
        (marked(handling="C"), ["tlp-red"], ["handling-conditions"]),
        (marked(handling="C"), ["conditions"], []),
        (marked(tlp="RED", handling="C"), [], ["tlp-red", "handling-conditions"]),
    ],
)
def test_what_is_red_or_conditional_is_released_when_confirmed(
    marking: Marking, confirmations: list[str], codes: list[str]
) -> None:
    reasons = decide_release(marking, confirmations).reasons
    assert [(reason.code, reason.field) for reason in reasons] == [(code, "confirmations") for code in codes]


@pytest.mark.parametrize(
    ("given_one", "least", "laxer"),
    [
        (marked(), marked(), False),
        (marked(tlp="RED"), marked(), False),
        (marked(tlp="GREEN"), marked(), True),
        (marked(), marked("OFFICIAL-SENSITIVE"), True),
        (marked(), marked(handling="C"), True),
        (marked(conditions="ask first"), marked(conditions="ask first\nno copies"), True),
        (marked(conditions="ask first\nno copies"), marked(conditions="no copies"), False),
    ],
)
def test_a_marking_is_as_strict_as_its_rows_call_for(given_one: Marking, least: Marking, laxer: bool) -> None:
    assert is_laxer(given_one, least) is laxer
    codes = [(reason.code, reason.field) for reason in decide_marking_given(given_one, least).reasons]
    assert codes == ([("marking", "marking")] if laxer else [])
    assert not decide_marking_given(None, least).is_allowed


@pytest.mark.parametrize(
    ("classification", "handling", "conditions", "codes"),
    [
        ("OFFICIAL", "P", "", []),
        ("OFFICIAL-SENSITIVE", "C", "ask first", []),
        ("SECRET", "P", "", [("classification", "classification")]),
        ("OFFICIAL", "C", " ", [("no-conditions", "conditions")]),
    ],
)
def test_nothing_above_the_highest_classification_is_held(
    classification: str, handling: str, conditions: str, codes: list[tuple[str, str]]
) -> None:
    reasons = decide_marking(classification, handling, conditions).reasons
    assert [(reason.code, reason.field) for reason in reasons] == codes


@pytest.mark.parametrize(("role", "protected"), [("victim", True), ("mule_unwitting", True), ("suspect", False)])
def test_a_victim_among_the_rows_protects_the_subject(role: str, protected: bool) -> None:
    victim, suspect = (marking_of_envelope(stated_envelope(subject_role=one)) for one in (role, "suspect"))
    assert victim.protected_subject is protected
    assert strictest([suspect, victim]).protected_subject is protected


def test_conditions_are_listed_once_a_line_each() -> None:
    lines = [marked(conditions="ask first\n\n no copies "), marked(conditions="no copies\ncall us")]
    assert strictest(lines).conditions == "ask first\nno copies\ncall us"
    assert marking_of_envelope(stated_envelope(conditions=" ask first\n")).conditions == "ask first"


def test_a_text_that_tells_of_a_report_is_refused_at_its_field() -> None:
    (reason,) = decide_texts({"purpose": "fraud", "necessity": "we filed a SAR", "conditions": None}).reasons
    assert (reason.code, reason.field) == ("tipping-off", "necessity")


def test_conditions_of_many_rows_are_read_up_to_a_bound() -> None:
    fields = msgspec.to_builtins(marked())
    assert schema_of(Marking)().load({**fields, "conditions": "x" * 65_536}).conditions == "x" * 65_536
    with pytest.raises(ValidationError, match="conditions"):
        schema_of(Marking)().load({**fields, "conditions": "x" * 65_537})
