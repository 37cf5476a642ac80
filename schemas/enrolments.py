"""Enrolment on the wire: the answer to a one-time code."""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from schemas.terms import Role
from schemas.values.fields import Base64, BoundedList, Identifier, RepresentativeId, code_of


class ClaimedRepresentativeSchema(Schema):
    """A representative, its Ed25519 key, its roles, and the proof that it holds the key."""

    representative_id = RepresentativeId(required=True)
    public_key = Base64(32, required=True)
    roles = BoundedList(code_of(Role), required=True, validate=validate.Length(1, len(Role)))
    proof = Base64(64, required=True)


class EnrolmentSchema(Schema):
    """The claim of a new member. `encryption_key` is ML-KEM-768's and X25519's (1,216 bytes), or X25519's alone."""

    code = fields.String(required=True, validate=validate.Regexp(r"[A-Za-z0-9_-]{32,65536}\Z"))
    member_id = Identifier(required=True)
    encryption_key = Base64(32, 1216, required=True)
    representatives = BoundedList(
        fields.Nested(ClaimedRepresentativeSchema), required=True, validate=validate.Length(1, 64)
    )


class EnrolmentAnswerSchema(Schema):
    """Where the enrolment stands."""

    state = fields.String(required=True, validate=validate.OneOf(["awaiting_registrars"]))
