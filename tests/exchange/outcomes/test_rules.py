"""The rules of outcomes by themselves: what is refused, under which code, at which field."""

from __future__ import annotations

from datetime import timedelta

import msgspec
import pytest

from exchange.indicators.withdrawal import (
    Held,
    LastShown,
    TakenBack,
    decide_id,
    decide_withdrawal,
    was_disclosed_by_hit,
)
from exchange.membership.authority import Authority
from exchange.membership.past_authority import Span
from exchange.outcomes.rules import decide_assessment, decide_outcome, shown_kind
from schemas.outcomes import NOTHING_REPORTED, Checks
from tests.taskforce.clock import NOW

_EXIT = msgspec.structs.replace(NOTHING_REPORTED, account_action="exit")


@pytest.mark.parametrize("missing", ["other_sources", "vulnerability_checked", "keep_open_checked"])
def test_an_exit_names_the_check_that_is_missing(missing: str) -> None:
    checks = dict.fromkeys(("other_sources", "vulnerability_checked", "keep_open_checked"), True)
    (reason,) = decide_assessment(Checks(**{**checks, missing: False}), "exit").reasons
    assert (reason.code, reason.field) == ("exit-unchecked", missing)


@pytest.mark.parametrize(
    ("about", "decided", "is_overtaken", "code"),
    [
        ("hit", "exit", False, None),
        ("request", "exit", False, None),
        ("query", "exit", False, "exit-without-hit"),
        ("hit", None, False, "no-assessment"),
        ("hit", "exit", True, "assessment-overtaken"),
        ("hit", "monitor", False, "assessment-decision"),
        ("hit", "monitor", True, "assessment-overtaken"),
    ],
)
def test_an_exit_rests_on_an_assessment_that_decided_it(
    about: str, decided: str | None, is_overtaken: bool, code: str | None
) -> None:
    reasons = decide_outcome(_EXIT, about, decided, is_overtaken=is_overtaken).reasons
    assert [(reason.code, reason.field) for reason in reasons] == ([] if code is None else [(code, "account_action")])
    assert decide_outcome(_EXIT, "hit", "exit").is_allowed, "nothing was said to have overtaken it"


def test_an_outcome_reports_something() -> None:
    (reason,) = decide_outcome(NOTHING_REPORTED, "hit", None).reasons
    assert (reason.code, reason.field) == ("nothing-reported", "usefulness")
    assert decide_outcome(msgspec.structs.replace(NOTHING_REPORTED, arrests=0), "query", None).is_allowed


@pytest.mark.parametrize(
    ("kinds", "shown"),
    [
        ({"a": "telecom", "b": "telecom", "c": "telecom"}, "telecom"),
        ({"a": "telecom", "b": "telecom"}, None),
        ({"a": "telecom", "b": "telecom", "c": "telecom", "x": "regulator"}, None),
        ({"a": "telecom", "b": "telecom", "c": "telecom", "x": "regulator", "y": "regulator"}, None),
        (
            {"a": "telecom", "b": "telecom", "c": "telecom", "x": "regulator", "y": "regulator", "z": "virtual"},
            "telecom",
        ),
    ],
)
def test_a_kind_is_shown_where_three_have_it_and_three_are_unsaid(kinds: dict[str, str], shown: str | None) -> None:
    authority = Authority.of({"g": kinds, "empty": []}, dict.fromkeys(kinds, "banking"))
    assert shown_kind("a", ["empty", "g"], kinds, authority, is_named=False) == shown
    assert shown_kind("a", ["h"], kinds, authority, is_named=False) is None


def test_only_rows_of_ones_own_are_taken_back_under_a_new_id() -> None:
    assert decide_withdrawal(1).is_allowed
    (reason,) = decide_withdrawal(0).reasons
    assert (reason.code, reason.field) == ("no-live-row", "tokens")
    assert decide_id("outcome_id", is_free=True).is_allowed
    (reason,) = decide_id("outcome_id", is_free=False).reasons
    assert (reason.code, reason.field) == ("id-used", "outcome_id")


def test_a_row_is_part_of_a_hit_only_while_the_other_is_held() -> None:
    """Who held the token until the second day, and shared the group from the third on, was shown nothing of the row."""
    row = TakenBack("g", NOW, NOW + timedelta(days=9), frozenset())
    shown = LastShown(True, NOW, "any")
    for until, told in ((timedelta(days=2), False), (timedelta(days=3), True), (None, True)):
        held = Held("g", NOW, None if until is None else NOW + until)
        together = [Span(NOW + timedelta(days=3), None)]
        assert was_disclosed_by_hit(row, [held], shown, together) is told
