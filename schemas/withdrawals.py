"""Taking back on the wire: withdrawals, and the corrections that everyone gets who was told. Unknown fields are
refused.

Rows are named by their tokens or by their submission, never by a value; nothing here is free text.
"""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from schemas.terms import CorrectionKind, WithdrawalReason
from schemas.values.fields import Base64, BoundedInteger, BoundedList, OwnId, QueryInteger, QueryText, code_of

MAX_TOKENS = 1000
"""Of one withdrawal by tokens; a submission is withdrawn whole, however large."""
CORRECTIONS_PAGE = 100
ITEMS_PAGE = 1000
MAX_ITEMS = 999_999_999


class NewWithdrawalSchema(Schema):
    """Which of one's own rows are taken back, by tokens or by submission, and why. The client makes the id."""

    withdrawal_id = OwnId(required=True)
    tokens = BoundedList(Base64(32), required=True, allow_none=True, validate=validate.Length(1, MAX_TOKENS))
    submission_id = OwnId(required=True, allow_none=True)
    reason = code_of(WithdrawalReason, required=True)

    @validates_schema(skip_on_field_errors=True)
    def _one_of_both(self, data: dict[str, Any], **_rest: Any) -> None:
        if (data["tokens"] is None) == (data["submission_id"] is None):
            raise ValidationError("expected either tokens or a submission_id", "tokens")
        if data["tokens"] is not None and len(set(data["tokens"])) != len(data["tokens"]):
            raise ValidationError("each token once", "tokens")


class WithdrawnSchema(Schema):
    """How many rows were taken back, and how many members that the withdrawing one may know of are told: at least so
    many, maybe more.
    """

    withdrawal_id = fields.UUID(required=True)
    withdrawn = fields.Integer(required=True)
    told = fields.Integer(required=True)
    event_id = fields.UUID(required=True)


class ListedCorrectionSchema(Schema):
    """One correction: something that the member was told rested on rows that are taken back. `items` counts what."""

    correction_id = fields.UUID(required=True)
    reason = code_of(WithdrawalReason, required=True)
    items = fields.Integer(required=True)
    told_at = fields.DateTime(required=True)
    due_at = fields.DateTime(required=True)
    acknowledged_at = fields.DateTime(required=True, allow_none=True)
    is_overdue = fields.Boolean(required=True)


class CorrectionsPageSchema(Schema):
    """One page of corrections, and the log's event of this reading."""

    corrections = fields.List(fields.Nested(ListedCorrectionSchema), required=True)
    next = fields.String(required=True, allow_none=True)
    event_id = fields.UUID(required=True)


class CorrectionsQuery(Schema):
    """Which corrections (with `state` open those not acknowledged), and where to go on."""

    state = fields.String(load_default=None, validate=validate.OneOf(["open", "acknowledged"]))
    cursor = QueryText(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", load_default=None)
    limit = QueryInteger(1, CORRECTIONS_PAGE, load_default=CORRECTIONS_PAGE)


class CorrectionItemSchema(Schema):
    """What had been told: by which hit, request or query (`object_id`), about which token."""

    token = fields.String(required=True, metadata={"description": "base64, 32 bytes"})
    kind = code_of(CorrectionKind, required=True)
    object_id = fields.UUID(required=True)


class CorrectionSchema(ListedCorrectionSchema):
    """One correction with what it concerns, page by page: `next` is how many items to leave out for the next page."""

    concerned = fields.List(fields.Nested(CorrectionItemSchema), required=True)
    next = fields.Integer(required=True, allow_none=True)
    event_id = fields.UUID(required=True)


class CorrectionQuery(Schema):
    """Where to go on among the items of a correction."""

    cursor = QueryInteger(0, MAX_ITEMS, load_default=0)


class TakenInSchema(Schema):
    """That a correction was taken in: as many items of it as the member has read, which must be all that there are."""

    items = BoundedInteger(1, MAX_ITEMS, required=True)


class CorrectionStandingSchema(Schema):
    """How a correction stands after it was acknowledged."""

    correction_id = fields.UUID(required=True)
    acknowledged_at = fields.DateTime(required=True)
