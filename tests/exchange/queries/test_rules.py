"""The rules of queries by themselves: whatever is said, nothing is allowed without two people, a case and an end."""

from __future__ import annotations

from datetime import date, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.indicators.matching import Holding
from exchange.kernel.limits import LONGEST_QUERY_DAYS
from exchange.membership.authority import Authority
from exchange.queries.rules import (
    Officer,
    QueryTerms,
    decide_case,
    decide_mutual_disclosure,
    decide_officers,
    decide_terms,
    last_day_of,
    rows_shown,
    see_subject,
    withhold,
)
from schemas.terms import Role

TODAY = date(2026, 11, 22)
_DAYS = st.none() | st.integers(-400, 800).map(lambda days: TODAY + timedelta(days=days))
_OFFICERS = st.none() | st.builds(
    Officer,
    representative_id=st.sampled_from(["nca/x", "nca/y"]),
    public_key=st.sampled_from([b"1" * 32, b"2" * 32]),
    roles=st.frozensets(st.sampled_from([Role.INVESTIGATOR, Role.AUTHORISER])),
    is_active=st.booleans(),
)


@given(_OFFICERS, _OFFICERS)
def test_two_officers_are_two_people_with_two_keys_and_their_roles(
    asker: Officer | None, authoriser: Officer | None
) -> None:
    if not decide_officers(asker, authoriser).is_allowed:
        return
    assert asker is not None
    assert authoriser is not None
    assert asker.is_active
    assert authoriser.is_active
    assert asker.representative_id != authoriser.representative_id
    assert asker.public_key != authoriser.public_key
    assert Role.INVESTIGATOR in asker.roles
    assert Role.AUTHORISER in authoriser.roles


@pytest.mark.parametrize(("case", "is_named"), [("", False), (" ", False), ("OP-1", True)])
def test_a_case_is_named(case: str, is_named: bool) -> None:
    assert decide_case(case).is_allowed is is_named


@given(st.booleans(), _DAYS, _DAYS, st.booleans())
def test_covert_work_has_an_end_and_a_reviewer_and_no_watch_outlives_it(
    covert: bool, until: date | None, watch_until: date | None, has_reviewer: bool
) -> None:
    terms = QueryTerms(covert, until, watch_until)
    if not decide_terms(terms, has_reviewer=has_reviewer, today=TODAY, longest_days=LONGEST_QUERY_DAYS).is_allowed:
        return
    last = last_day_of(terms, TODAY)
    assert TODAY <= last <= TODAY + timedelta(days=LONGEST_QUERY_DAYS)
    assert watch_until is None or TODAY <= watch_until <= last
    if covert:
        assert until == last
        assert has_reviewer


def test_a_silent_case_is_learnt_of_by_nobody() -> None:
    assert decide_mutual_disclosure(is_silent=True, is_other_silent=False) == (True, False)
    assert decide_mutual_disclosure(is_silent=True, is_other_silent=True) == (False, False)


def test_a_gateway_without_names_shows_a_band_and_what_a_hit_may_show() -> None:
    """Sectors of fewer than three members are not shown, nor themes and months by which one could be known."""
    sectors = {"a": "banking", "b": "banking", "c": "banking", "x": "payments", "nca": "law_enforcement"}
    authority = Authority.of({"g": list(sectors)}, sectors)
    rows = [
        Holding(b"t", "g", "a", "iban", "drugs", "2026-10-05"),
        Holding(b"t", "g", "x", "iban", "fraud", "2025-01-01"),
        Holding(b"t", "g", "nca", "iban", "tax_evasion", "2024-01-01"),
        Holding(b"t", "other", "b", "iban", "ransomware", "2024-01-01"),
    ]
    shown = rows_shown("nca", rows, authority)
    assert {row.member_id for row in shown} == {"a", "x"}
    banded = see_subject(shown, authority, ())
    assert banded is not None
    assert (banded.institutions, banded.band, banded.themes) == ((), "2-4", ("drugs", "other"))
    assert banded.first_seen == "2026-10"
    named = see_subject(shown, authority, {"a", "x"})
    assert named is not None
    assert (named.institutions, named.themes, named.first_seen) == (("a", "x"), ("drugs", "fraud"), "2025-01")
    partly = see_subject(shown, authority, {"x"})
    assert partly is not None
    assert (partly.institutions, partly.band) == (("x",), "2-4")


def test_a_commitment_tells_nothing_and_fixes_everything() -> None:
    secret, body = bytes(32), {"holder": "a", "tokens": ["t"]}
    salt, fixed = withhold(secret, body)
    assert withhold(secret, dict(body)) == (salt, fixed)
    assert withhold(secret, {**body, "holder": "b"})[1] != fixed
    assert withhold(bytes([1]) + bytes(31), body)[1] != fixed
    assert len({salt, fixed, secret}) == 3
