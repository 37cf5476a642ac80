"""Reading and acknowledging corrections: one's own alone, and every reading and acknowledgement is logged."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from exchange.corrections.rules import decide_acknowledgement
from exchange.corrections.store import (
    Correction,
    CorrectionItem,
    count_items,
    find_correction,
    page_of_corrections,
    page_of_items,
)
from exchange.kernel.actor import Actor
from exchange.kernel.session import Database
from exchange.log.acting import RecordedRefusals, Request, UnknownObjectError, act_once, require
from exchange.log.entries import View
from exchange.log.events import record, record_reading
from schemas.values.encoding import to_base64, to_rfc3339
from schemas.withdrawals import (
    ITEMS_PAGE,
    ConcernedItem,
    CorrectionQuery,
    CorrectionsPage,
    CorrectionsQuery,
    CorrectionStatus,
    ListedCorrection,
    ReadCorrection,
    TakenIn,
)


def list_corrections(database: Database, actor: Actor, asked: CorrectionsQuery, now: datetime) -> CorrectionsPage:
    """A page of the member's corrections. Raises LogUnavailableError."""

    def read(session: Session) -> CorrectionsPage:
        after, limit = asked.cursor or "", asked.limit
        page = page_of_corrections(session, actor.member_id, state=asked.state, after=after, limit=limit)
        counted = count_items(session, [one.correction_id for one in page])
        listed = [_listed(one, counted.get(one.correction_id, 0), now) for one in page]
        event_id = record_reading(
            session, "corrections_read", actor, {"after": asked.cursor, "state": asked.state}, listed, now=now
        )
        last = page[-1].correction_id if len(page) == limit else None
        return CorrectionsPage(corrections=listed, next=last, event_id=event_id)

    return database.run_in_transaction(read)


def read_correction(
    database: Database, actor: Actor, correction_id: str, asked: CorrectionQuery, now: datetime
) -> ReadCorrection:
    """One of the member's corrections with a page of what it concerns. Raises UnknownObjectError (recorded),
    LogUnavailableError.
    """

    def read(session: Session) -> ReadCorrection:
        found = _own(session, actor.member_id, correction_id)
        items = count_items(session, [correction_id]).get(correction_id, 0)
        concerned = [_item(item) for item in page_of_items(session, correction_id, asked.cursor, ITEMS_PAGE)]
        event_id = record_reading(
            session,
            "corrections_read",
            actor,
            {"correction_id": correction_id, "after": asked.cursor},
            concerned,
            now=now,
        )
        following = asked.cursor + len(concerned)
        more = following if following < items and concerned else None
        listed = msgspec.structs.asdict(_listed(found, items, now))
        return ReadCorrection(**listed, concerned=concerned, next=more, event_id=event_id)

    return RecordedRefusals(database, actor, {"asked": "correction", "correction_id": correction_id}, now).run(read)


def acknowledge_correction(
    database: Database, request: Request, correction_id: str, taken_in: TakenIn
) -> tuple[CorrectionStatus, int]:
    """Note that the member has taken in a correction, of which it has read so many items; once is enough. Raises as
    act_once does.
    """

    def acknowledge(session: Session) -> CorrectionStatus:
        # Locked before the items are counted: the worker that tells of more holds the same lock until they are there.
        found = _own(session, request.actor.member_id, correction_id, lock=True)
        require(decide_acknowledgement(taken_in.items, count_items(session, [correction_id]).get(correction_id, 0)))
        if found.acknowledged_at is None:
            found.acknowledged_at, found.acknowledged_by = request.now, request.actor.representative_id
            person = request.actor.representative_id
            view = {"correction_id": correction_id, "representative_id": person, "items": taken_in.items}
            record(session, "correction_acknowledged", [View(found.member_id, view)], request.now)
        at = to_rfc3339(found.acknowledged_at)
        return CorrectionStatus(correction_id=correction_id, acknowledged_at=at)

    asked = {"asked": "correction_acknowledge", "correction_id": correction_id}
    return act_once(database, request, asked, acknowledge, answer=CorrectionStatus)


def _own(session: Session, member_id: str, correction_id: str, *, lock: bool = False) -> Correction:
    found = find_correction(session, member_id, correction_id, lock=lock)
    if found is None:
        raise UnknownObjectError
    return found


def _listed(correction: Correction, items: int, now: datetime) -> ListedCorrection:
    acknowledged = correction.acknowledged_at
    return ListedCorrection(
        correction_id=correction.correction_id,
        reason=correction.reason,
        items=items,
        told_at=to_rfc3339(correction.told_at),
        due_at=to_rfc3339(correction.due_at),
        acknowledged_at=None if acknowledged is None else to_rfc3339(acknowledged),
        is_overdue=acknowledged is None and correction.due_at < now,
    )


def _item(item: CorrectionItem) -> ConcernedItem:
    return ConcernedItem(token=to_base64(item.token), kind=item.kind, object_id=item.object_id)
