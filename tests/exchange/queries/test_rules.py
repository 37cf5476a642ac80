"""The rules of queries by themselves: whatever is said, nothing is allowed without two people, a case and an end."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exchange.indicators.matching import Holding
from exchange.kernel.limits import LONGEST_QUERY_DAYS
from exchange.membership.authority import Authority
from exchange.queries.rules import (
    NO_AGENCY,
    Officer,
    QueryTerms,
    decide_agency,
    decide_case,
    decide_end,
    decide_extension,
    decide_longer_watch,
    decide_mutual_disclosure,
    decide_officers,
    decide_terms,
    end_of,
    last_day_of,
    rows_shown,
    see_subject,
    withhold,
)
from schemas.terms import Role
from tests.exchange.decisions import codes_of

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


def day(number: int) -> date:
    """So many days from today."""
    return TODAY + timedelta(days=number)


@pytest.mark.parametrize(
    ("number", "codes"),
    [(-1, [("end-passed", "until")]), (0, []), (30, []), (31, [("end-too-late", "until")])],
)
def test_a_query_ends_from_today_to_the_longest_day(number: int, codes: list[tuple[str, str]]) -> None:
    assert codes_of(decide_end(day(number), TODAY, 30)) == codes


@pytest.mark.parametrize(
    ("until", "reason", "only_watch", "codes"),
    [
        (11, "why", False, []),
        (10, "why", False, [("no-extension", "until")]),
        (10, "why", True, []),
        (9, "why", True, [("no-extension", "until")]),
        (11, " ", False, [("no-reason", "reason")]),
        (31, "why", False, [("end-too-late", "until")]),
    ],
)
def test_an_extension_ends_later_and_says_why(
    until: int, reason: str, only_watch: bool, codes: list[tuple[str, str]]
) -> None:
    assert codes_of(decide_extension(day(10), day(until), reason, TODAY, 30, only_watch=only_watch)) == codes
    if not only_watch:
        assert codes_of(decide_extension(day(10), day(until), reason, TODAY, 30)) == codes


@pytest.mark.parametrize(
    ("present", "wanted", "until", "codes"),
    [
        (5, 6, 6, []),
        (0, 1, 6, []),
        (None, 6, 6, [("no-watch", "watch_until")]),
        (-1, 6, 6, [("no-watch", "watch_until")]),
        (5, 5, 6, [("no-extension", "watch_until")]),
        (5, 7, 6, [("watch-too-late", "watch_until")]),
    ],
)
def test_a_watch_goes_on_while_it_lasts_and_within_its_query(
    present: int | None, wanted: int, until: int, codes: list[tuple[str, str]]
) -> None:
    now = None if present is None else day(present)
    assert codes_of(decide_longer_watch(now, day(wanted), day(until), TODAY)) == codes


@pytest.mark.parametrize(
    ("terms", "has_reviewer", "codes"),
    [
        (QueryTerms(False, None, None), False, []),
        (QueryTerms(True, day(5), day(5)), True, []),
        (QueryTerms(True, None, None), True, [("no-end", "until")]),
        (QueryTerms(True, day(5), None), False, [("no-reviewer", "covert")]),
        (QueryTerms(False, day(-1), None), True, [("end-passed", "until")]),
        (QueryTerms(False, None, day(-1)), True, [("watch-passed", "watch_until")]),
        (QueryTerms(False, None, day(0)), True, []),
        (QueryTerms(False, None, day(30)), True, []),
        (QueryTerms(False, None, day(31)), True, [("watch-too-late", "watch_until")]),
        (QueryTerms(False, day(5), day(6)), True, [("watch-too-late", "watch_until")]),
    ],
)
def test_terms_are_refused_by_day_and_cover(
    terms: QueryTerms, has_reviewer: bool, codes: list[tuple[str, str]]
) -> None:
    assert codes_of(decide_terms(terms, has_reviewer=has_reviewer, today=TODAY, longest_days=30)) == codes


def test_an_overt_query_lasts_its_days_or_as_long_as_its_watch() -> None:
    assert last_day_of(QueryTerms(False, None, None), TODAY) == day(90)
    assert last_day_of(QueryTerms(False, None, day(89)), TODAY) == day(90)
    assert last_day_of(QueryTerms(False, None, day(91)), TODAY) == day(91)
    assert last_day_of(QueryTerms(False, day(1), day(1)), TODAY) == day(1)
    assert end_of(TODAY) == datetime(2026, 11, 23, tzinfo=UTC)


def test_only_law_enforcement_in_an_open_group_queries() -> None:
    authority = Authority.of({"g": ["nca", "a"], "h": ["a"]}, {"nca": "law_enforcement", "a": "banking"})
    assert decide_agency("nca", "law_enforcement", authority).is_allowed
    assert codes_of(decide_agency("a", "financial_institution", authority)) == [(NO_AGENCY, "query_id")]
    assert codes_of(decide_agency("met", "law_enforcement", authority)) == [("group", "query_id")]


_ASKER = Officer("nca/x", b"1" * 32, frozenset({Role.INVESTIGATOR}), is_active=True)
_AUTHORISER = Officer("nca/y", b"2" * 32, frozenset({Role.AUTHORISER}), is_active=True)


@pytest.mark.parametrize(
    ("asker", "authoriser", "codes"),
    [
        (_ASKER, _AUTHORISER, []),
        (None, _AUTHORISER, [("investigator", "query_id")]),
        (replace(_ASKER, is_active=False), _AUTHORISER, [("investigator", "query_id")]),
        (replace(_ASKER, roles=frozenset({Role.AUTHORISER})), _AUTHORISER, [("investigator", "query_id")]),
        (_ASKER, None, [("authoriser", "authorised_by")]),
        (_ASKER, replace(_AUTHORISER, is_active=False), [("authoriser", "authorised_by")]),
        (_ASKER, replace(_AUTHORISER, roles=frozenset({Role.SUBMITTER})), [("authoriser", "authorised_by")]),
        (_ASKER, replace(_AUTHORISER, representative_id="nca/x"), [("same-person", "authorised_by")]),
        (_ASKER, replace(_AUTHORISER, public_key=b"1" * 32), [("same-person", "authorised_by")]),
    ],
)
def test_officers_are_refused_by_name(
    asker: Officer | None, authoriser: Officer | None, codes: list[tuple[str, str]]
) -> None:
    assert codes_of(decide_officers(asker, authoriser)) == codes


def test_one_alone_is_shown_and_nobody_is_not() -> None:
    authority = Authority.of({"g": ["a", "nca"]}, {"a": "banking", "nca": "law_enforcement"})
    assert see_subject([], authority, ()) is None
    found = see_subject([Holding(b"t", "g", "a", "iban", "drugs", None)], authority, {"a"})
    assert found is not None
    assert (found.band, found.first_seen, found.themes) == ("1", "other", ("drugs",))
