"""Recording what became of intelligence, and a member's own assessment of a hit.

In order:
1. The object is something that was disclosed to the member; another's looks like what does not exist.
2. The rules decide (exchange.outcomes.rules): an exit requires an assessment of one's own, later than the last
   correction that the member received.
3. The contributors of the rows are notified in the same event, those of a covert query when its cover has ended; each
   by codes and figures, and by no more of the recorder than its kind, where enough are of that kind, unless it knows
   the recorder from an answered request. What it received of the kind stays: its list says what its log does.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.orm import Session

from exchange.indicators.derived import known_by_name
from exchange.indicators.hits import find_shown_hit
from exchange.indicators.store import find_past_rows
from exchange.indicators.withdrawal import decide_id
from exchange.kernel import outbox
from exchange.kernel.decision import Decision
from exchange.kernel.locks import lock_named
from exchange.kernel.session import Database
from exchange.log.acting import Request, UnknownObjectError, act_once, require
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership.store import kinds_of_members, list_reviewers, load_authority
from exchange.outcomes.rules import decide_assessment, decide_outcome, shown_kind
from exchange.outcomes.store import (
    Assessment,
    Outcome,
    Received,
    add_recipients,
    find_outcome,
    keep_recorder_kind,
    latest_assessment,
    list_released,
    mark_notified,
    received_of,
)
from exchange.outcomes.subjects import Subject, find_subject
from schemas.outcomes import (
    AssessmentStatus,
    Figures,
    NewAssessment,
    NewOutcome,
    OutcomeStatus,
    ReceivedOutcome,
)
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_base64, to_rfc3339
from schemas.values.message import narrowed

AT_ONCE = 500


def record_outcome(database: Database, request: Request, new: NewOutcome) -> tuple[OutcomeStatus, int]:
    """Keep the outcome and tell the contributors; what to answer. Raises as act_once does."""
    actor, now = request.actor, request.now
    figures = narrowed(new, Figures)

    def work(session: Session) -> OutcomeStatus:
        require(decide_id("outcome_id", is_free=find_outcome(session, new.outcome_id) is None))
        subject = find_subject(session, actor.member_id, new.object, new.object_id, now)
        require(_decide(session, actor.member_id, subject.hit_id, new.object, figures))
        outcome = Outcome(
            outcome_id=new.outcome_id,
            member_id=actor.member_id,
            representative_id=actor.representative_id,
            about=new.object,
            object_id=new.object_id,
            figures_json=canonical_json(msgspec.to_builtins(figures)).decode(),
            recorded_at=now,
        )
        session.add(outcome)
        session.flush()
        tokens = {one.token for one in subject.contributions}
        known = known_by_name(session, tokens, actor.member_id)
        add_recipients(session, new.outcome_id, subject.contributions, known, now)
        event_id = _record(session, request, outcome, subject)
        return OutcomeStatus(outcome_id=new.outcome_id, event_id=event_id)

    asked = {"asked": "outcome", "object": new.object, "object_id": new.object_id}
    return act_once(database, request, asked, work, 201, answer=OutcomeStatus)


def _decide(session: Session, member_id: str, hit_id: str | None, about: str, figures: Figures) -> Decision:
    latest = None if hit_id is None else latest_assessment(session, member_id, hit_id)
    if latest is None:
        return decide_outcome(figures, about, None)
    return decide_outcome(figures, about, latest.decision, is_overtaken=latest.overtaken_at is not None)


def _record(session: Session, request: Request, outcome: Outcome, subject: Subject) -> str:
    """One event: the recorder's view, each contributor's that may know now, and the reviewers' of police work."""
    own = {
        "outcome_id": outcome.outcome_id,
        "representative_id": outcome.representative_id,
        "object": outcome.about,
        "object_id": outcome.object_id,
        "figures": msgspec.to_builtins(outcome.figures),
    }
    notified = sorted({one.member_id for one in subject.contributions if not one.is_withheld} - {outcome.member_id})
    views = {outcome.member_id: own, **_views_of_contributors(session, outcome.outcome_id, notified, request.now)}
    for reviewer in list_reviewers(session) if subject.is_covert else ():
        views.setdefault(reviewer, {**own, "recorder": outcome.member_id})
    core = {"signature": request.actor.signature}
    listed = [View(member_id, view) for member_id, view in views.items()]
    event = record(session, "outcome", listed, request.now, core)
    outbox.send(session, "outcome", event.event_id, notified, request.now)
    return event.event_id


