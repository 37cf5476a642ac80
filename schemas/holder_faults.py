"""Proved faults of key holders on the wire; keys/faults/report.py reads a report."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from schemas.statements import StatementEnvelopeSchema
from schemas.values.fields import Cursor


class SignedExchangeSchema(Schema):
    """A signed request to a key holder and its signed answer."""

    url = fields.String(required=True)
    asked = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    elements = fields.String(required=True, metadata={"description": "base64 of blinded elements, 32 bytes each"})
    status = fields.Integer(required=True)
    answered = fields.Dict(keys=fields.String(), values=fields.String(), required=True)
    body = fields.String(required=True, metadata={"description": "base64 of what the holder answered"})


class EvidenceSchema(Schema):
    """What a holder signed, and no honest one signs."""

    kind = fields.String(required=True, validate=validate.OneOf(["malformed", "wrong_proof", "wrong_answer"]))
    holder_id = fields.String(required=True)
    epoch = fields.Integer(required=True)
    answer = fields.Nested(SignedExchangeSchema, required=True)
    check = fields.Nested(SignedExchangeSchema, required=True, allow_none=True)
    seed = fields.String(required=True, allow_none=True, metadata={"description": "base64, 32 bytes"})


class FaultReportSchema(Schema):
    """A fault, and the registrars' statements that it is judged by."""

    evidence = fields.Nested(EvidenceSchema, required=True)
    epoch_statement = fields.Nested(StatementEnvelopeSchema, required=True)
    member_statement = fields.Nested(StatementEnvelopeSchema, required=True)


class TakenReportSchema(Schema):
    """What became of a report: `known` if the holder's fault was reported before."""

    report_id = fields.String(required=True)
    epoch = fields.Integer(required=True)
    holder_id = fields.String(required=True)
    state = fields.String(required=True, validate=validate.OneOf(["recorded", "known"]))


class HolderFaultsQuery(Schema):
    """Where to go on."""

    cursor = Cursor(load_default=None)


class ListedReportSchema(Schema):
    """A report that the exchange has verified; whoever reads it verifies it again."""

    report_id = fields.String(required=True)
    received_at = fields.String(required=True)
    report = fields.Nested(FaultReportSchema, required=True)


class HolderFaultsPageSchema(Schema):
    """One report, which may be some megabytes, or none; `next` is the cursor behind it."""

    reports = fields.List(fields.Nested(ListedReportSchema), required=True)
    next = fields.String(required=True, allow_none=True)
