"""The pure rules: what is shown of an overlap, markings, gateways, dates."""

from __future__ import annotations

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.gateways.legal_gateway import decide_gateway
from exchange.gateways.rules import RULES
from exchange.indicators.matching import Holding, band_of, see_overlaps
from exchange.membership.authority import Authority
from exchange.submissions.rules import (
    decide_dates,
    decide_epoch,
    decide_relisting,
    decide_submission,
    last_day_allowed,
)
from exchange.submissions.slices import end_of_slice, max_holders
from schemas.marking import Marking, strictest
from schemas.terms import Classification, Handling, LegalGateway, MemberKind, TrafficLight
from tests.exchange.decisions import codes_of
from tests.exchange.factories import stated_envelope

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


AUTHORITY = Authority.of({"g": ["a", "b"]}, {"a": "banking", "b": "banking"})
TODAY = date(2026, 11, 22)


@pytest.mark.parametrize(
    ("review_by", "expires_on", "codes"),
    [
        (date(2026, 11, 22), date(2026, 11, 22), []),
        (date(2032, 11, 22), date(2032, 11, 22), []),
        (date(2026, 11, 22), date(2032, 11, 23), [("expiry-too-late", "expires_on")]),
        (date(2026, 11, 21), date(2026, 11, 21), [("expired", "expires_on"), ("review-passed", "review_by")]),
        (date(2026, 12, 2), date(2026, 12, 1), [("review-too-late", "review_by")]),
        (date(2026, 11, 21), date(2026, 12, 1), [("review-passed", "review_by")]),
    ],
)
def test_a_review_comes_from_today_to_the_expiry(
    review_by: date, expires_on: date, codes: list[tuple[str, str]]
) -> None:
    assert codes_of(decide_dates(review_by, expires_on, TODAY)) == codes


@pytest.mark.parametrize(
    ("epoch", "normalisation", "epochs", "codes"),
    [
        (2, "n1", {1: "n1", 2: "n1"}, []),
        (3, "n1", {1: "n1", 2: "n1"}, [("epoch", "epoch")]),
        (1, "n2", {1: "n1"}, [("normalisation", "normalisation")]),
        (1, "n1", {}, [("epoch", "epoch")]),
    ],
)
def test_tokens_are_of_an_epoch_in_use_and_its_normalisation(
    epoch: int, normalisation: str, epochs: dict[int, str], codes: list[tuple[str, str]]
) -> None:
    decision = decide_epoch(epoch, normalisation, epochs)
    assert codes_of(decision) == codes
    if codes == [("epoch", "epoch")]:
        assert decision.reasons[0].detail == ("use epoch 2" if epochs else "no key epoch is in use yet")


@pytest.mark.parametrize(("reason", "is_allowed"), [(None, True), ("why", True), ("", False), (" \n", False)])
def test_listing_again_says_why(reason: str | None, is_allowed: bool) -> None:
    assert codes_of(decide_relisting(reason)) == ([] if is_allowed else [("relist-reason", "relist")])


@pytest.mark.parametrize(
    ("changes", "relist", "codes"),
    [
        ({}, None, []),
        ({"group": "h"}, None, [("group", "group")]),
        ({"epoch": 7}, None, [("epoch", "epoch")]),
        ({"purpose": " "}, None, [("no-purpose", "purpose")]),
        ({"legal_gateway": "none"}, None, [("no-gateway", "legal_gateway")]),
        ({"handling": "C", "conditions": " "}, None, [("no-conditions", "conditions")]),
        ({"classification": "SECRET"}, None, [("classification", "classification")]),
        ({"expires_on": "2026-11-21"}, None, [("expired", "expires_on"), ("review-too-late", "review_by")]),
        ({}, " ", [("relist-reason", "relist")]),
        ({"purpose": "we filed a SAR"}, None, [("tipping-off", "purpose")]),
        ({"conditions": "we filed a SAR"}, None, [("tipping-off", "conditions")]),
        ({}, "we filed a SAR", [("tipping-off", "relist")]),
    ],
)
def test_an_envelope_is_refused_by_every_rule(
    changes: dict[str, Any], relist: str | None, codes: list[tuple[str, str]]
) -> None:
    made = stated_envelope(**{"group": "g", **changes})
    facts: dict[str, Any] = {"member_id": "a", "kind": "financial_institution", "authority": AUTHORITY}
    assert codes_of(decide_submission(made, **facts, epochs={1: "n1"}, today=TODAY, relist=relist)) == codes
    if not changes:
        stranger = decide_submission(made, **{**facts, "member_id": "c"}, epochs={1: "n1"}, today=TODAY, relist=relist)
        assert ("group", "group") in codes_of(stranger)


@pytest.mark.parametrize(
    ("others", "members", "most"), [(1, 9, 1), (2, 9, 4), (4, 9, 4), (2, 3, 2), (5, 9, 8), (7, 9, 8), (1, 1, 1)]
)
def test_as_many_can_hold_a_token_as_its_band_and_group_allow(others: int, members: int, most: int) -> None:
    assert max_holders(others, members) == most


def test_a_slice_takes_rows_until_their_cost_is_reached() -> None:
    """A row costs 1, and 4 for each that can hold it."""
    tokens = [b"a", b"b", b"c"]
    assert end_of_slice(tokens, 0, {b"b": 1}, most=6) == 2
    assert end_of_slice(tokens, 0, {b"b": 1}, most=5) == 1
    assert end_of_slice(tokens, 0, {b"a": 9}, most=5) == 1, "one row at least"
    assert end_of_slice(tokens, 1, {b"b": 9}, most=5) == 2
    assert end_of_slice(tokens, 1, {}) == 3
    assert end_of_slice(tokens * 10_000, 0, {}) == 20_000
