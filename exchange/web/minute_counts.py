"""Counting requests in memory."""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime

from keys.request_limits import minute_of


class MinuteCounts:
    """How many requests each member made in the present minute, in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._minute = 0
        self._made: Counter[str] = Counter()

    def count(self, member_id: str, now: datetime) -> int:
        """Count one request; how many the member has now made."""
        with self._lock:
            if minute_of(now) != self._minute:
                self._minute, self._made = minute_of(now), Counter()
            self._made[member_id] += 1
            return self._made[member_id]
