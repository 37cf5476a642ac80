"""Information requests on the wire: what is asked of the holders of an indicator, what each of them answers, and the
legal gateways as data, so that a client can say what is missing before it asks. Unknown fields are refused.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from marshmallow import Schema, ValidationError, fields, validate

from schemas.terms import (
    Classification,
    Direction,
    EvidenceStandard,
    GatewayCondition,
    Handling,
    LegalGateway,
    MemberKind,
    RefusalReason,
    RequestField,
    RequestMode,
    RequestOutcome,
    RequestState,
    Theme,
    TrafficLight,
    Urgency,
)
from schemas.values.canonical import canonical_json
from schemas.values.encoding import from_base64, from_rfc3339, to_base64
from schemas.values.fields import (
    Base64,
    BoundedList,
    Identifier,
    OwnId,
    Prose,
    QueryInteger,
    QueryText,
    RepresentativeId,
    Text,
    TrueOrFalse,
    code_of,
)

MAX_STATEMENT = 2000
"""Signs of a purpose, a necessity or a proportionality."""
_MAX_CODE, _MAX_CODES = 64, 16
_MAX_CONDITIONS = 65_536
"""Signs of all conditions together of the rows of one answer."""
REQUESTS_PAGE = 100
MOST_SUBMISSIONS = 1000
"""Of which an answer tells: a holder has one live row of a token in each group."""
SEALED_SIZES = (4096, 16_384, 65_536)
"""How many bytes a sealed answer has as a whole, encapsulated key and tags included: what is inside is padded, so that
its length says nothing, not even which suite sealed it.
"""
_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class WrittenMoment(fields.String):
    """An RFC 3339 time in UTC, kept as it was written, since a proof covers it."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            from_rfc3339(text)
        except ValueError as error:
            raise ValidationError("expected 2026-11-22T10:00:00Z") from error
        return text


