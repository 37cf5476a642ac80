"""Letting a query, or its watch, go on beyond its last day, and ending a watch before it."""

from __future__ import annotations

from datetime import date

import msgspec
from sqlalchemy.orm import Session

from exchange.gateways.safeguards import decide_texts
from exchange.kernel.decision import ALLOWED, Decision, refuse
from exchange.kernel.session import Database
from exchange.log.acting import Request, act_once, require
from exchange.queries.decide import QueryLimits, decide_ground, decide_reading
from exchange.queries.papers import keep_paper
from exchange.queries.rules import decide_extension, decide_longer_watch
from exchange.queries.store import Query
from exchange.queries.views import authorisation_record, find_own, notify_overseers, status_of
from schemas.queries.messages import ExtendQuery, ExtensionGrounds, ExtensionTerms, QueryStatus
from schemas.values.encoding import to_base64


def extend_query(
    database: Database, request: Request, query_id: str, extension: ExtendQuery, limits: QueryLimits
) -> tuple[QueryStatus, int]:
    """Move the last day of a query, and with it of its cover; how it stands. By its authorising officer, or another of
    that role. Raises as act_once does.
    """

    def extend(session: Session) -> QueryStatus:
        query, today = find_own(session, request.actor, query_id), request.now.date()
        until, reason, watch = extension.until, extension.reason, extension.watch_until
        require(
            _decide_state(query, today)
            & _decide_extender(query, request)
            & decide_reading(session, query, request.now)
            & decide_ground(session, query, limits, request.now)
            & decide_extension(query.ends_on, until, reason, today, limits.longest_days, only_watch=watch is not None)
            & (ALLOWED if watch is None else decide_longer_watch(query.watch_until, watch, until, today))
            & decide_texts({"reason": reason})
        )
        former, query.ends_on = query.ends_on, until
        query.watch_until = query.watch_until if watch is None else watch
        paper = ExtensionGrounds(reason=reason, salt=to_base64(extension.salt))
        made = ExtensionTerms(
            by=request.actor.representative_id,
            former_until=former.isoformat(),
            until=until.isoformat(),
            watch_until=None if watch is None else watch.isoformat(),
            reason_sha256=to_base64(keep_paper(session, query, len(query.extensions) + 1, paper)),
        )
        query.extensions_json = msgspec.json.encode([*query.extensions, made]).decode()
        said = {"representative_id": request.actor.representative_id, "former_until": former.isoformat()}
        notify_overseers(
            session,
            "le_query_extended",
            query,
            {**authorisation_record(query), **said},
            request.now,
            actor=request.actor,
        )
        return status_of(query, today)

    return act_once(database, request, {"asked": "query_extend", "query_id": query_id}, extend, answer=QueryStatus)


def end_watch(database: Database, request: Request, query_id: str) -> tuple[QueryStatus, int]:
    """End a query's watch now; how it stands. Raises as act_once does."""

    def end(session: Session) -> QueryStatus:
        query, today = find_own(session, request.actor, query_id), request.now.date()
        if not query.is_watching(today):
            require(refuse("no-watch", "query_id", "no watch of it is on"))
        query.watch_until = None
        said = {**authorisation_record(query), "representative_id": request.actor.representative_id}
        notify_overseers(session, "le_watch_ended", query, said, request.now, actor=request.actor)
        return status_of(query, today)

    return act_once(database, request, {"asked": "query_end_watch", "query_id": query_id}, end, answer=QueryStatus)


def _decide_state(query: Query, today: date) -> Decision:
    if query.is_in_force(today):
        return ALLOWED
    return refuse("not-standing", "query_id", "it waits for its approval, was refused, or is over: ask anew")


def _decide_extender(query: Query, request: Request) -> Decision:
    if request.actor.representative_id != query.asker_id:
        return ALLOWED
    return refuse("same-person", "query_id", "another than the one who asked extends it")
