"""Who reads a feed: the member behind the token that a request shows.

Reading writes nothing, so that a poll costs no commit; its limit is therefore counted in each worker process by itself.
"""

from __future__ import annotations

from flask import request

from exchange.store.feed_tokens import find_feed_token
from exchange.store.lookups import looking
from exchange.web.context import Context
from exchange.web.problems import FEED_TOKEN, AccessRefusedError
from keys.request_limits import RequestLimit

_TOKEN_SCHEMES = frozenset({"bearer", "token"})


def find_feed_reader(context: Context) -> str:
    """The active member whose feed token the present request shows. Raises AccessRefusedError, LimitExceededError."""
    with looking(context.database) as look:
        found = find_feed_token(look, _shown_token())
    if found is None:
        detail = "Show a feed token: Authorization: Bearer, Token, or Basic with the token as the password."
        raise AccessRefusedError(401, FEED_TOKEN, detail)
    if not found.is_active:
        raise AccessRefusedError(403, "suspended", "This member is suspended.")
    now = context.clock()
    RequestLimit(context.settings.requests_per_minute).check(context.feed_counts.count(found.member_id, now), now)
    return found.member_id


def _shown_token() -> str:
    """The token that the request shows, in one of the ways that feed readers know; empty for none."""
    shown = request.authorization
    if shown is None:
        return ""
    if shown.type == "basic":
        return shown.password or ""
    return shown.token or "" if shown.type in _TOKEN_SCHEMES else ""
