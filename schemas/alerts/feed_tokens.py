"""Feed tokens on the wire."""

from __future__ import annotations

from typing import Annotated

from schemas.values.message import Form, IdCursor, Message, Time, Uuid

FEED_TOKENS_PAGE = 100


class FeedTokenForm(Message, frozen=True):
    """What a token is for, for the member's own list."""

    name: Annotated[str, Form("Text", 64)]


class NewFeedToken(Message, frozen=True):
    """A token, shown this once: null in the answer to a repetition of the request."""

    token_id: Uuid
    name: str
    token: str | None
    event_id: Uuid

    def __repr__(self) -> str:
        return f"NewFeedToken({self.token_id!r}, {self.name!r})"


class ListedFeedToken(Message, frozen=True):
    """A token as it is listed: without the secret, which is not kept."""

    token_id: Uuid
    name: str
    created_by: str
    created_at: Time
    revoked_at: Time | None


class FeedTokensQuery(Message, frozen=True):
    """Where to go on."""

    cursor: IdCursor | None = None
    limit: Annotated[int, Form("QueryInteger", 1, FEED_TOKENS_PAGE)] = FEED_TOKENS_PAGE


class FeedTokensPage(Message, frozen=True):
    """One page of tokens."""

    feed_tokens: list[ListedFeedToken]
    next: str | None
