"""How many evaluations a member may still ask of this holder. Pure: times and amounts come in, decisions go out.

1. A member has a standing budget for each window of 30 days, counted from the day it was first allowed; what a window
   leaves over is lost. A window is fixed, so two of them can meet: at most twice the budget in a short time.
2. Grants are dated extras, for a first load or a rotation: until their end, then lost.
3. What lapses first is charged first: the standing budget counts as lapsing when it renews.
4. A request is charged whole or refused whole; a refused one costs nothing.

Budgets are per holder. t of n holders answer each request, so a member that may have `wanted` tokens gets
wanted * t / n evaluations at each; no set of t holders together then gives it more than n / t times what one gives.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

WINDOW = timedelta(days=30)
MIN_EVALUATIONS = 100
BOOK_DIVISOR = 100


class BudgetExhaustedError(Exception):
    """The member's budget does not reach: `wanted` evaluations against `remaining` until `renews_at`."""

    def __init__(self, wanted: int, remaining: int, renews_at: datetime) -> None:
        super().__init__("the budget is exhausted")
        self.wanted = wanted
        self.remaining = remaining
        self.renews_at = renews_at


@dataclass(frozen=True, slots=True)
class Grant:
    """A dated extra: `evaluations` in all, of which `used` are spent; void from `ends_at` on."""

    grant_id: str
    evaluations: int
    used: int
    ends_at: datetime

    def remaining(self, now: datetime) -> int:
        """What is left of it."""
        return max(0, self.evaluations - self.used) if now < self.ends_at else 0


@dataclass(frozen=True, slots=True)
class Charge:
    """How a request's evaluations are shared out: on the standing budget, and on grants by id."""

    standing: int
    grants: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Budget:
    """A member's budget in the present window: `standing` evaluations, `used` of them spent, renewed at `renews_at`."""

    standing: int
    used: int
    renews_at: datetime
    grants: tuple[Grant, ...] = ()

    @property
    def standing_remaining(self) -> int:
        """What is left of the standing budget; nothing if it was lowered below what is spent."""
        return max(0, self.standing - self.used)

    def remaining(self, now: datetime) -> int:
        """What is left in all."""
        return self.standing_remaining + sum(grant.remaining(now) for grant in self.grants)

    def charge(self, count: int, now: datetime) -> Charge:
        """Share out `count` evaluations (1 or more). Raises BudgetExhaustedError if they are not there."""
        if count < 1:
            raise ValueError("a request has at least one element")
        if count > self.remaining(now):
            raise BudgetExhaustedError(count, self.remaining(now), self.renews_at)
        sources: list[tuple[datetime, str | None, int]] = [
            (grant.ends_at, grant.grant_id, grant.remaining(now)) for grant in self.grants
        ]
        sources.append((self.renews_at, None, self.standing_remaining))
        standing, grants = 0, {}
        for _, grant_id, available in sorted(sources, key=lambda source: (source[0], source[1] or "")):
            part = min(count, available)
            count -= part
            if grant_id is None:
                standing = part
            elif part:
                grants[grant_id] = part
        return Charge(standing, grants)


def standing_evaluations(declared_book: int, threshold: int, holders: int) -> int:
    """The standing budget at one holder when none was set: 1 % of the declared book, at least 100, times t / n."""
    wanted = max(MIN_EVALUATIONS, -(-declared_book // BOOK_DIVISOR))
    return -(-wanted * threshold // holders)


def window_number(allowed_at: datetime, now: datetime) -> int:
    """Which 30-day window since `allowed_at` holds `now`, from 0."""
    return max(0, (now - allowed_at) // WINDOW)


def window_end(allowed_at: datetime, number: int) -> datetime:
    """When that window ends and the next begins."""
    return allowed_at + (number + 1) * WINDOW
