"""Counting requests in memory, by member or by address."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime

from edge.request_limits import minute_of

MAX_CALLERS = 50_000
_OTHERS = "others"


class MinuteCounts:
    """How many requests each caller made in the present minute, in this process.

    Of callers beyond `most` in one minute all are counted as one, so that nobody fills the memory by calling from ever
    new addresses.
    """

    def __init__(self, most: int = MAX_CALLERS) -> None:
        self._lock = threading.Lock()
        self._most = most
        self._minute = 0
        self._made: Counter[str] = Counter()

    def count(self, caller: str, now: datetime) -> int:
        """Count one request; how many the caller has now made."""
        with self._lock:
            name = self._name_of(caller, now)
            self._made[name] += 1
            return self._made[name]

    def made(self, caller: str, now: datetime) -> int:
        """How many requests the caller has made in this minute."""
        with self._lock:
            name = self._name_of(caller, now)
            return self._made[name]

    def _name_of(self, caller: str, now: datetime) -> str:
        if minute_of(now) != self._minute:
            self._minute, self._made = minute_of(now), Counter()
        return caller if caller in self._made or len(self._made) < self._most else _OTHERS
