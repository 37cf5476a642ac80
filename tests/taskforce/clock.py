"""Time as a test sets it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)


class Clock:
    """A clock that stands still until a test lets time pass."""

    def __init__(self, now: datetime = NOW) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def advance(self, **by: float) -> None:
        """Let time pass (timedelta's arguments)."""
        self.now += timedelta(**by)


def utc_now() -> datetime:
    """The real time."""
    return datetime.now(UTC)
