"""How often an address may call without a signature that counts, in a minute and in each process.

1. Calls to open routes and calls that were refused as unauthenticated are counted together. Above the limit a call is
   refused before its body is read and before anything is verified or looked up.
2. What authenticates is never counted, and an address from which somebody authenticated within the last minutes is not
   shut out by what others send from it: a stranger behind a bank's proxy cannot stop the bank.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from keys.edge.minute_counts import MinuteCounts
from keys.request_limits import RequestLimit

UNSIGNED_REQUESTS_PER_MINUTE = 3_000
"""Of one address at each process: a member that verifies a log of half a million leaves reads as many tiles."""
_REMEMBERED = timedelta(minutes=5)
_MOST_REMEMBERED = 50_000


class SourceLimits:
    """Applies the rules in one process. `limit` is how many unauthenticated calls an address may make in a minute."""

    def __init__(self, limit: int = UNSIGNED_REQUESTS_PER_MINUTE) -> None:
        self._limit = RequestLimit(limit)
        self._unsigned = MinuteCounts()
        self._known: dict[str, datetime] = {}

    def check(self, source: str, now: datetime) -> None:
        """Before anything costs something. Raises LimitExceededError."""
        made = self._unsigned.made(source, now)
        if made and not self._is_known(source, now):
            self._limit.check(made + 1, now)

    def count(self, source: str, now: datetime) -> None:
        """Count a call that did not authenticate."""
        self._unsigned.count(source, now)

    def note_known(self, source: str, now: datetime) -> None:
        """Somebody authenticated from there."""
        if len(self._known) >= _MOST_REMEMBERED:
            self._known = {}
        self._known[source] = now

    def _is_known(self, source: str, now: datetime) -> bool:
        seen_at = self._known.get(source)
        return seen_at is not None and now - seen_at <= _REMEMBERED
