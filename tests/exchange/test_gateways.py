"""The gateways' rules: no path to a release without gateway, purpose, necessity, proportionality and two people."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from string import Formatter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.domain.legal_gateway import (
    NOTICE_PLACEHOLDERS,
    QUERY,
    RULES,
    DisclosureCase,
    Person,
    PriorNotice,
    decide_asking,
    decide_disclosure,
    is_open_to,
)
from schemas.terms import EvidenceStandard, GatewayCondition, LegalGateway, MemberKind, RequestMode, Theme

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
MODES = (*RequestMode, QUERY)
EMPTY = st.sampled_from(["", " ", "\t\n", "  \n "])
SOMETHING = st.text("ab \n", min_size=1).filter(str.strip)
KINDS = st.sampled_from([kind.value for kind in MemberKind])
PEOPLE = st.builds(Person, st.sampled_from(["a/x", "a/y", "b/x"]), st.sampled_from([b"1" * 32, b"2" * 32, b"3" * 32]))
NOTICES = st.none() | st.builds(
    PriorNotice,
    SOMETHING | EMPTY,
    st.integers(-100, 100).map(lambda days: NOW + timedelta(days=days)),
)
CASES = st.builds(
    DisclosureCase,
    gateway=st.sampled_from(["", "consent", *(code.value for code in LegalGateway)]),
    mode=st.sampled_from(MODES),
    purpose=SOMETHING | EMPTY,
    necessity=SOMETHING | EMPTY,
    proportionality=SOMETHING | EMPTY,
    recipient_kind=KINDS,
    asker=PEOPLE,
    now=st.just(NOW),
    condition=st.sampled_from([None, *GatewayCondition]),
    notice=NOTICES,
    themes=st.frozensets(st.sampled_from([theme.value for theme in Theme]), max_size=3),
    standards=st.frozensets(st.sampled_from([standard.value for standard in EvidenceStandard]), max_size=2),
    discloser_kind=st.none() | KINDS,
    authoriser=st.none() | PEOPLE,
)


def right_case(gateway: LegalGateway) -> DisclosureCase:
    """A case that the gateway allows."""
    rule = RULES[gateway]
    pair = rule.parties[0]
    mode = RequestMode.REQUEST if RequestMode.REQUEST in rule.modes else min(rule.modes)
    return DisclosureCase(
        gateway=gateway.value,
        mode=mode,
        purpose="p",
        necessity="n",
        proportionality="q",
        recipient_kind=min(pair.recipients),
        asker=Person("a/analyst", b"1" * 32),
        now=NOW,
        condition=rule.conditions.get(mode),
        notice=None if rule.notice is None else PriorNotice("NCA/1", NOW - timedelta(days=1)),
        themes=frozenset({min(rule.themes).value}),
        standards=frozenset({EvidenceStandard.CONVICTION.value}),
        discloser_kind=min(pair.disclosers),
        authoriser=Person("b/authoriser", b"2" * 32),
    )


@given(CASES)
def test_nothing_is_released_without_gateway_purpose_necessity_proportionality_and_two_people(
    case: DisclosureCase,
) -> None:
    if not decide_disclosure(case).is_allowed:
        return
    rule = RULES[LegalGateway(case.gateway)]
    assert all(text.strip() for text in (case.purpose, case.necessity, case.proportionality))
    assert case.authoriser is not None
    assert case.authoriser.representative_id != case.asker.representative_id
    assert case.authoriser.public_key != case.asker.public_key
    assert case.discloser_kind is not None
    assert is_open_to(case.gateway, case.discloser_kind, case.recipient_kind)
    assert case.mode in rule.modes
    assert case.condition == rule.conditions.get(case.mode)
    if rule.notice is not None:
        assert case.notice is not None
        assert case.notice.reference.strip()
        assert timedelta(0) <= NOW - case.notice.given_at <= timedelta(days=rule.notice.within_days)
    if case.gateway == LegalGateway.TACT2000_S21CA:
        assert Theme.TERRORIST_FINANCE in case.themes


@given(CASES)
def test_what_may_be_released_may_be_asked_for(case: DisclosureCase) -> None:
    assert decide_asking(case).is_allowed or not decide_disclosure(case).is_allowed


@pytest.mark.parametrize("gateway", LegalGateway)
def test_every_gateway_has_a_way_through(gateway: LegalGateway) -> None:
    """Rules that refuse everything would satisfy the other tests."""
    assert decide_disclosure(right_case(gateway)).reasons == ()


MISSING: list[tuple[str, str, dict[str, Any]]] = [
    ("no-gateway", "legal_gateway", {"gateway": ""}),
    ("no-gateway", "legal_gateway", {"gateway": "ECCTA2023_S188"}),
    ("no-purpose", "purpose", {"purpose": ""}),
    ("no-necessity", "necessity", {"necessity": " "}),
    ("no-proportionality", "proportionality", {"proportionality": "\n"}),
    ("no-discloser", "discloser", {"discloser_kind": None}),
    ("no-authoriser", "authoriser", {"authoriser": None}),
    ("same-person", "representative", {"authoriser": Person("a/analyst", b"2" * 32)}),
    ("same-person", "representative", {"authoriser": Person("b/authoriser", b"1" * 32)}),
    ("gateway-kind", "legal_gateway", {"recipient_kind": ""}),
]


@pytest.mark.parametrize("gateway", LegalGateway)
@pytest.mark.parametrize(("rule", "field", "changes"), MISSING)
def test_what_is_missing_is_named_by_rule_and_field(
    gateway: LegalGateway, rule: str, field: str, changes: dict[str, Any]
) -> None:
    decision = decide_disclosure(replace(right_case(gateway), **changes))
    assert (rule, field) in {(reason.code, reason.field) for reason in decision.reasons}
    assert all(reason.detail for reason in decision.reasons)


def test_a_refusal_says_which_gateways_are_open_instead() -> None:
    case = replace(right_case(LegalGateway.CCA2013_S7), recipient_kind="financial_institution")
    (reason,) = decide_asking(case).reasons
    assert reason.code == "gateway-kind"
    assert "ECCTA2023_s188" in reason.detail
    assert "CCA2013_s7" not in reason.detail


def test_only_police_may_be_disclosed_to_under_the_section_about_the_nca() -> None:
    kinds = [kind for kind in MemberKind if is_open_to("CCA2013_s7", "financial_institution", kind)]
    assert kinds == [MemberKind.LAW_ENFORCEMENT]


@pytest.mark.parametrize("gateway", [code for code, rule in RULES.items() if rule.notice is not None])
def test_a_notice_leaves_exactly_the_places_that_are_named_to_be_filled_in(gateway: LegalGateway) -> None:
    notice = RULES[gateway].notice
    assert notice is not None
    places = {name for _, name, _, _ in Formatter().parse(notice.template) if name is not None}
    assert places == set(NOTICE_PLACEHOLDERS)
    filled = notice.template.format(**{name: f"<{name}>" for name in NOTICE_PLACEHOLDERS})
    assert notice.addressee in filled
    assert f"within {notice.within_days} days" in filled
