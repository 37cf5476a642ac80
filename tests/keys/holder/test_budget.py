"""Budgets: arithmetic without a clock or a store of its own."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.holder.budget import (
    WINDOW,
    Budget,
    BudgetExhaustedError,
    Grant,
    standing_evaluations,
    window_end,
    window_number,
)

NOW = datetime(2026, 11, 22, tzinfo=UTC)
RENEWS = NOW + timedelta(days=10)


def _grant(evaluations: int, days: float, used: int = 0, grant_id: str = "g") -> Grant:
    return Grant(grant_id, evaluations, used, NOW + timedelta(days=days))


@pytest.mark.parametrize(
    ("book", "threshold", "holders", "evaluations"),
    [(1_000_000, 2, 3, 6667), (0, 2, 3, 67), (9_999, 2, 3, 67), (10_000, 2, 2, 100), (10_001, 2, 2, 101)],
)
def test_the_rule_is_one_per_cent_times_t_over_n(book: int, threshold: int, holders: int, evaluations: int) -> None:
    assert standing_evaluations(book, threshold, holders) == evaluations


def test_windows_start_when_the_member_was_first_allowed() -> None:
    assert window_number(NOW, NOW) == 0
    assert window_number(NOW, NOW + WINDOW - timedelta(milliseconds=1)) == 0
    assert window_number(NOW, NOW + WINDOW) == 1
    assert window_number(NOW, NOW - timedelta(days=1)) == 0
    assert window_end(NOW, 0) == NOW + WINDOW


def test_what_lapses_first_is_charged_first() -> None:
    grants = (_grant(5, 20, grant_id="late"), _grant(3, 2, grant_id="soon"))
    budget = Budget(4, 0, RENEWS, grants)
    assert budget.charge(2, NOW).grants == {"soon": 2}
    charge = budget.charge(9, NOW)
    assert (charge.standing, dict(charge.grants)) == (4, {"soon": 3, "late": 2})


def test_a_request_is_charged_whole_or_not_at_all() -> None:
    budget = Budget(4, 1, RENEWS, (_grant(2, 5),))
    assert budget.charge(5, NOW).standing == 3
    with pytest.raises(BudgetExhaustedError) as caught:
        budget.charge(6, NOW)
    assert (caught.value.wanted, caught.value.remaining, caught.value.renews_at) == (6, 5, RENEWS)


def test_a_grant_is_void_from_its_end_on() -> None:
    grant = _grant(5, 1)
    assert grant.remaining(grant.ends_at - timedelta(seconds=1)) == 5
    assert grant.remaining(grant.ends_at) == 0


def test_a_budget_lowered_below_what_is_spent_is_empty_and_not_negative() -> None:
    assert Budget(3, 9, RENEWS, (_grant(4, 5),)).remaining(NOW) == 4


def test_nothing_cannot_be_charged() -> None:
    with pytest.raises(ValueError, match="at least one"):
        Budget(3, 0, RENEWS).charge(0, NOW)


_GRANTS = st.lists(st.tuples(st.integers(1, 50), st.integers(0, 50), st.integers(-5, 40)), max_size=5)


@given(st.integers(0, 50), st.integers(0, 60), _GRANTS, st.integers(1, 200))
def test_a_charge_adds_up_and_overdraws_nothing(
    standing: int, used: int, given_grants: list[tuple[int, int, int]], count: int
) -> None:
    grants = tuple(
        _grant(total, days, min(spent, total), f"g{number}") for number, (total, spent, days) in enumerate(given_grants)
    )
    budget = Budget(standing, used, RENEWS, grants)
    if count > budget.remaining(NOW):
        with pytest.raises(BudgetExhaustedError):
            budget.charge(count, NOW)
        return
    charge = budget.charge(count, NOW)
    assert charge.standing + sum(charge.grants.values()) == count
    assert charge.standing <= budget.standing_remaining
    left = {grant.grant_id: grant.remaining(NOW) for grant in grants}
    assert all(0 < part <= left[grant_id] for grant_id, part in charge.grants.items())
