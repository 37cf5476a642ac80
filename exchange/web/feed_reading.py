"""Who reads a feed: the member behind the token that a request shows.

Reading writes nothing, so that a poll costs no commit; its limit is therefore counted in each worker process by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from flask import request

from edge.request_limits import RequestLimit
from edge.source_limits import token_name
from exchange.kernel.lookups import ReadTransaction, looking
from exchange.kernel.session import Database
from exchange.membership.feed_tokens import find_feed_token
from exchange.web.context import Context
from exchange.web.problems import FEED_TOKEN, SUSPENDED, AccessRefusedError

_TOKEN_SCHEMES = frozenset({"bearer", "token"})


class FeedReading:
    """The reading transaction in which a feed's request was authenticated. A page that only looks up goes on in it, so
    that a poll needs no second one; it ends when the page is through with it, and with the request at the latest.
    """

    def __init__(self, database: Database) -> None:
        self._stack = ExitStack()
        self.look = self._stack.enter_context(looking(database))
        self.member_id = ""

    @contextmanager
    def looking(self) -> Iterator[ReadTransaction]:
        """The transaction, which ends with the block; once."""
        with self._stack:
            yield self.look

    def end(self) -> None:
        """End it now, if it has not ended: whoever takes another connection first gives this one back."""
        self._stack.close()


def open_feed_reading(context: Context) -> FeedReading:
    """A reading for the active member whose feed token the present request shows. Raises AccessRefusedError,
    LimitExceededError.
    """
    reading = FeedReading(context.database)
    try:
        reading.member_id = _find_reader(context, reading)
    except BaseException:
        reading.end()
        raise
    return reading


def _find_reader(context: Context, reading: FeedReading) -> str:
    found = find_feed_token(reading.look, shown_token())
    if found is None:
        detail = "Show a feed token: Authorization: Bearer, Token, or Basic with the token as the password."
        raise AccessRefusedError(401, FEED_TOKEN, detail)
    if not found.is_active:
        context.sources.count_barred(token_name(shown_token()), context.clock())
        raise AccessRefusedError(403, SUSPENDED, "This member is suspended.")
    now = context.clock()
    limit = RequestLimit(context.settings.feed_requests_per_minute)
    limit.check(context.feed_counts.count(found.member_id, now), now)
    return found.member_id


def shown_token() -> str:
    """The token that the request shows, in one of the ways that feed readers know; empty for none."""
    shown = request.authorization
    if shown is None:
        return ""
    if shown.type == "basic":
        return shown.password or ""
    return shown.token or "" if shown.type in _TOKEN_SCHEMES else ""
