"""Deconfliction: two agencies about one subject learn of each other, by their authorising officers; a silent case is
learnt of by nobody but the reviewers.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy.orm import Session

from exchange.kernel import outbox
from exchange.kernel.locks import lock_named
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership.store import list_reviewers
from exchange.queries.rules import decide_mutual_disclosure
from exchange.queries.store import Query, add_query_overlaps, find_overlapping_queries, subjects_of

_LOCK = "deconfliction"


def deconflict(session: Session, query: Query, now: datetime) -> None:
    """Let a query that has just been approved meet those of other agencies that stand. Raises LogUnavailableError.

    Approvals take turns here, so that of two at the same time the later one finds the earlier; nobody else waits.
    """
    lock_named(session, _LOCK)
    tokens = [subject.token for subject in subjects_of(session, query.query_id)]
    for other in find_overlapping_queries(session, query, tokens, now.date()):
        _meet(session, query, other, now)


def _meet(session: Session, query: Query, other: Query, now: datetime) -> None:
    learns, other_learns = decide_mutual_disclosure(query.silent, other.silent)
    meetings = [(query.query_id, other.query_id, learns), (other.query_id, query.query_id, other_learns)]
    add_query_overlaps(session, meetings, now)
    sides = sorted([(query, learns), (other, other_learns)], key=lambda side: side[0].query_id)
    both = {"queries": [_side(*side) for side in sides]}
    views: dict[str, Mapping[str, object]] = dict.fromkeys(list_reviewers(session), both)
    learners = {}
    for own, met, does_learn in ((query, other, learns), (other, query, other_learns)):
        if does_learn:
            disclosed = {"query_id": own.query_id, "other_agency": met.member_id, "other_officer": met.authoriser_id}
            learners[own.member_id] = disclosed
    views |= learners
    if views:
        event = record(session, "le_deconfliction", [View(name, view) for name, view in views.items()], now)
        outbox.send(session, "le_deconfliction", event.event_id, learners, now)


def _side(query: Query, learns: bool) -> dict[str, object]:
    return {
        "query_id": query.query_id,
        "agency": query.member_id,
        "officer": query.authoriser_id,
        "silent": query.silent,
        "learns": learns,
    }
