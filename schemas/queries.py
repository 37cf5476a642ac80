"""Law-enforcement queries on the wire. Unknown fields are refused."""

from __future__ import annotations

from typing import Any

from marshmallow import Schema, ValidationError, fields, validate, validates_schema

from schemas.terms import (
    Classification,
    Handling,
    IndicatorType,
    InstitutionBand,
    QueryState,
    TrafficLight,
)
from schemas.values.encoding import to_base64
from schemas.values.fields import (
    Base64,
    BoundedList,
    OwnId,
    Prose,
    QueryInteger,
    QueryText,
    RepresentativeId,
    Text,
    TrueOrFalse,
    code_of,
)

MAX_TOKENS = 500
MAX_CASE = 64
MAX_PROSE = 2000
_MAX_CODE = 64
QUERIES_PAGE = 50
_DAY = "%Y-%m-%d"
SALT_BYTES = 32
_SEALED = {"description": "texts, sealed to the reader's member (base64); null where it was enrolled later"}


def result_to_wire(token: bytes, indicator_type: str, hit_id: str, finding: dict[str, Any] | None) -> dict[str, Any]:
    """The JSON object of one result; `finding` has its fields from institutions to handling, None for no
    hit.
    """
    nothing: dict[str, Any] = {
        **{"institutions": [], "band": None, "themes": [], "first_seen": None},
        **{"protected": False, "handling": None},
    }
    return {
        **(nothing if finding is None else finding),
        "token": to_base64(token),
        "indicator_type": indicator_type,
        "hit": finding is not None,
        "hit_id": None if finding is None else hit_id,
    }


class AskQuerySchema(Schema):
    """A query as the agency asks it: `types` are those of `tokens`, one for one. Dates are the last day of each."""

    query_id = OwnId(required=True)
    tokens = BoundedList(Base64(32), required=True, validate=validate.Length(1, MAX_TOKENS))
    types = BoundedList(code_of(IndicatorType), required=True, validate=validate.Length(1, MAX_TOKENS))
    # What is empty is read here and refused by the rules, so that the refusal is recorded.
    case = Text(MAX_CASE, least=0, required=True)
    legal_gateway = Text(_MAX_CODE, least=0, required=True)
    purpose = Prose(MAX_PROSE, required=True)
    necessity = Prose(MAX_PROSE, required=True, allow_none=True)
    proportionality = Prose(MAX_PROSE, required=True, allow_none=True)
    # Random: what is kept of the texts is their digest with it, and nobody guesses them from that.
    salt = Base64(SALT_BYTES, required=True)
    authorised_by = RepresentativeId(required=True)
    covert = TrueOrFalse(required=True)
    until = fields.Date(required=True, allow_none=True, format=_DAY)
    watch_until = fields.Date(required=True, allow_none=True, format=_DAY)
    silent = TrueOrFalse(required=True)

    @validates_schema
    def check_tokens(self, data: dict[str, Any], **_: Any) -> None:
        """Each token once, and a type for each."""
        if len(set(data["tokens"])) != len(data["tokens"]):
            raise ValidationError("duplicate token", "tokens")
        if len(data["types"]) != len(data["tokens"]):
            raise ValidationError("expected one type for each token", "types")


class ApproveQuerySchema(Schema):
    """What the officer agrees to: the digest of the terms as they were read (schemas/query_terms.py)."""

    terms_sha256 = Base64(32, required=True)


class ExtendQuerySchema(Schema):
    """A later last day, and why; with `watch_until`, a later last day of its watch, and then `until` may be the present
    one.
    """

    until = fields.Date(required=True, format=_DAY)
    watch_until = fields.Date(load_default=None, allow_none=True, format=_DAY)
    reason = Prose(MAX_PROSE, required=True)
    salt = Base64(SALT_BYTES, required=True)


class QueriesQuery(Schema):
    """Which queries, and where to go on."""

    state = code_of(QueryState, load_default=None)
    cursor = QueryText(r"[0-9a-f-]{36}", load_default=None)
    limit = QueryInteger(1, QUERIES_PAGE, load_default=QUERIES_PAGE)