class Sealed(fields.String):
    """Canonical base64 of bytes that only the receiver can open, given as bytes."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            data = from_base64(text)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        if len(data) not in SEALED_SIZES:
            raise ValidationError(f"padded to one of {SEALED_SIZES} bytes")
        return data


ANSWER_DOMAIN = b"exchange-answer-v1\0"
PREPARED_DOMAIN = b"exchange-prepared-answer-v1\0"


def answer_to_sign(
    *,
    request_id: str,
    holder: str,
    requester: str | None,
    outcome: str,
    told: Sequence[str],
    refusal_reason: str | None,
    sealed: bytes | None,
    marking: Mapping[str, Any] | None,
    prepared: Mapping[str, Any] | None = None,
) -> bytes:
    """What the authoriser signs (Ed25519): the domain, then canonical JSON. Holder and requester are members' ids, of
    who tells and who is told: of an offer its sender and the holder that took it up. The requester is null where a
    holder refuses an offer that it has not taken up. `told` has the fields in the order of the answer,
    `prepared` is that of the answer, with the preparer's signature.
    """
    signed = {
        "request_id": request_id,
        "holder": holder,
        "requester": requester,
        "outcome": outcome,
        "fields": list(told),
        "refusal_reason": refusal_reason,
        "sealed_sha256": None if sealed is None else to_base64(hashlib.sha256(sealed).digest()),
        "marking": None if marking is None else dict(marking),
        "prepared": None if prepared is None else dict(prepared),
    }
    return ANSWER_DOMAIN + canonical_json(signed)


def prepared_to_sign(
    *,
    request_id: str,
    holder: str,
    requester: str | None,
    outcome: str,
    told: Sequence[str],
    refusal_reason: str | None,
    details_commitment: bytes | None,
    marking: Mapping[str, Any] | None,
    confirmations: Iterable[str],
    submissions: Iterable[str],
    prepared_at: str,
) -> bytes:
    """What whoever prepares an answer for another person to send signs (Ed25519): the domain, then canonical JSON.
    `details_commitment` is HMAC-SHA256 of the details, in canonical JSON, under a salt of 32 bytes that is sealed with
    them: the exchange learns nothing of them by it, and whoever opens them sees that they are those prepared.
    `prepared_at` is the time as it is written on the wire (RFC 3339, UTC).
    """
    signed = {
        "request_id": request_id,
        "holder": holder,
        "requester": requester,
        "outcome": outcome,
        "fields": list(told),
        "refusal_reason": refusal_reason,
        "details_commitment": None if details_commitment is None else to_base64(details_commitment),
        "marking": None if marking is None else dict(marking),
        "confirmations": sorted(confirmations),
        "submissions": sorted(submissions),
        "prepared_at": prepared_at,
    }
    return PREPARED_DOMAIN + canonical_json(signed)


def _submissions(**more: Any) -> BoundedList:
    return BoundedList(OwnId(), validate=validate.Length(max=MOST_SUBMISSIONS), **more)


def _statement() -> Prose:
    # An empty one is read here and refused by the rules, so that the refusal is recorded; so are empty lists and codes.
    return Prose(MAX_STATEMENT, required=True)


def _code(**rest: Any) -> Text:
    """A code that the rules judge, so that the refusal of an unknown one is recorded."""
    return Text(_MAX_CODE, least=0, **rest)


def _codes(most: int, **rest: Any) -> Any:
    return BoundedList(_code(), validate=validate.Length(max=most), **rest)


class PriorNoticeSchema(Schema):
    """The notice that was given to the NCA before: its reference there, and when it was given."""

    reference = Text(64, required=True)
    given_at = WrittenMoment(required=True)


class RequestTermsSchema(Schema):
    """What a proof of holding covers: the request as it was sent, but for the proof itself."""

    request_id = OwnId(required=True)
    hit_id = QueryText(_UUID, required=True)
    mode = _code(required=True)
    legal_gateway = _code(required=True)
    condition = _code(required=True, allow_none=True)
    purpose = _statement()
    necessity = _statement()
    proportionality = _statement()
    wanted = _codes(_MAX_CODES, required=True, data_key="fields")
    urgency = _code(required=True)
    confirmations = _codes(_MAX_CODES, required=True)
    nca_notice = fields.Nested(PriorNoticeSchema, required=True, allow_none=True)


class NewRequestSchema(RequestTermsSchema):
    """A request to all who hold what the hit is about. The client makes `request_id`, since the proof covers it."""

    proof = Base64(32, required=True)


class RequestStandingSchema(Schema):
    """How a request stands after a step."""

    request_id = fields.UUID(required=True)
    state = code_of(RequestState, required=True)
    due_at = fields.DateTime(required=True)


class MarkingSchema(Schema):
    """The most restrictive marking of the rows that something rests on, and every condition that goes with it, a line
    each. The subject is protected if any of the rows is about a victim or an unwitting mule.
    """

    classification = code_of(Classification, required=True)
    tlp = code_of(TrafficLight, required=True)
    handling = code_of(Handling, required=True)
    conditions = Prose(_MAX_CONDITIONS, required=True)
    protected_subject = TrueOrFalse(required=True)


class PreparedSchema(Schema):
    """Who prepared an answer that another person of the same member sends. The commitment goes with `full` and
    `partial`.
    """

    representative_id = RepresentativeId(required=True)
    signature = Base64(64, required=True)
    details_commitment = Base64(32, required=True, allow_none=True)
    prepared_at = WrittenMoment(required=True)


class GivenPreparedSchema(Schema):
    """The same as it is read."""

    representative_id = RepresentativeId(required=True)
    signature = fields.String(required=True, metadata={"description": "base64, 64 bytes"})
    details_commitment = fields.String(required=True, allow_none=True, metadata={"description": "base64, 32 bytes"})
    prepared_at = fields.DateTime(required=True)


class AnswerSchema(Schema):
    """A holder's answer, or the release of an offer to the holder `to`. `sealed` and `marking` go with `full` and
    `partial`, a reason with `refused`, and nothing with `no_trace`. The signature is always given: the authoriser's,
    over the answer (docs/wire-format.md). `submissions` names the discloser's own submissions that the details are
    taken from, of those that the request names; it is told to nobody.
    """

    to = Identifier(required=True, allow_none=True)
    outcome = code_of(RequestOutcome, required=True)
    told = BoundedList(
        code_of(RequestField), required=True, data_key="fields", validate=validate.Length(max=len(RequestField))
    )
    refusal_reason = code_of(RefusalReason, required=True, allow_none=True)
    sealed = Sealed(required=True, allow_none=True)
    marking = fields.Nested(MarkingSchema, required=True, allow_none=True)
    confirmations = _codes(_MAX_CODES, required=True)
    signature = Base64(64, required=True)
    submissions = _submissions(required=True)
    prepared = fields.Nested(PreparedSchema, required=True, allow_none=True)


class GivenAnswerSchema(Schema):
    """An answer as either side reads it. Which `institution` tells which `recipient` is said with `full` and
    `partial` alone. The marking is the one that the signature covers.
    """

    outcome = code_of(RequestOutcome, required=True)
    institution = Identifier(required=True, allow_none=True)
    recipient = Identifier(required=True, allow_none=True)
    representative_id = RepresentativeId(required=True, allow_none=True)
    told = fields.List(code_of(RequestField), required=True, data_key="fields")
    refusal_reason = code_of(RefusalReason, required=True, allow_none=True)
    sealed = fields.String(
        required=True, allow_none=True, metadata={"description": "base64; null once purged, withdrawn or out of reach"}
    )
    sealed_sha256 = fields.String(required=True, allow_none=True, metadata={"description": "base64, 32 bytes"})
    signature = fields.String(required=True, allow_none=True, metadata={"description": "base64, 64 bytes"})
    marking = fields.Nested(MarkingSchema, required=True, allow_none=True)
    prepared = fields.Nested(GivenPreparedSchema, required=True, allow_none=True)
    answered_at = fields.DateTime(required=True, allow_none=True)
    withdrawn = fields.Boolean(
        required=True, metadata={"description": "the holder has taken back a row that the answer tells of"}
    )


class ListedRequestSchema(RequestStandingSchema):
    """One request of a list. `token` (base64) finds the reader's own row. Of an incoming request that is not taken up
    this is all that a holder sees.
    """

    direction = code_of(Direction, required=True)
    token = fields.String(required=True, metadata={"description": "base64, 32 bytes"})
    requester_kind = code_of(MemberKind, required=True)
    mode = code_of(RequestMode, required=True)
    legal_gateway = code_of(LegalGateway, required=True)
    urgency = code_of(Urgency, required=True)


class WaitingSchema(Schema):
    """A holder that took up an offer, and those of the sender's submissions that it may be told of."""

    institution = Identifier(required=True)
    submissions = fields.List(fields.UUID(), required=True)


