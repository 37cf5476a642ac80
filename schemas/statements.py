"""Registrars' statements on the wire: DSSE envelopes, proposals, pages."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from schemas.values.fields import BoundedList, Cursor, QueryInteger

PAGE = 200
_MOST_SIGNATURES = 64


class EnvelopeSignatureSchema(Schema):
    """One registrar's signature."""

    keyid = fields.String(required=True, metadata={"description": "registrar/<id>"})
    sig = fields.String(required=True, metadata={"description": "base64, 64 bytes"})


class StatementEnvelopeSchema(Schema):
    """A DSSE envelope, for the API description; keys.statements.envelopes reads it."""

    payloadType = fields.String(required=True)  # noqa: N815 - DSSE names it so
    payload = fields.String(required=True, metadata={"description": "base64 of canonical JSON"})
    signatures = BoundedList(
        fields.Nested(EnvelopeSignatureSchema), required=True, validate=validate.Length(max=_MOST_SIGNATURES)
    )


class StatementAnswerSchema(Schema):
    """Where a statement stands."""

    state = fields.String(required=True, validate=validate.OneOf(["collecting", "effective", "superseded"]))
    signatures = fields.Integer(required=True)
    quorum = fields.Integer(required=True)


class ProposalSchema(Schema):
    """A draft that wants signatures."""

    proposal_id = fields.String(required=True)
    payload = fields.String(required=True)
    type = fields.String(required=True)
    subject = fields.String(required=True)
    signatures = fields.Integer(required=True)


class ProposalsSchema(Schema):
    """All drafts."""

    proposals = fields.List(fields.Nested(ProposalSchema), required=True)


class StatementsQuery(Schema):
    """Where to go on."""

    cursor = Cursor(load_default=None)
    limit = QueryInteger(1, PAGE, load_default=PAGE)


class StatementsPageSchema(Schema):
    """Statements in force, in the order in which they came into force."""

    statements = fields.List(fields.Nested(StatementEnvelopeSchema), required=True)
    next = fields.String(required=True, allow_none=True)
