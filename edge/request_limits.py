"""How many requests a caller may make in a minute. Pure: times and counts come in, decisions go out.

Minutes are those of the clock, the same for every worker process, so that one row in SQL counts for all of them. Two
full minutes can meet: at most twice the limit in a short time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

SECONDS = 60
DEFAULT_LIMIT = 600
"""Requests a minute of one member, at each service. The largest upload, 1,000,000 rows, takes some hundred."""
LARGEST_LIMIT = 1_000_000
UNSIGNED_LIMIT = 600
"""Unauthenticated requests a minute from one address, at each serving process."""


class LimitExceededError(Exception):
    """A caller made more than `limit` requests within a minute; `retry_seconds` (1 to 60) is when the next begins."""

    def __init__(self, limit: int, retry_seconds: int) -> None:
        super().__init__("too many requests")
        self.limit = limit
        self.retry_seconds = retry_seconds

    @property
    def detail(self) -> str:
        """The limit, and when to come back; for the one who asked too often."""
        seconds = "1 second" if self.retry_seconds == 1 else f"{self.retry_seconds} seconds"
        return f"At most {self.limit} requests a minute are answered here; come back in {seconds}."


@dataclass(frozen=True, slots=True)
class RequestLimit:
    """At most `limit` requests in each minute."""

    limit: int

    def check(self, requests: int, now: datetime) -> None:
        """Raise LimitExceededError if `requests`, the present one among them, are too many for the minute of `now`."""
        if requests > self.limit:
            raise LimitExceededError(self.limit, SECONDS - int(now.timestamp()) % SECONDS)


def minute_of(now: datetime) -> int:
    """The minute of an aware time, since 1970."""
    return int(now.timestamp()) // SECONDS


def parse_limit(value: object) -> int:
    """A limit as configured, 1 to 1,000,000. Raises ValueError."""
    limit = int(str(value))
    if not 1 <= limit <= LARGEST_LIMIT:
        raise ValueError(f"a limit of requests a minute is from 1 to {LARGEST_LIMIT}")
    return limit
