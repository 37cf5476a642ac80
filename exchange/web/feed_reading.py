"""Who reads a feed: the member behind the token that a request shows.

Reading writes nothing, so that a poll costs no commit; its limit is therefore counted in each worker process by itself.
"""

from __future__ import annotations

import threading
from collections import Counter
from datetime import datetime

from flask import request

from exchange.store.feed_tokens import find_feed_token
from exchange.store.lookups import looking
from exchange.web.context import Context
from exchange.web.problems import FEED_TOKEN, AccessRefusedError
from keys.request_limits import RequestLimit, minute_of


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


def find_feed_reader(context: Context, counts: MinuteCounts) -> str:
    """The active member whose feed token the present request shows. Raises AccessRefusedError, LimitExceededError."""
    shown = request.authorization
    token = "" if shown is None else (shown.token or shown.password or "")
    with looking(context.database) as look:
        found = find_feed_token(look, token)
    if found is None:
        detail = "Show a feed token: Authorization: Bearer, Token, or Basic with the token as the password."
        raise AccessRefusedError(401, FEED_TOKEN, detail)
    if not found.is_active:
        raise AccessRefusedError(403, "suspended", "This member is suspended.")
    now = context.clock()
    RequestLimit(context.settings.requests_per_minute).check(counts.count(found.member_id, now), now)
    return found.member_id
