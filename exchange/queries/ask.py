"""Asking a query: it waits for the officer who is to authorise it, and nothing is answered yet."""

from __future__ import annotations

import secrets
from datetime import date

from sqlalchemy.orm import Session

from exchange.kernel import outbox
from exchange.kernel.decision import refuse
from exchange.kernel.session import Database
from exchange.log.acting import ConflictError, Request, act_once, require
from exchange.queries.decide import QueryLimits, decide_asking_query
from exchange.queries.papers import grounds_of, keep_paper
from exchange.queries.rules import QueryTerms, last_day_of
from exchange.queries.store import QueriedToken, Query, add_query
from exchange.queries.views import authorisation_record, is_free, notify_overseers, status_of
from schemas.queries.messages import AskQuery, QueryStatus
from schemas.queries.terms import subjects_digest
from schemas.terms import QueryState
from schemas.values.encoding import from_base64, to_base64
from schemas.values.identifiers import uuid7


def ask_query(database: Database, request: Request, new: AskQuery, limits: QueryLimits) -> tuple[QueryStatus, int]:
    """Store the query, its texts sealed, and tell its agency that it waits; how it stands, and 201. Raises as act_once
    does.
    """

    def ask(session: Session) -> QueryStatus:
        now, today, grounds = request.now, request.now.date(), grounds_of(new)
        terms = QueryTerms(new.covert, new.until, new.watch_until)
        query = _query_of(request, new, last_day_of(terms, today))
        require(decide_asking_query(session, query, grounds, terms, limits, now=now))
        if not is_free(session, new.query_id):
            raise ConflictError(refuse("id-in-use", "query_id", "this id is in use: take a new one"))
        query.paperwork_sha256 = keep_paper(session, query, 0, grounds)
        pairs = zip(new.tokens, new.types, strict=True)
        add_query(session, query, [QueriedToken(token, indicator_type, uuid7()) for token, indicator_type in pairs])
        event = notify_overseers(
            session, "le_query_asked", query, authorisation_record(query), now, actor=request.actor
        )
        outbox.send(session, "le_query_asked", event.event_id, [query.member_id], now)
        return status_of(query, today)

    return act_once(database, request, {"asked": "query", "query_id": new.query_id}, ask, 201, answer=QueryStatus)


def _query_of(request: Request, new: AskQuery, ends_on: date) -> Query:
    return Query(
        query_id=new.query_id,
        member_id=request.actor.member_id,
        asker_id=request.actor.representative_id,
        authoriser_id=new.authorised_by,
        state=QueryState.PENDING.value,
        legal_gateway=new.legal_gateway,
        covert=new.covert,
        silent=new.silent,
        ends_on=ends_on,
        watch_until=new.watch_until,
        cover_salt=secrets.token_bytes(32),
        subjects=len(new.tokens),
        subjects_sha256=from_base64(subjects_digest([to_base64(token) for token in new.tokens], new.types)),
        extensions_json="[]",
        created_at=request.now,
        decided_at=None,
    )
