"""Alerts on the wire: what an author writes, what readers are shown, and what they say to it. Unknown fields are
refused.
"""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, fields, validate

from schemas.terms import (
    AlertColour,
    AlertState,
    Classification,
    LegalGateway,
    MemberKind,
    Theme,
    TrafficLight,
)
from schemas.values.fields import (
    BoundedList,
    Identifier,
    Moment,
    Prose,
    QueryInteger,
    QueryText,
    Text,
    TrueOrFalse,
    code_of,
)
from schemas.values.identifiers import REFERENCE

ALERTS_PAGE = 100
MAX_ITEMS = 100
"""Of any list in an alert."""
MAX_TEXT = 200 * 1024
UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


def _list_of(field: fields.Field[Any], least: int = 0) -> fields.List[Any]:
    return BoundedList(field, required=True, validate=validate.Length(least, MAX_ITEMS))


def _text_of(pattern: str, wanted: str) -> fields.String:
    return fields.String(required=True, validate=validate.Regexp(rf"(?:{pattern})\Z", error=wanted))


class AudienceSchema(Schema):
    """Active members of one of the groups that are of one of the kinds; no kind means every kind."""

    # An empty audience is read here and refused by the rules, so that the refusal is recorded; so below.
    groups = _list_of(Identifier())
    kinds = _list_of(code_of(MemberKind))


class CaseStudySchema(Schema):
    """An example of what happened; `text` is Markdown."""

    title = Text(200, required=True)
    text = Prose(MAX_TEXT, least=1, required=True)


class SourceSchema(Schema):
    """What an alert draws on, and how widely that may be shared."""

    reference = Text(200, required=True)
    tlp = code_of(TrafficLight, required=True)


class PublishedAccountSchema(Schema):
    """An account that the author names."""

    iban = _text_of(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}", "expected an IBAN in capitals without blanks")
    sort_code = _text_of(r"([0-9]{6})?", "expected six digits, or nothing for an account outside the UK")
    account_number = _text_of(r"([0-9]{8})?", "expected eight digits, or nothing for an account outside the UK")
    bic = _text_of(r"([A-Z0-9]{8}([A-Z0-9]{3})?)?", "expected a BIC of 8 or 11 signs, or nothing")


class AlertContentSchema(Schema):
    """What an author writes. `overview`, the texts of case studies, `requested_action` and `body` are Markdown
    (CommonMark without HTML and images), the rest is plain text.
    """

    title = Text(200, required=True)
    colour = code_of(AlertColour, required=True)
    classification = code_of(Classification, required=True)
    tlp = code_of(TrafficLight, required=True)
    conditions = Prose(2000, required=True)
    theme = code_of(Theme, required=True)
    audience = fields.Nested(AudienceSchema, required=True)
    overview = Prose(MAX_TEXT, least=1, required=True)
    red_flags = _list_of(Text(1000))
    case_studies = _list_of(fields.Nested(CaseStudySchema))
    requested_action = Prose(MAX_TEXT, required=True)
    body = Prose(MAX_TEXT, required=True)
    legal_gateway = fields.String(required=True, validate=validate.OneOf(["", *(code.value for code in LegalGateway)]))
    purpose = Prose(2000, required=True)
    sources = _list_of(fields.Nested(SourceSchema))
    accounts = _list_of(fields.Nested(PublishedAccountSchema))
    supersedes = _text_of(f"({REFERENCE})?", "expected the reference of an alert, or nothing")
    review_by = fields.Date(required=True, format="%Y-%m-%d")
    expires_on = fields.Date(required=True, format="%Y-%m-%d")


class ReleaseSchema(Schema):
    """When to publish: at that time, or now for null."""

    at = Moment(required=True, allow_none=True, metadata={"description": "RFC 3339 in UTC; null for now"})


class WithdrawalSchema(Schema):
    """Why an alert is taken back; every recipient reads it."""

    reason = Prose(2000, required=True)


class AcknowledgementSchema(Schema):
    """What a member says to an alert: read, put to use or not, and what came of it."""

    implemented = TrueOrFalse(required=True)
    feedback = Prose(20_000, required=True)


class EmptySchema(Schema):
    """An object without fields."""


class AlertsQuery(Schema):
    """Where to go on, in which state, and of which reference."""

    cursor = QueryText(UUID, load_default=None)
    limit = QueryInteger(1, ALERTS_PAGE, load_default=ALERTS_PAGE)
    state = fields.String(load_default=None, validate=validate.OneOf([code.value for code in AlertState]))
    reference = QueryText(REFERENCE, load_default=None)


class AlertStandingSchema(Schema):
    """How an alert stands after a step."""

    alert_id = fields.UUID(required=True)
    reference = fields.String(required=True)
    state = code_of(AlertState, required=True)


class OwnResponseSchema(Schema):
    """What the reading member said to an alert, to which version of it last."""

    version = fields.Integer(required=True)
    acknowledged_at = fields.DateTime(required=True)
    implemented_at = fields.DateTime(required=True, allow_none=True)
    feedback = fields.String(required=True)


class ListedAlertSchema(AlertStandingSchema):
    """One alert of a list. `member_id` issued it, `issuer` is its name; `acknowledged` says whether the reading member
    did.
    """

    member_id = Identifier(required=True)
    issuer = fields.String(required=True)
    version = fields.Integer(required=True)
    title = fields.String(required=True)
    colour = code_of(AlertColour, required=True)
    classification = code_of(Classification, required=True)
    tlp = code_of(TrafficLight, required=True)
    theme = code_of(Theme, required=True)
    published_at = fields.DateTime(required=True, allow_none=True)
    modified_at = fields.DateTime(required=True)
    expires_on = fields.Date(required=True)
    acknowledged = fields.Boolean(required=True)


class AlertsPageSchema(Schema):
    """One page of alerts, and the log's event of this reading."""

    alerts = fields.List(fields.Nested(ListedAlertSchema), required=True)
    next = fields.String(required=True, allow_none=True)
    event_id = fields.UUID(required=True)


class StepsSchema(Schema):
    """Who of the issuing member did what, and when it is to be published; the issuer alone reads it."""

    author = fields.String(required=True)
    reviewer = fields.String(required=True, allow_none=True)
    releaser = fields.String(required=True, allow_none=True)
    publish_at = fields.DateTime(required=True, allow_none=True)


class AlertSchema(AlertStandingSchema):
    """An alert as a member reads it. `content_sha256` (base64) is that of the canonical content without its audience;
    of the audience's groups a reader sees those that it is in. Of a withdrawn alert `content` keeps its handling, codes
    and dates alone.
    """

    member_id = Identifier(required=True)
    issuer = fields.String(required=True)
    version = fields.Integer(required=True)
    content = fields.Nested(AlertContentSchema, required=True)
    content_sha256 = fields.String(required=True)
    created_at = fields.DateTime(required=True)
    modified_at = fields.DateTime(required=True)
    published_at = fields.DateTime(required=True, allow_none=True)
    reason = fields.String(required=True)
    superseded_by = fields.String(required=True)
    response = fields.Nested(OwnResponseSchema, required=True, allow_none=True)
    steps = fields.Nested(StepsSchema, required=True, allow_none=True)
    event_id = fields.UUID(required=True)


class ResponseSchema(OwnResponseSchema):
    """What one member said to an alert."""

    member_id = Identifier(required=True)


class ResponsesSchema(Schema):
    """What members said to an alert, by member."""

    responses = fields.List(fields.Nested(ResponseSchema), required=True)
    event_id = fields.UUID(required=True)
