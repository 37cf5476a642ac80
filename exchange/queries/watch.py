"""Jobs of queries: telling agencies what their watches meet, ending what is over, forgetting what is long over.

A watch looks at all its tokens each time, so that no row is missed, whichever transaction committed first. The cost
follows the watches. Looking only reads; something is written only when there is something to disclose, which is
disclosed to the agency and the reviewers alone.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from exchange.indicators.derived import DerivedKind
from exchange.kernel import outbox
from exchange.kernel.session import Database
from exchange.log.each import run_each
from exchange.queries.answer import matches_in, notify_banks, record_disclosed_rows, rows_for
from exchange.queries.decide import QueryLimits, decide_reading
from exchange.queries.store import (
    Query,
    list_over,
    list_watching,
    lock_query,
    matches_of,
    purge_queries,
    subjects_of,
    withheld_matches,
)
from exchange.queries.views import authorisation_record, notify_overseers
from schemas.terms import QueryState

_AT_ONCE = 200
_OVER: Mapping[str, tuple[QueryState, str]] = {
    QueryState.PENDING: (QueryState.LAPSED, "le_query_lapsed"),
    QueryState.ANSWERED: (QueryState.ENDED, "le_query_ended"),
}
"""What becomes of a query in each state when its last day has passed, and the event that tells it."""

KEPT = timedelta(days=90)
"""How long a query that is over is kept for complaints and corrections; its log entries outlive it."""


def watch_queries(database: Database, limits: QueryLimits, now: datetime) -> int:
    """Tell each agency of the rows that its watches meet anew; how many watches met any."""
    with database.reading() as session:
        watching = list_watching(session, now.date())
        meeting = [query.query_id for query in watching if _meets(session, query, limits, now)]
    acts = [partial(_notify_of_matches, query_id=query_id, limits=limits, now=now) for query_id in meeting]
    return run_each(database, "watches", acts)


def _meets(session: Session, query: Query, limits: QueryLimits, now: datetime) -> bool:
    if not decide_reading(session, query, now).is_allowed:
        return False
    rows = rows_for(session, query, subjects_of(session, query.query_id), limits, now)
    return bool(matches_in(rows) - matches_of(session, query.query_id))


def _notify_of_matches(session: Session, query_id: str, limits: QueryLimits, now: datetime) -> bool:
    query = lock_query(session, query_id)
    if query is None or not query.is_watching(now.date()) or not decide_reading(session, query, now).is_allowed:
        return False
    subjects = subjects_of(session, query_id)
    fresh = matches_in(rows_for(session, query, subjects, limits, now)) - matches_of(session, query_id)
    if not fresh:
        return False
    met = {match.token for match in fresh}
    said = {"hit_ids": [subject.hit_id for subject in subjects if subject.token in met]}
    event = record_disclosed_rows(session, "le_watch_matched", query, fresh, said, now=now, derived=DerivedKind.WATCH)
    outbox.send(session, "le_watch_matched", event.event_id, [query.member_id], now)
    return True


def end_queries(database: Database, now: datetime) -> int:
    """End the queries whose last day has passed, and tell the banks what cover had withheld; how many ended."""
    today = now.date()
    with database.reading() as session:
        over = list_over(session, today, _AT_ONCE)
    return run_each(database, "queries", [partial(_end, query_id=query_id, now=now) for query_id in over])


def _end(session: Session, query_id: str, now: datetime) -> bool:
    query = lock_query(session, query_id)
    if query is None or query.ends_on >= now.date() or query.state not in _OVER:
        return False
    state, kind = _OVER[query.state]
    query.state = state.value
    event = notify_overseers(session, kind, query, authorisation_record(query), now)
    outbox.send(session, kind, event.event_id, [query.member_id], now)
    if withheld_matches(session, query_id):
        notify_banks(session, query, now)
    return True


def purge_old_queries(database: Database, now: datetime) -> int:
    """Delete queries that are long over, with their tokens; how many."""
    before = (now - KEPT).date()
    return database.run_in_transaction(lambda session: purge_queries(session, before, _AT_ONCE))
