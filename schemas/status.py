"""A member's own standing on the wire, and its notices."""

from __future__ import annotations

from marshmallow import Schema, fields

from schemas.values.fields import QueryInteger, QueryText

NOTICES_PAGE = 500


class GroupStandingSchema(Schema):
    """An open group that the member is in."""

    group_id = fields.String(required=True)
    kind = fields.String(required=True)
    sunset = fields.DateTime(required=True, allow_none=True)


class LogStandingSchema(Schema):
    """The published log."""

    origin = fields.String(required=True)
    size = fields.Integer(required=True)


class OpenRequestsSchema(Schema):
    """Information requests that wait for this member's answer, and those of its own that wait for one."""

    incoming = fields.Integer(required=True)
    outgoing = fields.Integer(required=True)


class StatusSchema(Schema):
    """A member as the exchange sees it."""

    member_id = fields.String(required=True)
    kind = fields.String(required=True)
    sector = fields.String(required=True)
    state = fields.String(required=True)
    groups = fields.List(fields.Nested(GroupStandingSchema), required=True)
    epoch = fields.Integer(required=True, allow_none=True)
    log = fields.Nested(LogStandingSchema, required=True)
    notices = fields.Integer(required=True)
    open_requests = fields.Nested(OpenRequestsSchema, required=True)


class NoticesQuery(Schema):
    """Where to go on."""

    cursor = QueryText(r"[0-9a-f-]{36}", load_default=None)
    limit = QueryInteger(1, NOTICES_PAGE, load_default=NOTICES_PAGE)


class NoticeSchema(Schema):
    """That something happened which concerns the member."""

    notice_id = fields.UUID(required=True)
    kind = fields.String(required=True)
    event_id = fields.UUID(required=True)
    created_at = fields.DateTime(required=True)


class NoticesPageSchema(Schema):
    """One page of notices."""

    notices = fields.List(fields.Nested(NoticeSchema), required=True)
    next = fields.String(required=True, allow_none=True)
