"""Reading outcomes: those that one recorded oneself, and those that concern one's own rows. Every reading is logged."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from exchange.kernel.actor import Actor
from exchange.kernel.session import Database
from exchange.log.entries import View
from exchange.log.events import record
from exchange.outcomes.record import received_fields
from exchange.outcomes.store import Outcome, page_of_received, page_of_recorded
from schemas.values.canonical import digest
from schemas.values.encoding import to_base64, to_rfc3339


def list_recorded(database: Database, actor: Actor, *, cursor: str | None, limit: int, now: datetime) -> dict[str, Any]:
    """A page of the member's own outcomes. Raises LogUnavailableError."""

    def page(session: Session) -> list[dict[str, Any]]:
        return [_recorded(one) for one in page_of_recorded(session, actor.member_id, cursor or "", limit)]

    return _read(database, actor, page, {"read": "recorded", "after": cursor, "limit": limit}, now)


def list_received(database: Database, actor: Actor, *, cursor: str | None, limit: int, now: datetime) -> dict[str, Any]:
    """A page of the outcomes that concern the member's rows. Raises LogUnavailableError."""

    def page(session: Session) -> list[dict[str, Any]]:
        return [received_fields(one) for one in page_of_received(session, actor.member_id, cursor or "", limit)]

    return _read(database, actor, page, {"read": "received", "after": cursor, "limit": limit}, now)


def _read(
    database: Database,
    actor: Actor,
    page: Callable[[Session], list[dict[str, Any]]],
    asked: dict[str, Any],
    now: datetime,
) -> dict[str, Any]:
    def read(session: Session) -> dict[str, Any]:
        found = page(session)
        view = {
            **asked,
            "representative_id": actor.representative_id,
            "count": len(found),
            "shown_sha256": to_base64(digest(found)),
        }
        event_id = record(session, "outcomes_read", [View(actor.member_id, view)], now).event_id
        last = found[-1]["outcome_id"] if len(found) == asked["limit"] else None
        return {"outcomes": found, "next": last, "event_id": event_id}

    return database.run_in_transaction(read)


def _recorded(outcome: Outcome) -> dict[str, Any]:
    return {
        "outcome_id": outcome.outcome_id,
        "object": outcome.about,
        "object_id": outcome.object_id,
        **outcome.figures,
        "recorded_at": to_rfc3339(outcome.recorded_at),
    }
