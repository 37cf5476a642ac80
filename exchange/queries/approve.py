"""The authorising officer's decision on a query: approved, it is answered at once; refused, it never is."""

from __future__ import annotations

import msgspec
from sqlalchemy.orm import Session

from exchange.kernel.decision import ALLOWED, Decision, refuse
from exchange.kernel.session import Database
from exchange.log.acting import Request, act_once, require
from exchange.queries.answer import QueryAnswer, answer_query
from exchange.queries.decide import QueryLimits, decide_answering
from exchange.queries.deconflict import deconflict
from exchange.queries.read import read_query
from exchange.queries.store import Query, disclosed_overlaps, subjects_of
from exchange.queries.views import (
    authorisation_record,
    find_own,
    head_of,
    notify_overseers,
    papers_of,
    status_of,
    terms_sha256_of,
    whole_of,
)
from schemas.queries.messages import QueryStatus, WholeQuery
from schemas.terms import QueryState
from schemas.values.encoding import to_base64


class _Approved(QueryStatus, frozen=True):
    """That a query was approved, by an event."""

    event_id: str


def approve_query(
    database: Database, request: Request, query_id: str, terms_sha256: bytes, limits: QueryLimits
) -> tuple[WholeQuery, int]:
    """The query with what it finds, and 200; a repetition is answered as a new reading. `terms_sha256` is the digest of
    what the officer read and agrees to. Raises as act_once does.
    """
    made: list[WholeQuery] = []

    def approve(session: Session) -> _Approved:
        now, today = request.now, request.now.date()
        query = find_own(session, request.actor, query_id)
        agreed = _decide_step(query, request) & _decide_terms(query, terms_sha256)
        require(agreed & decide_answering(session, query, limits, now))
        query.state, query.decided_at = QueryState.ANSWERED.value, now
        session.flush()
        answer = answer_query(session, "le_query_approved", query, limits, actor=request.actor, now=now)
        deconflict(session, query, now)
        made[:] = [_whole_query(session, query, answer, request)]
        return _Approved(**msgspec.structs.asdict(status_of(query, today)), event_id=answer.event_id)

    asked = {"asked": "query_approve", "query_id": query_id}
    kept, status = act_once(database, request, asked, approve, answer=_Approved)
    # What an attempt made that was rolled back was not disclosed: the same request may have been done by another
    # worker.
    made_now = next((one for one in made if one.event_id == kept.event_id), None)
    return (made_now or read_query(database, request.actor, query_id, limits, request.now)), status


def refuse_query(database: Database, request: Request, query_id: str) -> tuple[QueryStatus, int]:
    """Let nothing come of a query that waits; how it stands. Raises as act_once does."""

    def turn_down(session: Session) -> QueryStatus:
        query = find_own(session, request.actor, query_id)
        require(_decide_step(query, request))
        query.state, query.decided_at = QueryState.REFUSED.value, request.now
        said = {**authorisation_record(query), "representative_id": request.actor.representative_id}
        notify_overseers(session, "le_query_refused", query, said, request.now, actor=request.actor)
        return status_of(query, request.now.date())

    return act_once(database, request, {"asked": "query_refuse", "query_id": query_id}, turn_down, answer=QueryStatus)


def _decide_step(query: Query, request: Request) -> Decision:
    """Whether this officer may decide on the query as it stands."""
    decision = ALLOWED
    if request.actor.representative_id != query.authoriser_id:
        decision &= refuse("not-its-authoriser", "query_id", f"{query.authoriser_id} decides on it")
    state = query.state_on(request.now.date())
    if state is not QueryState.PENDING:
        decision &= refuse("not-pending", "query_id", f"it is {state.value} already: member query show")
    return decision


def _decide_terms(query: Query, terms_sha256: bytes) -> Decision:
    """Whether the officer agrees to this very query, and not to whatever bears its id."""
    if to_base64(terms_sha256) == terms_sha256_of(query):
        return ALLOWED
    return refuse(
        "other-terms", "terms_sha256", "these are not its terms: read it (query show), then approve what it says"
    )


def _whole_query(session: Session, query: Query, answer: QueryAnswer, request: Request) -> WholeQuery:
    today, papers = request.now.date(), papers_of(session, query, request.actor)
    head = head_of(query, disclosed_overlaps(session, [query.query_id], today)[query.query_id], today, papers)
    subjects = subjects_of(session, query.query_id)
    return whole_of(head, query, papers, answer.event_id, subjects=subjects, results=answer.results)
