"""The pure rules: what is shown of an overlap, markings, gateways, dates."""

from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.gateways.legal_gateway import decide_gateway
from exchange.gateways.rules import RULES
from exchange.indicators.matching import Holding, band_of, see_overlaps
from exchange.membership.authority import Authority
from exchange.submissions.rules import last_day_allowed
from schemas.marking import Marking, strictest
from schemas.terms import Classification, Handling, LegalGateway, MemberKind, TrafficLight

TOKEN = bytes(32)
MEMBERS = tuple("abcdefg")
GROUPS = ("all", "cell")
SECTORS = ("banking", "payments")


def hold(member_id: str, group_id: str = "all", **changes: str) -> Holding:
    """A row on the one token."""
    row = {"indicator_type": "iban", "theme": "fraud", "first_seen": "2026-10-05", **changes}
    return Holding(TOKEN, group_id, member_id, row["indicator_type"], row["theme"], row["first_seen"])


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[Holding], Authority]:
    """Some members in two groups, and some of their rows, also of members that have left."""
    sectors = {member_id: draw(st.sampled_from(SECTORS)) for member_id in MEMBERS}
    groups = {group_id: draw(st.sets(st.sampled_from(MEMBERS))) for group_id in GROUPS}
    pairs = draw(st.sets(st.tuples(st.sampled_from(MEMBERS), st.sampled_from(GROUPS))))
    return [hold(*pair, theme=f"theme-{pair[0]}") for pair in sorted(pairs)], Authority.of(groups, sectors)


@given(worlds(), st.sampled_from(MEMBERS))
def test_a_member_sees_the_active_holders_in_groups_of_its_own_row(
    world: tuple[list[Holding], Authority], member_id: str
) -> None:
    rows, authority = world
    others = {
        row.member_id
        for group_id in GROUPS
        if authority.is_in(group_id, member_id) and hold(member_id, group_id, theme=f"theme-{member_id}") in rows
        for row in rows
        if row.group_id == group_id and row.member_id != member_id and authority.is_in(group_id, row.member_id)
    }
    overlap = see_overlaps(rows, authority).get(member_id)
    assert (overlap is None) == (not others)
    if overlap is not None:
        assert overlap.institutions == band_of(len(others))


@given(worlds(), st.sampled_from(MEMBERS))
def test_a_row_shows_nothing_without_three_members_of_its_sector(
    world: tuple[list[Holding], Authority], member_id: str
) -> None:
    rows, authority = world
    overlap = see_overlaps(rows, authority).get(member_id)
    if overlap is None:
        return
    allowed = {
        row.theme
        for row in rows
        if sum(authority.sectors[other] == authority.sectors[row.member_id] for other in authority.groups[row.group_id])
        >= 3
    }
    assert set(overlap.themes) <= allowed | {"other"}
    assert f"theme-{member_id}" not in overlap.themes
    if set(overlap.themes) == {"other"}:
        assert (overlap.sectors, overlap.first_seen) == (["other"], "other")


def test_the_earliest_month_of_others_is_shown_and_never_ones_own() -> None:
    authority = Authority.of({"all": "abc"}, dict.fromkeys("abc", "banking"))
    rows = [hold("a", first_seen="2020-01-01"), hold("b", first_seen="2026-10-31"), hold("c", first_seen="2026-09-01")]
    overlap = see_overlaps(rows, authority).get("a")
    assert overlap is not None
    assert overlap.first_seen == "2026-09"


def marked(classification: Classification, tlp: TrafficLight, handling: Handling) -> Marking:
    """A marking without conditions."""
    return Marking(classification=classification, tlp=tlp, handling=handling, conditions="", protected_subject=False)


def test_the_most_restrictive_marking_wins() -> None:
    first = marked(Classification.OFFICIAL, TrafficLight.RED, Handling.PERMITTED)
    second = marked(Classification.OFFICIAL_SENSITIVE, TrafficLight.GREEN, Handling.CONDITIONS)
    wanted = marked(Classification.OFFICIAL_SENSITIVE, TrafficLight.RED, Handling.CONDITIONS)
    assert strictest([first, second]) == strictest([second, first]) == wanted


def test_every_gateway_has_a_rule_and_regulated_ones_exclude_others() -> None:
    assert set(RULES) == set(LegalGateway)
    for gateway in ("POCA2002_s339ZB", "ECCTA2023_s188", "ECCTA2023_s189"):
        standard = "reasonable_grounds"
        assert decide_gateway(gateway, "purpose", "financial_institution", "fraud", standard).is_allowed
        for kind in set(MemberKind) - {MemberKind.FINANCIAL_INSTITUTION}:
            decision = decide_gateway(gateway, "purpose", kind, "fraud", standard)
            assert [reason.code for reason in decision.reasons] == ["gateway-kind"]


@pytest.mark.parametrize("gateway", ["", "CCA2013_S7", "consent"])
def test_an_unknown_gateway_means_no(gateway: str) -> None:
    decision = decide_gateway(gateway, "purpose", "financial_institution", "fraud", "suspicion")
    assert [reason.code for reason in decision.reasons] == ["no-gateway"]


def test_a_leap_day_has_a_last_day_too() -> None:
    assert last_day_allowed(date(2028, 2, 29)) == date(2034, 2, 28)
    assert last_day_allowed(date(2026, 11, 22)) == date(2032, 11, 22)
