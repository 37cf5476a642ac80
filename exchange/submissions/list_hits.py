"""Listing a member's live hits, page by page, under present authority."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from exchange.indicators.hits import page_of_hits
from exchange.kernel.actor import Actor
from exchange.kernel.session import Database
from exchange.submissions.disclose_hits import disclose_to_reader
from schemas.values.encoding import from_rfc3339, to_rfc3339


@dataclass(frozen=True, slots=True)
class HitsPage:
    """Hits of one page, the cursor of the next (None at the end), and the event that records this reading."""

    hits: list[dict[str, Any]]
    next: str | None
    event_id: str


def list_hits(
    database: Database, actor: Actor, *, since: datetime | None, cursor: str | None, limit: int, now: datetime
) -> HitsPage:
    """The member's live hits behind `cursor`, at most `limit`; with `since`, only those shown anew from then
    on.

    A page may hold fewer than `limit` and still not be the last. Raises LogUnavailableError: then nothing is
    told.
    """

    def read(session: Session) -> HitsPage:
        page = page_of_hits(session, actor.member_id, cursor or "", limit)
        asked = {"after": cursor, "limit": limit, "since": None if since is None else to_rfc3339(since)}
        hits, event_id = disclose_to_reader(session, actor, [hit.token for hit in page], now, asked)
        shown = [hit for hit in hits if since is None or from_rfc3339(hit["disclosed_at"]) >= since]
        return HitsPage(shown, page[-1].hit_id if len(page) == limit else None, event_id)

    return database.run_in_transaction(read)
