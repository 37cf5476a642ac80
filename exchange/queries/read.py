"""Reading queries again: results are worked out anew under present authority, and every reading is logged."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from exchange.kernel.actor import Actor
from exchange.kernel.session import Database
from exchange.log.acting import RecordedRefusals, require
from exchange.log.entries import View
from exchange.log.events import record
from exchange.queries.answer import answer_query
from exchange.queries.decide import QueryLimits, decide_reading
from exchange.queries.store import Query, disclosed_overlaps, page_of_queries, papers_for, subjects_of
from exchange.queries.views import (
    Papers,
    authorisation_record,
    find_readable,
    head_of,
    notify_overseers,
    papers_of,
    whole_of,
)
from schemas.queries.messages import QueriesPage, QueriesQuery, QueryHead, WholeQuery
from schemas.terms import Role


def read_query(database: Database, actor: Actor, query_id: str, limits: QueryLimits, now: datetime) -> WholeQuery:
    """A query on the wire, with results while it stands; for an independent reviewer its terms alone. Raises
    RefusalError and UnknownObjectError (recorded), LogUnavailableError.
    """

    def read(session: Session) -> WholeQuery:
        query, today = find_readable(session, actor, query_id), now.date()
        papers = papers_of(session, query, actor)
        others = disclosed_overlaps(session, [query_id], today)[query_id] if query.is_in_force(today) else []
        head = head_of(query, others, today, papers)
        if query.member_id != actor.member_id:
            return _review(session, query, head, papers, actor=actor, now=now)
        require(decide_reading(session, query, now))
        subjects = subjects_of(session, query_id)
        if query.is_in_force(today):
            answer = answer_query(session, "le_query_read", query, limits, actor=actor, now=now)
            return whole_of(head, query, papers, answer.event_id, subjects=subjects, results=answer.results)
        said = {**authorisation_record(query), "representative_id": actor.representative_id}
        event = notify_overseers(session, "le_query_read", query, said, now, actor=actor)
        return whole_of(head, query, papers, event.event_id, subjects=subjects)

    asked = {"asked": "query_read", "query_id": query_id}
    return RecordedRefusals(database, actor, asked, now).run(read)


def _review(
    session: Session, query: Query, head: QueryHead, papers: Papers, *, actor: Actor, now: datetime
) -> WholeQuery:
    """What an independent reviewer reads of a query: everything but tokens and results. The agency is not notified."""
    body = {**authorisation_record(query), "representative_id": actor.representative_id}
    event = record(session, "le_paperwork_read", [View(actor.member_id, body)], now)
    others = [msgspec.structs.replace(other, tokens=[]) for other in head.others]
    return whole_of(msgspec.structs.replace(head, others=others), query, papers, event.event_id)


def list_queries(database: Database, actor: Actor, asked: QueriesQuery, now: datetime) -> QueriesPage:
    """One page of the queries that the actor may read, without results. Raises LogUnavailableError."""

    def read(session: Session) -> QueriesPage:
        today = now.date()
        person_id = None if Role.REVIEWER in actor.roles else actor.representative_id
        page = page_of_queries(session, actor.member_id, asked, person_id=person_id, today=today)
        standing = [query.query_id for query in page if query.is_in_force(today)]
        others = disclosed_overlaps(session, standing, today) if standing else {}
        shown = [query.query_id for query in page]
        papers = papers_for(session, shown, actor.member_id)
        body = {"representative_id": actor.representative_id, "queries": shown}
        event = record(session, "le_queries_listed", [View(actor.member_id, body)], now)
        return QueriesPage(
            queries=[head_of(query, others.get(query.query_id, []), today, papers[query.query_id]) for query in page],
            next=page[-1].query_id if len(page) == asked.limit else None,
            event_id=event.event_id,
        )

    return database.run_in_transaction(read)
