"""Feed tokens on the wire."""

from __future__ import annotations

from marshmallow import Schema, fields

from schemas.values.fields import QueryInteger, QueryText, Text

FEED_TOKENS_PAGE = 100


class FeedTokenForm(Schema):
    """What a token is for, for the member's own list."""

    name = Text(64, required=True)


class NewFeedTokenSchema(Schema):
    """A token, told this once: null in the answer to a repetition of the request."""

    token_id = fields.UUID(required=True)
    name = fields.String(required=True)
    token = fields.String(required=True, allow_none=True)
    event_id = fields.UUID(required=True)


class FeedTokenSchema(Schema):
    """A token as it is listed: without the secret, which is not kept."""

    token_id = fields.UUID(required=True)
    name = fields.String(required=True)
    created_by = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    revoked_at = fields.DateTime(required=True, allow_none=True)


class FeedTokensQuery(Schema):
    """Where to go on."""

    cursor = QueryText(r"[0-9a-f-]{36}", load_default=None)
    limit = QueryInteger(1, FEED_TOKENS_PAGE, load_default=FEED_TOKENS_PAGE)


class FeedTokensPageSchema(Schema):
    """One page of tokens."""

    feed_tokens = fields.List(fields.Nested(FeedTokenSchema), required=True)
    next = fields.String(required=True, allow_none=True)