def _views_of_contributors(
    session: Session, outcome_id: str, member_ids: Collection[str], now: datetime
) -> dict[str, dict[str, Any]]:
    """What members learn now of an outcome that concerns their rows, by member; it is kept with it what they
    learn of the recorder's kind.
    """
    received_by = {member_id: received_of(session, member_id, [outcome_id])[0] for member_id in member_ids}
    groups = _groups_of_rows(session, received_by)
    kinds, authority = kinds_of_members(session), load_authority(session, now)
    views = {}
    for member_id, received in received_by.items():
        recorder = received.outcome.member_id
        kind = shown_kind(recorder, groups[member_id], kinds, authority, is_named=received.is_named)
        keep_recorder_kind(session, outcome_id, member_id, kind)
        views[member_id] = msgspec.to_builtins(shown_outcome(replace(received, recorder_kind=kind)))
    return views


def _groups_of_rows(session: Session, received_by: Mapping[str, Received]) -> dict[str, set[str]]:
    """The groups in which the members have, or lately had, the rows that they are notified of, by member."""
    groups: dict[str, set[str]] = defaultdict(set)
    concerned = {(token, member_id) for member_id, received in received_by.items() for token in received.tokens}
    for token, group_id, member_id, _, _ in find_past_rows(session, sorted({token for token, _ in concerned})):
        if (token, member_id) in concerned:
            groups[member_id].add(group_id)
    return groups


def shown_outcome(received: Received) -> ReceivedOutcome:
    """An outcome as a contributor reads it, in its log and in its list."""
    outcome = received.outcome
    return ReceivedOutcome(
        outcome_id=outcome.outcome_id,
        **msgspec.structs.asdict(outcome.figures),
        tokens=[to_base64(token) for token in received.tokens],
        recorder_kind=received.recorder_kind,
        recorder=outcome.member_id if received.is_named else None,
        told_at=to_rfc3339(received.told_at),
    )


def notify_outcomes(database: Database, now: datetime) -> int:
    """Notify contributors of outcomes that a query's cover held back until now; how many were notified."""
    return database.run_in_batches(lambda session: _notify_some(session, now), AT_ONCE)


def _notify_some(session: Session, now: datetime) -> int:
    lock_named(session, "outcomes")  # another worker's slot may overlap with this one
    released = list_released(session, AT_ONCE)
    by_outcome: dict[str, list[str]] = defaultdict(list)
    for outcome_id, member_id in released:
        mark_notified(session, outcome_id, member_id, now)
        by_outcome[outcome_id].append(member_id)
    for outcome_id, member_ids in by_outcome.items():
        views = _views_of_contributors(session, outcome_id, member_ids, now)
        event = record(session, "outcome", [View(member_id, view) for member_id, view in views.items()], now)
        outbox.send(session, "outcome", event.event_id, member_ids, now)
    return len(released)


def record_assessment(database: Database, request: Request, new: NewAssessment) -> tuple[AssessmentStatus, int]:
    """Keep a member's own assessment of a hit that it was shown. Raises as act_once does."""
    actor = request.actor

    def work(session: Session) -> AssessmentStatus:
        require(decide_id("assessment_id", is_free=session.get(Assessment, new.assessment_id) is None))
        if find_shown_hit(session, actor.member_id, new.hit_id) is None:
            raise UnknownObjectError
        require(decide_assessment(new, new.decision))
        # A correction that is being sent meanwhile comes before this assessment or overtakes it.
        lock_named(session, "corrections")
        made = {**msgspec.to_builtins(new), "representative_id": actor.representative_id}
        session.add(Assessment(**made, member_id=actor.member_id, recorded_at=request.now))
        session.flush()
        event = record(
            session, "assessment", [View(actor.member_id, made)], request.now, {"signature": actor.signature}
        )
        return AssessmentStatus(assessment_id=new.assessment_id, event_id=event.event_id)

    asked = {"asked": "assessment", "hit_id": new.hit_id}
    return act_once(database, request, asked, work, 201, answer=AssessmentStatus)