class RequestSchema(ListedRequestSchema):
    """A request as one member may read it. To a holder who has not taken it up, `requester`, `encryption_key`, `terms`,
    `proof` and `marking` are null; `answers` are the requester's to read, and of a holder its own, or what it was told.
    `submissions` names, to a holder that has taken it up, those of its own submissions whose live rows the request is
    about: those in groups in which the requester holds it too. `waiting` are those that took up an offer of the
    reader's and were not told yet.
    """

    requester = Identifier(required=True, allow_none=True)
    requested_by = RepresentativeId(required=True, allow_none=True)
    encryption_key = fields.String(required=True, allow_none=True, metadata={"description": "base64"})
    terms = fields.Nested(RequestTermsSchema, required=True, allow_none=True)
    proof = fields.String(required=True, allow_none=True, metadata={"description": "base64, 32 bytes"})
    marking = fields.Nested(MarkingSchema, required=True, allow_none=True)
    taken_up = fields.Boolean(
        required=True, metadata={"description": "whether any holder has taken it up, of one's own: whether oneself has"}
    )
    waiting = fields.List(fields.Nested(WaitingSchema), required=True)
    answers = fields.List(fields.Nested(GivenAnswerSchema), required=True)
    submissions = fields.List(fields.UUID(), required=True, allow_none=True)
    event_id = fields.UUID(required=True)


class RequestsQuery(Schema):
    """Which requests, and where to go on."""

    direction = fields.String(load_default=None, validate=validate.OneOf([code.value for code in Direction]))
    state = fields.String(load_default=None, validate=validate.OneOf([code.value for code in RequestState]))
    cursor = QueryText(_UUID, load_default=None)
    limit = QueryInteger(1, REQUESTS_PAGE, load_default=REQUESTS_PAGE)


class RequestsPageSchema(Schema):
    """One page of requests, and the log's event of this reading."""

    requests = fields.List(fields.Nested(ListedRequestSchema), required=True)
    next = fields.String(required=True, allow_none=True)
    event_id = fields.UUID(required=True)


class ModeConditionSchema(Schema):
    """The condition that a request in one mode meets, and has to name."""

    mode = code_of(RequestMode, required=True)
    condition = code_of(GatewayCondition, required=True)


class PartiesSchema(Schema):
    """Who may disclose to whom."""

    disclosers = fields.List(code_of(MemberKind), required=True)
    recipients = fields.List(code_of(MemberKind), required=True)


class StatementSchema(Schema):
    """A field that must be filled in, and the question that it answers."""

    field = fields.String(required=True)
    question = fields.String(required=True)


class GatewayNoticeSchema(Schema):
    """A notice that must have been given before. `template` has `{placeholders}` that a member fills in at home."""

    field = fields.String(required=True)
    addressee = fields.String(required=True)
    within_days = fields.Integer(required=True)
    report_days = fields.Integer(required=True)
    template = fields.String(required=True)
    placeholders = fields.List(fields.String(), required=True)


class ConfirmationSchema(Schema):
    """What whoever discloses confirms: one of the codes. `condition` null: whichever is claimed."""

    codes = fields.List(fields.String(), required=True)
    question = fields.String(required=True)
    condition = code_of(GatewayCondition, required=True, allow_none=True)


class GatewaySchema(Schema):
    """One legal gateway: what it takes. A mode without a condition names none. `recipients` are the members to whom
    alone may be disclosed, null for all of the right kind; `onward` goes with all that is.
    """

    code = code_of(LegalGateway, required=True)
    citation = fields.String(required=True)
    parties = fields.List(fields.Nested(PartiesSchema), required=True)
    modes = fields.List(fields.String(), required=True, metadata={"description": "modes of requests, and `query`"})
    conditions = fields.List(fields.Nested(ModeConditionSchema), required=True)
    statements = fields.List(fields.Nested(StatementSchema), required=True)
    confirmations = fields.List(fields.Nested(ConfirmationSchema), required=True)
    recipients = fields.List(Identifier(), required=True, allow_none=True)
    onward = fields.List(fields.String(), required=True)
    prior_notice = fields.Nested(GatewayNoticeSchema, required=True, allow_none=True)
    themes = fields.List(code_of(Theme), required=True)
    evidence_standards = fields.List(code_of(EvidenceStandard), required=True)


class GatewaysSchema(Schema):
    """Every legal gateway, and the minutes that each urgency gives a holder."""

    gateways = fields.List(fields.Nested(GatewaySchema), required=True)
    urgency_minutes = fields.Dict(keys=code_of(Urgency), values=fields.Integer(), required=True)
