"""Listing a member's live hits, page by page, under present authority."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from exchange.indicators.hits import page_of_hits
from exchange.kernel.actor import Actor
from exchange.kernel.session import Database
from exchange.submissions.disclose_hits import disclose_to_reader
from schemas.hits import HitsPage, HitsQuery
from schemas.values.encoding import from_rfc3339, to_rfc3339


def list_hits(database: Database, actor: Actor, asked: HitsQuery, now: datetime) -> HitsPage:
    """The member's live hits behind a cursor, at most so many; those shown anew since a time alone, if one is given.

    A page may hold fewer than `limit` and still not be the last. Raises LogUnavailableError: then nothing is
    disclosed.
    """

    def read(session: Session) -> HitsPage:
        since, limit = asked.since, asked.limit
        page = page_of_hits(session, actor.member_id, asked.cursor or "", limit)
        described = {"after": asked.cursor, "limit": limit, "since": None if since is None else to_rfc3339(since)}
        hits, event_id = disclose_to_reader(session, actor, [hit.token for hit in page], now, described)
        shown = [hit for hit in hits if since is None or from_rfc3339(hit.disclosed_at) >= since]
        return HitsPage(hits=shown, next=page[-1].hit_id if len(page) == limit else None, event_id=event_id)

    return database.run_in_transaction(read)