class QueryStandingSchema(Schema):
    """How a query stands after a step."""

    query_id = fields.UUID(required=True)
    state = code_of(QueryState, required=True)
    until = fields.Date(required=True, format=_DAY)
    watch_until = fields.Date(required=True, allow_none=True, format=_DAY)


class OtherAgencySchema(Schema):
    """An agency that is about the same subject, and its authorising officer."""

    agency = fields.String(required=True)
    officer = fields.String(required=True)
    tokens = fields.List(fields.String(), required=True, metadata={"description": "those of ours that both ask about"})


class ExtensionSchema(Schema):
    """That a query, or its watch, was let last longer: by whom, and why."""

    by = fields.String(required=True)
    former_until = fields.Date(required=True, format=_DAY)
    until = fields.Date(required=True, format=_DAY)
    watch_until = fields.Date(
        required=True, allow_none=True, format=_DAY, metadata={"description": "if it went on too"}
    )
    reason_sha256 = fields.String(required=True)
    sealed = fields.String(required=True, allow_none=True, metadata=_SEALED)


class QueryHeadSchema(QueryStandingSchema):
    """A query without its results. `subjects` counts what it asks about."""

    agency = fields.String(required=True)
    subjects = fields.Integer(required=True)
    legal_gateway = fields.String(required=True)
    paperwork_sha256 = fields.String(required=True)
    sealed = fields.String(required=True, allow_none=True, metadata=_SEALED)
    asked_by = fields.String(required=True)
    authorised_by = fields.String(required=True)
    covert = fields.Boolean(required=True)
    silent = fields.Boolean(required=True)
    created_at = fields.DateTime(required=True)
    decided_at = fields.DateTime(required=True, allow_none=True)
    deconfliction = fields.Boolean(required=True)
    others = fields.List(fields.Nested(OtherAgencySchema), required=True)


class QueryHandlingSchema(Schema):
    """The strictest marking of the rows behind a result, and every condition of theirs."""

    classification = code_of(Classification, required=True)
    tlp = code_of(TrafficLight, required=True)
    handling = code_of(Handling, required=True)
    conditions = fields.String(required=True)


class QueryResultSchema(Schema):
    """What is told of one token. `institutions` are members' ids where the gateway allows names; `band` counts them.
    `protected` says that one of them holds the subject for a victim or an unwitting mule.
    """

    token = fields.String(required=True, metadata={"description": "base64, 32 bytes"})
    indicator_type = code_of(IndicatorType, required=True)
    hit = fields.Boolean(required=True)
    institutions = fields.List(fields.String(), required=True)
    band = code_of(InstitutionBand, required=True, allow_none=True)
    themes = fields.List(fields.String(), required=True)
    first_seen = fields.String(required=True, allow_none=True, metadata={"description": "YYYY-MM or other"})
    protected = fields.Boolean(required=True)
    handling = fields.Nested(QueryHandlingSchema, required=True, allow_none=True)
    hit_id = fields.UUID(required=True, allow_none=True)


class QuerySchema(QueryHeadSchema):
    """A query whole: `results` in the order in which it was asked, null unless it stands. `tokens` and `types` are null
    for an independent reviewer.
    """

    extensions = fields.List(fields.Nested(ExtensionSchema), required=True)
    subjects_sha256 = fields.String(required=True)
    tokens = fields.List(fields.String(), required=True, allow_none=True)
    types = fields.List(code_of(IndicatorType), required=True, allow_none=True)
    results = fields.List(fields.Nested(QueryResultSchema), required=True, allow_none=True)
    event_id = fields.UUID(required=True)


class QueriesPageSchema(Schema):
    """One page of queries."""

    queries = fields.List(fields.Nested(QueryHeadSchema), required=True)
    next = fields.String(required=True, allow_none=True)
    event_id = fields.UUID(required=True)
