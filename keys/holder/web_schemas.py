"""The shapes that the key holder's HTTP interface takes and gives (marshmallow), to read them and to describe them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from marshmallow import RAISE, Schema, ValidationError, fields, validate

_MAX_INDEX = 65_535
_MAX_QUORUM = 64


class BoundedInteger(fields.Integer):
    """A whole number from 1 to 65535, written in one way: int() alone takes `01`, `1_0` and 5000 digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        return read_integer(value)


class Quorum(fields.Field[tuple[int, ...]]):
    """Holders' indices in ascending order with commas between, such as `1,3`: a quorum has one spelling."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> Any:
        parts = value.split(",", _MAX_QUORUM) if isinstance(value, str) else []
        if not 1 <= len(parts) <= _MAX_QUORUM:
            raise ValidationError("expected 1 to 64 indices with commas between")
        quorum = tuple(read_integer(part) for part in parts)
        if list(quorum) != sorted(quorum):
            raise ValidationError("expected indices in ascending order, such as 1,3")
        return quorum


def read_integer(value: Any) -> int:
    """The number of a text of one to five digits, the first not 0: 1 to 65535. Raises ValidationError."""
    if not isinstance(value, str) or not re.fullmatch(r"[1-9][0-9]{0,4}", value, re.ASCII):
        raise ValidationError("expected a whole number of at most five digits, without leading zeros")
    if int(value) > _MAX_INDEX:
        raise ValidationError(f"expected a whole number from 1 to {_MAX_INDEX}")
    return int(value)


class Position(fields.Integer):
    """A position in the list of statements: 1 to 9 digits, written one way."""

    def _deserialize(self, value: Any, attr: str | None, data: Mapping[str, Any] | None, **kwargs: Any) -> int:
        if not isinstance(value, str) or not re.fullmatch(r"0|[1-9][0-9]{0,8}", value, re.ASCII):
            raise ValidationError("expected the `next` of the page before")
        return int(value)


class StrictSchema(Schema):
    """Refuses unknown fields."""

    class Meta:
        """Unknown fields are errors."""

        unknown = RAISE


class EvaluationQuery(StrictSchema):
    """What is wanted of an evaluation."""

    epoch = BoundedInteger(required=True, metadata={"description": "The key epoch"})
    quorum = Quorum(
        required=True,
        metadata={"type": "string", "description": "The t holders' indices, with commas between", "example": "1,3"},
    )
    proof = fields.String(
        load_default="no",
        validate=validate.OneOf(("yes", "no")),
        metadata={"description": "Whether a proof (RFC 9497, mode 1, 64 bytes) is wanted in Evaluation-Proof"},
    )
    batch = fields.String(
        validate=validate.Regexp(r"[A-Za-z0-9._~-]{1,128}\Z"),
        metadata={"description": "The Idempotency-Key of the batch without proofs that this one element checks"},
    )


class EvaluationHeaders(Schema):
    """What identifies a request, so that it is charged once."""

    idempotency_key = fields.String(required=True, data_key="Idempotency-Key", metadata={"maxLength": 128})


class SignatureOfRegistrar(StrictSchema):
    """One signature of a DSSE envelope."""

    keyid = fields.String(required=True)
    sig = fields.String(required=True)


class EnvelopeDocument(StrictSchema):
    """A DSSE envelope."""

    payloadType = fields.String(required=True)  # noqa: N815 - the name in DSSE
    payload = fields.String(required=True)
    signatures = fields.List(fields.Nested(SignatureOfRegistrar), required=True)


class StatementsQuery(StrictSchema):
    """Where to go on."""

    cursor = Position(
        load_default=0, metadata={"type": "integer", "minimum": 0, "description": "`next` of the page before"}
    )


class StatementsPage(Schema):
    """Statements accepted here, in the order in which they came."""

    statements = fields.List(fields.Nested(EnvelopeDocument))
    next = fields.String(allow_none=True)


class SnapshotAnswer(Schema):
    """This holder's word on what is in force: canonical JSON with type, holder_id, root (its version), number,
    digest, issued_at and valid_until, and its signature over `exchange-snapshot-v1`, a zero byte, and the payload.
    """

    payload = fields.String(metadata={"description": "Base64"})
    signature = fields.String(metadata={"description": "Base64 of 64 bytes, Ed25519, the holder's verify_key"})


class StatementAnswer(Schema):
    """A statement taken in."""

    type = fields.String()
    subject = fields.String()
    sequence = fields.Integer()
    state = fields.String(metadata={"enum": ["stored", "known"]})


class HolderDocument(Schema):
    """A holder of an epoch."""

    index = fields.Integer()
    holder_id = fields.String()
    url = fields.String()
    commitment = fields.String(metadata={"description": "Base64 of 32 bytes"})
    verify_key = fields.String(metadata={"description": "Base64 of 32 bytes, Ed25519"})


class EpochDocument(Schema):
    """An epoch that the registrars state, with their statement."""

    epoch = fields.Integer()
    state = fields.String()
    threshold = fields.Integer()
    public_key = fields.String(metadata={"description": "Base64 of 32 bytes"})
    normalisation = fields.String()
    holders = fields.List(fields.Nested(HolderDocument))
    served = fields.Boolean(metadata={"description": "Whether this holder evaluates under it"})
    statement = fields.Nested(EnvelopeDocument)


class EpochsAnswer(Schema):
    """The epochs known to this holder."""

    holder_id = fields.String()
    epochs = fields.List(fields.Nested(EpochDocument))


class GrantDocument(Schema):
    """A dated extra."""

    evaluations = fields.Integer()
    used = fields.Integer()
    ends_at = fields.String()


class StandingDocument(Schema):
    """The standing budget of 30 days."""

    evaluations = fields.Integer()
    used = fields.Integer()
    renews_at = fields.String()


class BudgetAnswer(Schema):
    """A member's budget at this holder."""

    member_id = fields.String()
    remaining = fields.Integer()
    renews_at = fields.String()
    standing = fields.Nested(StandingDocument)
    grants = fields.List(fields.Nested(GrantDocument))


class StateAnswer(Schema):
    """Whether the service is there."""

    state = fields.String()


class ProblemDocument(Schema):
    """Problem details (RFC 9457)."""

    type = fields.String()
    title = fields.String()
    status = fields.Integer()
    detail = fields.String()
