"""Subscriptions to alerts on the wire."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from schemas.terms import AlertColour, DeliveryState, MemberKind, PushChannel, SubscriptionState, Theme
from schemas.values.fields import BoundedList, Identifier, Moment, QueryInteger, QueryText, Text, code_of

LARGEST_PAGE = 100
MOST_REPLAYED = 1_000
_MOST_GROUPS = 100


def _codes(codes: type[StrEnum]) -> Any:
    return BoundedList(code_of(codes), load_default=list, validate=validate.Length(0, len(codes)))


class FiltersSchema(Schema):
    """Which alerts are wanted; an empty list asks for nothing in particular. `kinds` are those of the issuers."""

    themes = _codes(Theme)
    colours = _codes(AlertColour)
    kinds = _codes(MemberKind)
    groups = BoundedList(Identifier(), load_default=list, validate=validate.Length(0, _MOST_GROUPS))


class SubscriptionForm(FiltersSchema):
    """A new subscription; `target` is a URL or a mail address."""

    channel = code_of(PushChannel, required=True)
    target = Text(2_000, required=True)


class NewSubscriptionSchema(Schema):
    """What was made. `secret` signs a webhook's messages, and is told here only; null for mail."""

    subscription_id = fields.UUID(required=True)
    state = code_of(SubscriptionState, required=True)
    secret = fields.String(required=True, allow_none=True)


class ConfirmationForm(Schema):
    """The code that the receiver was sent."""

    code = Text(64, required=True)


class SubscriptionStateSchema(Schema):
    """Where a subscription stands."""

    subscription_id = fields.UUID(required=True)
    state = code_of(SubscriptionState, required=True)


class SubscriptionSchema(SubscriptionStateSchema, FiltersSchema):
    """A subscription. `failures` counts the attempts that failed since the last one that did not."""

    channel = code_of(PushChannel, required=True)
    target = fields.String(required=True)
    created_by = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    ended_at = fields.DateTime(required=True, allow_none=True)
    failures = fields.Integer(required=True)
    waiting = fields.Integer(required=True)
    dead = fields.Integer(required=True)


class SubscriptionsQuery(Schema):
    """Where to go on."""

    cursor = QueryText(r"[0-9a-f-]{36}", load_default=None)
    limit = QueryInteger(1, LARGEST_PAGE, load_default=LARGEST_PAGE)


class SubscriptionsPageSchema(Schema):
    """One page of subscriptions."""

    subscriptions = fields.List(fields.Nested(SubscriptionSchema), required=True)
    next = fields.String(required=True, allow_none=True)


class DeliveriesQuery(SubscriptionsQuery):
    """Which deliveries, and where to go on."""

    state = fields.String(load_default=None, validate=validate.OneOf([state.value for state in DeliveryState]))


class DeliverySchema(Schema):
    """A delivery. `alert_id` is null for what is about no alert that the member may read now."""

    delivery_id = fields.UUID(required=True)
    message_id = fields.String(required=True)
    kind = fields.String(required=True)
    alert_id = fields.UUID(required=True, allow_none=True)
    version = fields.Integer(required=True)
    state = code_of(DeliveryState, required=True)
    attempts = fields.Integer(required=True)
    error = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    next_at = fields.DateTime(required=True, allow_none=True)
    finished_at = fields.DateTime(required=True, allow_none=True)


class DeliveriesPageSchema(Schema):
    """One page of deliveries."""

    deliveries = fields.List(fields.Nested(DeliverySchema), required=True)
    next = fields.String(required=True, allow_none=True)


class ReplayForm(Schema):
    """What to send again: deliveries by their ids, or those that died of what was queued since a time."""

    delivery_ids = BoundedList(fields.UUID(), validate=validate.Length(1, MOST_REPLAYED))
    since = Moment()

    @validates_schema
    def check_one(self, form: dict[str, Any], **_: Any) -> None:
        """Exactly one of the two."""
        if ("delivery_ids" in form) == ("since" in form):
            raise ValidationError({"delivery_ids": ["expected either delivery_ids or since"]})


class ReplayedSchema(Schema):
    """How many wait again."""

    replayed = fields.Integer(required=True)
