"""Outcomes and assessments on the wire. Codes and figures alone: free text could tell of a report. A figure that nobody
reported is null, never zero.
"""

from __future__ import annotations

from typing import Annotated

from schemas.terms import (
    AccountAction,
    CrimeOutcome,
    DisruptionLevel,
    InternalInvestigation,
    MemberKind,
    OutcomeObject,
    Usefulness,
)
from schemas.values.message import (
    DigestText,
    Flag,
    Form,
    Identifier,
    Message,
    OwnId,
    Time,
    Uuid,
    UuidText,
    one_of,
)

OUTCOMES_PAGE = 100
MAX_PEOPLE = 100_000
MAX_POUNDS = 10**12

People = Annotated[int, Form("BoundedInteger", 0, MAX_PEOPLE)]
Pounds = Annotated[int, Form("BoundedInteger", 0, MAX_POUNDS)]


class Figures(Message, frozen=True):
    """What came of something; None for what is not reported. Sums are in whole pounds: restrained for the time being,
    forfeited for good, repatriated to those who lost them. `outcome_code` is the Home Office's.
    """

    usefulness: Annotated[str, one_of(Usefulness)] | None
    internal_investigation: Annotated[str, one_of(InternalInvestigation)] | None
    account_action: Annotated[str, one_of(AccountAction)] | None
    arrests: People | None
    charges: People | None
    restrained_gbp: Pounds | None
    forfeited_gbp: Pounds | None
    repatriated_gbp: Pounds | None
    disruption: Annotated[str, one_of(DisruptionLevel)] | None
    outcome_code: Annotated[str, one_of(CrimeOutcome)] | None
    false_positive: Flag | None
    harm_to_customer: Flag | None


FIGURES = Figures.__struct_fields__
NOTHING_REPORTED = Figures(**dict.fromkeys(FIGURES))


class NewOutcome(Figures, frozen=True):
    """What came of a hit, a request or a query that was disclosed to the member. The client makes the id."""

    outcome_id: OwnId
    object: Annotated[str, one_of(OutcomeObject)]
    object_id: UuidText


class OutcomeStatus(Message, frozen=True):
    """That an outcome is kept, and the log's event of it. Its recipients are not disclosed."""

    outcome_id: Uuid
    event_id: Uuid


class RecordedOutcome(Figures, frozen=True):
    """One's own outcome."""

    outcome_id: Uuid
    object: Annotated[str, one_of(OutcomeObject)]
    object_id: Uuid
    recorded_at: Time


class ReceivedOutcome(Figures, frozen=True):
    """An outcome that another member recorded and that concerns one's own rows (`tokens`). Who it was is disclosed by
    name only to a member that knows it already from an answered request, and to others by kind where enough members of
    a group are of that kind.
    """

    outcome_id: Uuid
    tokens: list[DigestText]
    recorder_kind: Annotated[str, one_of(MemberKind)] | None
    recorder: Identifier | None
    told_at: Time


class RecordedPage(Message, frozen=True):
    """One page of one's own outcomes, and the log's event of this reading."""

    outcomes: list[RecordedOutcome]
    next: str | None
    event_id: Uuid


class ReceivedPage(Message, frozen=True):
    """One page of others' outcomes, and the log's event of this reading."""

    outcomes: list[ReceivedOutcome]
    next: str | None
    event_id: Uuid


class OutcomesQuery(Message, frozen=True):
    """Where to go on."""

    cursor: UuidText | None = None
    limit: Annotated[int, Form("QueryInteger", 1, OUTCOMES_PAGE)] = OUTCOMES_PAGE


class Checks(Message, frozen=True):
    """What a member looked at before it decided."""

    other_sources: Flag
    vulnerability_checked: Flag
    keep_open_checked: Flag


class NewAssessment(Checks, frozen=True):
    """A member's own assessment of a hit: which checks were made, and what it decided. A hit alone decides nothing."""

    assessment_id: OwnId
    hit_id: UuidText
    decision: Annotated[str, one_of(AccountAction)]


class AssessmentStatus(Message, frozen=True):
    """That an assessment is kept, and the log's event of it."""

    assessment_id: Uuid
    event_id: Uuid
