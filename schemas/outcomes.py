"""Outcomes and assessments on the wire. Codes and figures alone: free text could tell of a report. A figure that nobody
reported is null, never zero. Unknown fields are refused.
"""

from __future__ import annotations

from marshmallow import Schema, fields, validate

from schemas.terms import (
    AccountAction,
    CrimeOutcome,
    DisruptionLevel,
    InternalInvestigation,
    MemberKind,
    OutcomeObject,
    Usefulness,
)
from schemas.values.fields import (
    Base64,
    BoundedInteger,
    Identifier,
    OwnId,
    QueryInteger,
    QueryText,
    TrueOrFalse,
    code_of,
)

OUTCOMES_PAGE = 100
MOST_PEOPLE = 100_000
MOST_POUNDS = 10**12
_UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"


class FiguresSchema(Schema):
    """What came of something; null for what is not reported. Sums are in whole pounds: restrained for the time being,
    forfeited for good, repatriated to those who lost them. `outcome_code` is the Home Office's.
    """

    usefulness = code_of(Usefulness, required=True, allow_none=True)
    internal_investigation = code_of(InternalInvestigation, required=True, allow_none=True)
    account_action = code_of(AccountAction, required=True, allow_none=True)
    arrests = BoundedInteger(0, MOST_PEOPLE, required=True, allow_none=True)
    charges = BoundedInteger(0, MOST_PEOPLE, required=True, allow_none=True)
    restrained_gbp = BoundedInteger(0, MOST_POUNDS, required=True, allow_none=True)
    forfeited_gbp = BoundedInteger(0, MOST_POUNDS, required=True, allow_none=True)
    repatriated_gbp = BoundedInteger(0, MOST_POUNDS, required=True, allow_none=True)
    disruption = code_of(DisruptionLevel, required=True, allow_none=True)
    outcome_code = code_of(CrimeOutcome, required=True, allow_none=True)
    false_positive = TrueOrFalse(required=True, allow_none=True)
    harm_to_customer = TrueOrFalse(required=True, allow_none=True)


class NewOutcomeSchema(FiguresSchema):
    """What came of a hit, a request or a query that the member was told of. The client makes the id."""

    outcome_id = OwnId(required=True)
    object = code_of(OutcomeObject, required=True)
    object_id = QueryText(_UUID, required=True)


class OutcomeStandingSchema(Schema):
    """That an outcome is kept, and the log's event of it. To whom it goes is not told."""

    outcome_id = fields.UUID(required=True)
    event_id = fields.UUID(required=True)


class RecordedOutcomeSchema(FiguresSchema):
    """One's own outcome."""

    outcome_id = fields.UUID(required=True)
    object = code_of(OutcomeObject, required=True)
    object_id = fields.UUID(required=True)
    recorded_at = fields.DateTime(required=True)


class ReceivedOutcomeSchema(FiguresSchema):
    """An outcome that another member recorded and that concerns one's own rows (`tokens`). Who it was is told by
    name only to a member that knows it already from an answered request, and to others by kind where enough members of
    a group are of that kind.
    """

    outcome_id = fields.UUID(required=True)
    tokens = fields.List(Base64(32), required=True)
    recorder_kind = code_of(MemberKind, required=True, allow_none=True)
    recorder = Identifier(required=True, allow_none=True)
    told_at = fields.DateTime(required=True)


class RecordedPageSchema(Schema):
    """One page of one's own outcomes, and the log's event of this reading."""

    outcomes = fields.List(fields.Nested(RecordedOutcomeSchema), required=True)
    next = fields.String(required=True, allow_none=True)
    event_id = fields.UUID(required=True)


class ReceivedPageSchema(Schema):
    """One page of others' outcomes, and the log's event of this reading."""

    outcomes = fields.List(fields.Nested(ReceivedOutcomeSchema), required=True)
    next = fields.String(required=True, allow_none=True)
    event_id = fields.UUID(required=True)


class OutcomesQuery(Schema):
    """Where to go on."""

    cursor = QueryText(_UUID, load_default=None)
    limit = QueryInteger(1, OUTCOMES_PAGE, load_default=OUTCOMES_PAGE)


class AssessmentSchema(Schema):
    """A member's own assessment of a hit: which checks were made, and what it decided. A hit alone decides nothing."""

    assessment_id = OwnId(required=True)
    hit_id = QueryText(_UUID, required=True)
    other_sources = TrueOrFalse(required=True)
    vulnerability_checked = TrueOrFalse(required=True)
    keep_open_checked = TrueOrFalse(required=True)
    decision = fields.String(required=True, validate=validate.OneOf([code.value for code in AccountAction]))


class AssessmentStandingSchema(Schema):
    """That an assessment is kept, and the log's event of it."""

    assessment_id = fields.UUID(required=True)
    event_id = fields.UUID(required=True)
