"""Reading outcomes: those that one recorded oneself, and those that concern one's own rows. Every reading is logged."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from exchange.kernel.actor import Actor
from exchange.kernel.session import Database
from exchange.log.events import record_reading
from exchange.outcomes.record import shown_outcome
from exchange.outcomes.store import Outcome, page_of_received, page_of_recorded
from schemas.outcomes import OutcomesQuery, ReceivedOutcome, ReceivedPage, RecordedOutcome, RecordedPage
from schemas.values.encoding import to_rfc3339


def list_recorded(database: Database, actor: Actor, asked: OutcomesQuery, now: datetime) -> RecordedPage:
    """A page of the member's own outcomes. Raises LogUnavailableError."""

    def read(session: Session) -> RecordedPage:
        rows = page_of_recorded(session, actor.member_id, asked.cursor or "", asked.limit)
        shown = [_recorded(row) for row in rows]
        event_id = record_reading(session, "outcomes_read", actor, _described("recorded", asked), shown, now=now)
        return RecordedPage(outcomes=shown, next=_cursor_behind(shown, asked.limit), event_id=event_id)

    return database.run_in_transaction(read)


def list_received(database: Database, actor: Actor, asked: OutcomesQuery, now: datetime) -> ReceivedPage:
    """A page of the outcomes that concern the member's rows. Raises LogUnavailableError."""

    def read(session: Session) -> ReceivedPage:
        rows = page_of_received(session, actor.member_id, asked.cursor or "", asked.limit)
        shown = [shown_outcome(row) for row in rows]
        event_id = record_reading(session, "outcomes_read", actor, _described("received", asked), shown, now=now)
        return ReceivedPage(outcomes=shown, next=_cursor_behind(shown, asked.limit), event_id=event_id)

    return database.run_in_transaction(read)


def _described(which: str, asked: OutcomesQuery) -> dict[str, object]:
    return {"read": which, "after": asked.cursor, "limit": asked.limit}


def _cursor_behind(shown: Sequence[RecordedOutcome | ReceivedOutcome], limit: int) -> str | None:
    return shown[-1].outcome_id if len(shown) == limit else None


def _recorded(outcome: Outcome) -> RecordedOutcome:
    return RecordedOutcome(
        outcome_id=outcome.outcome_id,
        object=outcome.about,
        object_id=outcome.object_id,
        **msgspec.structs.asdict(outcome.figures),
        recorded_at=to_rfc3339(outcome.recorded_at),
    )
