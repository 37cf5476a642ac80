"""Letting a query, or its watch, go on beyond its last day, and ending a watch before it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from typing import Any

from sqlalchemy.orm import Session

from exchange.gateways.safeguards import decide_texts
from exchange.kernel.decision import ALLOWED, Decision, refuse
from exchange.kernel.session import Database
from exchange.log.acting import Request, act_once, require
from exchange.queries.decide import QueryLimits, decide_ground, decide_reading
from exchange.queries.papers import keep_paper
from exchange.queries.rules import decide_extension, decide_longer_watch
from exchange.queries.store import Query
from exchange.queries.views import find_own, paperwork_of, standing_of, tell_overseers
from schemas.values.encoding import to_base64


@dataclass(frozen=True, slots=True)
class Extension:
    """A later last day, why, and a salt (32 bytes) of the reason; with `watch_until`, a later last day of its watch."""

    until: date
    reason: str
    salt: bytes
    watch_until: date | None = None


def extend_query(
    database: Database, request: Request, query_id: str, extension: Extension, limits: QueryLimits
) -> tuple[dict[str, Any], int]:
    """Move the last day of a query, and with it of its cover; how it stands. By its authorising officer, or another of
    that role. Raises as act_once does.
    """

    def extend(session: Session) -> dict[str, Any]:
        query, today = find_own(session, request.actor, query_id), request.now.date()
        until, reason, watch = extension.until, extension.reason, extension.watch_until
        require(
            _decide_standing(query, today)
            & _decide_extender(query, request)
            & decide_reading(session, query, request.now)
            & decide_ground(session, query, limits, request.now)
            & decide_extension(query.ends_on, until, reason, today, limits.longest_days, only_watch=watch is not None)
            & (ALLOWED if watch is None else decide_longer_watch(query.watch_until, watch, until, today))
            & decide_texts({"reason": reason})
        )
        former, query.ends_on = query.ends_on, until
        query.watch_until = query.watch_until if watch is None else watch
        days = {"former_until": former.isoformat(), "until": until.isoformat()}
        lengthened = None if watch is None else watch.isoformat()
        paper = {"reason": reason, "salt": to_base64(extension.salt)}
        said_why = to_base64(keep_paper(session, query, len(query.extensions) + 1, paper))
        by = request.actor.representative_id
        made = {**days, "watch_until": lengthened, "by": by, "reason_sha256": said_why}
        query.extensions_json = json.dumps([*query.extensions, made])
        said = {"representative_id": request.actor.representative_id, "former_until": former.isoformat()}
        tell_overseers(
            session, "le_query_extended", query, {**paperwork_of(query), **said}, request.now, actor=request.actor
        )
        return standing_of(query, today)

    return act_once(database, request, {"asked": "query_extend", "query_id": query_id}, extend)


def end_watch(database: Database, request: Request, query_id: str) -> tuple[dict[str, Any], int]:
    """End a query's watch now; how it stands. Raises as act_once does."""

    def end(session: Session) -> dict[str, Any]:
        query, today = find_own(session, request.actor, query_id), request.now.date()
        if not query.is_watching(today):
            require(refuse("no-watch", "query_id", "no watch of it is on"))
        query.watch_until = None
        said = {**paperwork_of(query), "representative_id": request.actor.representative_id}
        tell_overseers(session, "le_watch_ended", query, said, request.now, actor=request.actor)
        return standing_of(query, today)

    return act_once(database, request, {"asked": "query_end_watch", "query_id": query_id}, end)


def _decide_standing(query: Query, today: date) -> Decision:
    if query.stands(today):
        return ALLOWED
    return refuse("not-standing", "query_id", "it waits for its approval, was refused, or is over: ask anew")


def _decide_extender(query: Query, request: Request) -> Decision:
    if request.actor.representative_id != query.asker_id:
        return ALLOWED
    return refuse("same-person", "query_id", "another than the one who asked extends it")
