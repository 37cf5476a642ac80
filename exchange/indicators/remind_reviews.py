"""Reminding members of submissions whose day of review has come: once each, by an entry and a notice."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from sqlalchemy.orm import Session

from exchange.indicators.submissions import take_reviews
from exchange.kernel import outbox
from exchange.kernel.locks import lock_named
from exchange.kernel.session import Database
from exchange.log.entries import View
from exchange.log.events import record

AT_ONCE = 500


def remind_reviews(database: Database, now: datetime) -> int:
    """Remind of what is due; how many submissions."""
    return database.run_in_batches(lambda session: _remind(session, now), AT_ONCE)


def _remind(session: Session, now: datetime) -> int:
    lock_named(session, "reviews")  # another worker's slot may overlap with this one
    due = take_reviews(session, now.date(), AT_ONCE)
    by_member: dict[str, list[str]] = defaultdict(list)
    for submission_id, member_id in due:
        by_member[member_id].append(submission_id)
    for member_id, submission_ids in sorted(by_member.items()):
        view = View(member_id, {"submission_ids": sorted(submission_ids)})
        event = record(session, "review_due", [view], now)
        outbox.send(session, "review_due", event.event_id, [member_id], now)
    return len(due)
