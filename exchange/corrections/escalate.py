"""Corrections that nobody acknowledged in time: the member is notified again, and the independent reviewers with it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from exchange.corrections.store import Correction, list_overdue
from exchange.kernel import outbox
from exchange.kernel.locks import lock_named
from exchange.kernel.session import Database
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership.store import list_reviewers
from schemas.values.encoding import to_rfc3339

AT_ONCE = 500


def escalate_corrections(database: Database, now: datetime) -> int:
    """Escalate what is overdue, each correction once; how many."""
    return database.run_in_batches(lambda session: _escalate(session, now), AT_ONCE)


def _escalate(session: Session, now: datetime) -> int:
    lock_named(session, "overdue")  # another worker's slot may overlap with this one
    overdue = list_overdue(session, now, AT_ONCE)
    reviewers = list_reviewers(session) if overdue else []
    for correction in overdue:
        correction.escalated_at = now
        _notify(session, correction, reviewers, now)
    return len(overdue)


def _notify(session: Session, correction: Correction, reviewers: list[str], now: datetime) -> None:
    view = {"correction_id": correction.correction_id, "due_at": to_rfc3339(correction.due_at)}
    others = [member_id for member_id in reviewers if member_id != correction.member_id]
    views = [View(correction.member_id, view)]
    views += [View(member_id, {**view, "recipient": correction.member_id}) for member_id in others]
    event = record(session, "correction_overdue", views, now)
    outbox.send(session, "correction_overdue", event.event_id, [correction.member_id, *others], now)
