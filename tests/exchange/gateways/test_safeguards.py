"""Safeguards: tipping off, closed groups, the strictest handling."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.gateways.safeguards import decide_open_group, decide_texts
from exchange.membership.authority import Authority
from schemas.marking import marking_of_envelope, strictest
from schemas.submissions import SubmissionEnvelope
from schemas.terms import Classification, Handling, TrafficLight
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
