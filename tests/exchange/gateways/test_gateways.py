"""The gateways' rules: no path to a release without gateway, purpose, necessity, proportionality and two people."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from string import Formatter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.gateways.legal_gateway import (
    DisclosureCase,
    GivenNotice,
    Signatory,
    decide_asking,
    decide_disclosure,
    decide_gateway,
    decide_taking_up,
    is_open_to,
)
from exchange.gateways.rules import NCA, NOTICE_PLACEHOLDERS, QUERY, RULES, GatewayRule, Parties, Side
from schemas.terms import EvidenceStandard, GatewayCondition, LegalGateway, MemberKind, RequestMode, Theme

NOW = datetime(2026, 11, 22, 10, tzinfo=UTC)
MODES = (*RequestMode, QUERY)
EMPTY = st.sampled_from(["", " ", "\t\n", "  \n "])
SOMETHING = st.text("ab \n", min_size=1).filter(str.strip)
KINDS = st.sampled_from([kind.value for kind in MemberKind])
SIDES = st.builds(Side, st.sampled_from([NCA, "met", "a"]), KINDS)
CODES = sorted({code for rule in RULES.values() for one in rule.confirmations for code in one.codes})
PEOPLE = st.builds(
    Signatory, st.sampled_from(["a/x", "a/y", "b/x"]), st.sampled_from([b"1" * 32, b"2" * 32, b"3" * 32])
)
NOTICES = st.none() | st.builds(
    GivenNotice,
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
    recipient=st.none() | SIDES,
    asker=PEOPLE,
    now=st.just(NOW),
    condition=st.sampled_from([None, *GatewayCondition]),
    notice=NOTICES,
    themes=st.frozensets(st.sampled_from([theme.value for theme in Theme]), max_size=3),
    standards=st.frozensets(st.sampled_from([standard.value for standard in EvidenceStandard]), max_size=2),
    confirmations=st.frozensets(st.sampled_from(CODES)),
    discloser=st.none() | SIDES,
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
        recipient=Side(NCA, min(pair.recipients)),
        asker=Signatory("a/analyst", b"1" * 32),
        now=NOW,
        condition=rule.conditions.get(mode),
        notice=None if rule.notice is None else GivenNotice("NCA/1", NOW - timedelta(days=1)),
        themes=frozenset({min(rule.themes).value}),
        standards=frozenset({EvidenceStandard.CONVICTION.value}),
        confirmations=frozenset(one.codes[0] for one in rule.required_confirmations(rule.conditions.get(mode))),
        discloser=Side("b", min(pair.disclosers)),
        authoriser=Signatory("b/authoriser", b"2" * 32),
    )


@given(CASES)
def test_a_release_needs_a_gateway_all_grounds_and_two_people(
    case: DisclosureCase,
) -> None:
    """The grounds are purpose, necessity, proportionality and whatever the gateway asks for."""
    if not decide_disclosure(case).is_allowed:
        return
    rule = RULES[LegalGateway(case.gateway)]
    assert all(text.strip() for text in (case.purpose, case.necessity, case.proportionality))
    assert case.authoriser is not None
    assert case.authoriser.representative_id != case.asker.representative_id
    assert case.authoriser.public_key != case.asker.public_key
    assert case.discloser is not None
    assert case.recipient is not None
    assert is_open_to(case.gateway, case.discloser, case.recipient)
    assert rule.recipients is None or case.recipient.member_id in rule.recipients
    assert all(case.confirmations & set(one.codes) for one in rule.required_confirmations(case.condition))
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
    ("no-discloser", "discloser", {"discloser": None}),
    ("no-recipient", "recipient", {"recipient": None}),
    ("no-authoriser", "authoriser", {"authoriser": None}),
    ("same-person", "representative", {"authoriser": Signatory("a/analyst", b"2" * 32)}),
    ("same-person", "representative", {"authoriser": Signatory("b/authoriser", b"1" * 32)}),
    ("gateway-kind", "legal_gateway", {"recipient": Side(NCA, "")}),
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
    case = replace(right_case(LegalGateway.CCA2013_S7), recipient=Side("a", "financial_institution"))
    (reason,) = decide_asking(case).reasons
    assert reason.code == "gateway-kind"
    assert "ECCTA2023_s188" in reason.detail
    assert "CCA2013_s7" not in reason.detail


def test_only_police_may_be_disclosed_to_under_the_section_about_the_nca() -> None:
    bank = Side("a", "financial_institution")
    kinds = [kind for kind in MemberKind if is_open_to("CCA2013_s7", bank, Side(NCA, kind))]
    assert kinds == [MemberKind.LAW_ENFORCEMENT]


def test_other_police_are_pointed_from_section_7_to_their_gateway() -> None:
    """The operator is pointed to the setting that names further recipients."""
    case = replace(right_case(LegalGateway.CCA2013_S7), recipient=Side("met", MemberKind.LAW_ENFORCEMENT))
    assert {reason.code for reason in decide_disclosure(case).reasons} == {"gateway-recipient", "gateway-parties"}
    (reason,) = decide_asking(replace(case, discloser=None)).reasons
    assert all(word in reason.detail for word in ("DPA2018_Sch2", "gateways_file", "recipients"))
    named = {**RULES, LegalGateway.CCA2013_S7: replace(RULES[LegalGateway.CCA2013_S7], recipients=frozenset({"met"}))}
    assert decide_disclosure(case, named).is_allowed


def test_who_asks_confirms_nothing_for_the_one_who_is_to_disclose() -> None:
    case = right_case(LegalGateway.POCA2002_S339ZB)
    asking = replace(case, discloser=None, authoriser=None)
    (reason,) = decide_asking(asking).reasons
    assert reason.code == "confirmation"
    assert "whoever discloses confirms that, with the answer" in reason.detail
    assert decide_asking(replace(asking, confirmations=frozenset())).is_allowed
    refused = decide_disclosure(replace(case, confirmations=frozenset({"regulated_sector"})))
    assert [reason.code for reason in refused.reasons] == ["no-confirmation"]
    assert "will_or_may_assist" in refused.reasons[0].detail


@pytest.mark.parametrize("mode", [RequestMode.PROVIDE, RequestMode.ALERT])
def test_a_warning_under_section_188_wants_the_decision_that_it_warns_of(mode: RequestMode) -> None:
    warning = replace(
        right_case(LegalGateway.ECCTA2023_S188), mode=mode, condition=GatewayCondition.WARNING, recipient=None
    )
    assert {reason.code for reason in decide_asking(warning).reasons} == {"no-confirmation"}
    assert decide_asking(replace(warning, confirmations=frozenset({"safeguarding_action"}))).is_allowed


def test_section_189_needs_a_decision_an_agreement_and_no_privilege() -> None:
    case = right_case(LegalGateway.ECCTA2023_S189)
    assert len(decide_disclosure(replace(case, confirmations=frozenset())).reasons) == 3
    for decided in ("decided_to_end", "decided_to_refuse", "decided_to_restrict"):
        said = frozenset({decided, "intermediary_agreement", "no_privileged_material"})
        assert decide_disclosure(replace(case, confirmations=said)).is_allowed


@pytest.mark.parametrize("gateway", [code for code, rule in RULES.items() if rule.notice is not None])
def test_a_notice_leaves_exactly_the_places_that_are_named_to_be_filled_in(gateway: LegalGateway) -> None:
    notice = RULES[gateway].notice
    assert notice is not None
    places = {name for _, name, _, _ in Formatter().parse(notice.template) if name is not None}
    assert places == set(NOTICE_PLACEHOLDERS)
    filled = notice.template.format(**{name: f"<{name}>" for name in NOTICE_PLACEHOLDERS})
    assert notice.addressee in filled
    assert f"within {notice.within_days} days" in filled


POCA, S188, S189, SCA = (
    *(LegalGateway.POCA2002_S339ZB, LegalGateway.ECCTA2023_S188),
    *(LegalGateway.ECCTA2023_S189, LegalGateway.SCA2007_S68),
)
_SECOND = timedelta(seconds=1)


def noticed(reference: str, ago: timedelta) -> dict[str, Any]:
    return {"notice": GivenNotice(reference, NOW - ago)}


@pytest.mark.parametrize(
    ("gateway", "changes", "codes"),
    [
        (POCA, {"notice": None}, [("no-prior-notice", "nca_notice")]),
        (POCA, noticed(" ", timedelta(days=1)), [("no-prior-notice", "nca_notice")]),
        (POCA, noticed("NCA/1", timedelta()), []),
        (POCA, noticed("NCA/1", -_SECOND), [("notice-not-prior", "nca_notice.given_at")]),
        (POCA, noticed("NCA/1", timedelta(days=28)), []),
        (POCA, noticed("NCA/1", timedelta(days=28) + _SECOND), [("notice-too-old", "nca_notice.given_at")]),
        (POCA, {"confirmations": frozenset()}, [("no-confirmation", "confirmations")] * 2),
        (SCA, {"confirmations": frozenset({"regulated_sector"})}, [("confirmation", "confirmations")]),
        (S188, {"condition": None}, [("no-condition", "condition")]),
        (SCA, {"condition": GatewayCondition.REQUEST}, [("gateway-condition", "condition")]),
        (SCA, {"mode": QUERY}, [("gateway-mode", "mode")]),
        (SCA, {"themes": frozenset({"terrorist_finance"})}, [("gateway-theme", "theme")]),
        (SCA, {"themes": frozenset({"terrorist_finance", "fraud"})}, []),
        (S189, {"standards": frozenset({"suspicion"})}, [("gateway-evidence", "evidence_standard")]),
        (
            S188,
            {"recipient": Side("x", "telecom")},
            [("gateway-kind", "legal_gateway"), ("gateway-parties", "legal_gateway")],
        ),
        (
            S188,
            {"discloser": Side("x", "telecom")},
            [("gateway-kind", "legal_gateway"), ("gateway-parties", "legal_gateway")],
        ),
    ],
)
def test_each_rule_of_a_gateway_refuses_by_code_and_field(
    gateway: LegalGateway, changes: dict[str, Any], codes: list[tuple[str, str]]
) -> None:
    decision = decide_disclosure(replace(right_case(gateway), **changes))
    assert [(reason.code, reason.field) for reason in decision.reasons] == codes
    if "recipient" not in changes:  # who asks is shown its own side alone
        asked = decide_asking(replace(right_case(gateway), **changes))
        assert [(reason.code, reason.field) for reason in asked.reasons] == [
            one for one in codes if one != ("gateway-parties", "legal_gateway")
        ]


def test_a_condition_is_the_one_of_its_mode() -> None:
    (reason,) = decide_asking(
        replace(right_case(S188), condition=GatewayCondition.WARNING, confirmations=frozenset({"safeguarding_action"}))
    ).reasons
    assert (reason.code, reason.field) == ("gateway-condition", "condition")


def test_what_was_judged_before_is_not_judged_again() -> None:
    case = replace(right_case(SCA), purpose="", necessity="", proportionality="")
    assert decide_disclosure(replace(case, is_stated_before=True)).is_allowed
    assert len(decide_disclosure(case).reasons) == 3


@pytest.mark.parametrize(
    ("gateway", "kind", "theme", "standard", "codes"),
    [
        (S189, "financial_institution", "fraud", "reasonable_grounds", []),
        (S189, "financial_institution", "fraud", "suspicion", [("gateway-evidence", "evidence_standard")]),
        (S189, "financial_institution", "fraud", None, [("gateway-evidence", "legal_gateway")]),
        (SCA, "telecom", "fraud", None, []),
        (SCA, "telecom", "ransomware", "suspicion", [("gateway-theme", "theme")]),
        (S188, "telecom", "fraud", "suspicion", [("gateway-kind", "legal_gateway")]),
    ],
)
def test_a_submission_is_refused_by_the_gateway_at_its_field(
    gateway: LegalGateway, kind: str, theme: str, standard: str | None, codes: list[tuple[str, str]]
) -> None:
    for purpose, before in (("p", []), (" ", [("no-purpose", "purpose")])):
        reasons = decide_gateway(gateway, purpose, kind, theme, standard).reasons
        assert [(reason.code, reason.field) for reason in reasons] == [*before, *codes]


def test_whoever_takes_up_is_one_of_the_parties() -> None:
    case = replace(right_case(S188), discloser=None, authoriser=None, confirmations=frozenset())
    bank, telecom = Side("b", "financial_institution"), Side("t", "telecom")
    assert decide_taking_up(case, bank, bank).is_allowed
    for pair in ((bank, telecom), (telecom, bank)):
        (reason,) = decide_taking_up(case, *pair).reasons
        assert (reason.code, reason.field) == ("gateway-parties", "legal_gateway")


def test_of_several_pairs_of_parties_one_is_enough() -> None:
    banks, police, telecoms = (
        frozenset({kind}) for kind in (MemberKind.FINANCIAL_INSTITUTION, MemberKind.LAW_ENFORCEMENT, MemberKind.TELECOM)
    )
    rule = GatewayRule("An Act", parties=(Parties(banks, police), Parties(telecoms, banks)))
    bank, agency, telecom = (Side("x", min(kinds)) for kinds in (banks, police, telecoms))
    assert [rule.has_recipient(side) for side in (bank, agency, telecom)] == [True, True, False]
    assert [rule.has_discloser(side) for side in (bank, agency, telecom)] == [True, False, True]
    pairs = ((bank, agency), (telecom, bank), (bank, bank), (telecom, agency))
    assert [rule.is_open(*pair) for pair in pairs] == [True, True, False, False]
