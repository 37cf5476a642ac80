"""How a query is told: to its agency and the independent reviewers at once, to banks when its cover has ended, and to
those of the agency who may read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

from sqlalchemy.orm import Session

from exchange.log.entries import RecordedEvent, View
from exchange.services.acting import UnknownObjectError
from exchange.services.actor import Actor
from exchange.services.events import record
from exchange.store.membership import list_reviewers
from exchange.store.queries import Query, find_query, lock_query
from schemas.encoding import to_rfc3339
from schemas.terms import QueryState, Role


def find_own(session: Session, actor: Actor, query_id: str) -> Query:
    """A query of the actor's agency, locked until the transaction ends. Raises UnknownObjectError."""
    found = lock_query(session, query_id)
    if found is None or found.member_id != actor.member_id:
        raise UnknownObjectError
    return found


def find_readable(session: Session, actor: Actor, query_id: str) -> Query:
    """A query of the actor's agency that the actor asked, is to authorise, or reviews, locked. Raises
    UnknownObjectError, after the same work.
    """
    found = find_own(session, actor, query_id)
    if Role.REVIEWER in actor.roles or actor.representative_id in (found.asker_id, found.authoriser_id):
        return found
    raise UnknownObjectError


def is_free(session: Session, query_id: str) -> bool:
    """Whether no query has the id."""
    return find_query(session, query_id) is None


def state_of(query: Query, today: date) -> QueryState:
    """How the query stands on a day, whether or not the worker has come to it."""
    if query.ends_on >= today:
        return QueryState(query.state)
    over = {QueryState.PENDING: QueryState.LAPSED, QueryState.ANSWERED: QueryState.ENDED}
    return over.get(QueryState(query.state), QueryState(query.state))


def standing_of(query: Query, today: date) -> dict[str, Any]:
    """What a step answers."""
    return {
        "query_id": query.query_id,
        "state": state_of(query, today).value,
        "until": query.ends_on.isoformat(),
        "watch_until": None if query.watch_until is None else query.watch_until.isoformat(),
    }


def head_of(query: Query, others: Sequence[Query], today: date) -> dict[str, Any]:
    """The query on the wire without its results; `others` are those of other agencies that its officers may know."""
    met = {(other.member_id, other.authoriser_id) for other in others}
    return {
        **standing_of(query, today),
        **_terms_of(query),
        "created_at": to_rfc3339(query.created_at),
        "decided_at": None if query.decided_at is None else to_rfc3339(query.decided_at),
        "deconfliction": bool(met),
        "others": [{"agency": agency, "officer": officer} for agency, officer in sorted(met)],
    }


def paperwork_of(query: Query) -> dict[str, Any]:
    """What the log says of a query to its agency and to the reviewers."""
    days = {"until": query.ends_on.isoformat()}
    watch = None if query.watch_until is None else query.watch_until.isoformat()
    return {"query_id": query.query_id, "agency": query.member_id, **_terms_of(query), **days, "watch_until": watch}


def _terms_of(query: Query) -> dict[str, Any]:
    return {
        "case": query.case_reference,
        "legal_gateway": query.legal_gateway,
        "purpose": query.purpose,
        "necessity": query.necessity,
        "proportionality": query.proportionality,
        "asked_by": query.asker_id,
        "authorised_by": query.authoriser_id,
        "covert": query.covert,
        "silent": query.silent,
    }


def tell_overseers(
    session: Session,
    kind: str,
    query: Query,
    body: Mapping[str, Any],
    now: datetime,
    *,
    to_reviewers: Mapping[str, Any] | None = None,
    to_banks: Mapping[str, Mapping[str, Any]] | None = None,
    actor: Actor | None = None,
) -> RecordedEvent:
    """Record an event about a query for its agency and each reviewer, and for banks if its cover allows. `to_reviewers`
    is told to them beside `body`. Raises LogUnavailableError.
    """
    views: dict[str, dict[str, Any]] = {query.member_id: dict(body)}
    for member_id in list_reviewers(session):
        views[member_id] = {**body, **(to_reviewers or {})}
    for member_id, told in sorted((to_banks or {}).items()):
        views[member_id] = {**views.get(member_id, {}), **told}
    core = {"query_id": query.query_id, "signature": None if actor is None else actor.signature}
    return record(session, kind, [View(member_id, view) for member_id, view in views.items()], now, core)
