"""The clock of information requests: holders are reminded half way and when an answer is due, and what nobody answers
lapses. The worker's part; several workers at once do each once.
"""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from exchange.kernel import outbox
from exchange.kernel.actor import Actor
from exchange.kernel.session import Database
from exchange.log.each import run_each
from exchange.log.entries import View
from exchange.log.events import record
from exchange.requests.store import (
    ENDED,
    InformationRequest,
    find_part,
    find_request,
    list_lapsed,
    list_parts,
    list_to_remind,
    purge_requests,
    purge_sealed,
)
from schemas.terms import RequestState
from schemas.values.encoding import to_rfc3339

AT_ONCE = 500
SEALED_KEPT = timedelta(days=90)
"""How long what was sealed is kept after a request has closed."""
REQUESTS_KEPT = timedelta(days=365)
"""How long the request itself is, with its texts, its token and what was answered."""


def enforce_deadlines(database: Database, now: datetime) -> int:
    """Remind and let lapse what is due; how many reminders and requests. Raises LogUnavailableError: what is left is
    done once the log takes entries again.
    """
    with database.reading() as session:
        waiting, lapsed = list_to_remind(session, now, AT_ONCE), list_lapsed(session, now, AT_ONCE)
    acts = [*(partial(_remind, request_id=one, holder=holder, now=now) for one, holder in waiting)]
    acts += [partial(_lapse, request_id=one, now=now) for one in lapsed]
    return run_each(database, "requests", acts)


def purge_answers(database: Database, now: datetime) -> int:
    """Delete what was sealed for requests that closed long ago, and the requests that closed longer ago; how many
    answers and requests. The log says that they were made and given.
    """
    sealed = database.run_in_transaction(lambda session: purge_sealed(session, now - SEALED_KEPT))
    return sealed + database.run_in_transaction(lambda session: purge_requests(session, now - REQUESTS_KEPT))


def end_parts(
    session: Session, info: InformationRequest, state: RequestState, now: datetime, actor: Actor | None = None
) -> None:
    """End a locked request: every part that is not answered takes the state, and its holder is notified. So is
    the requester unless answers came before the time was up: that others did not answer is not for it to know. What is
    over stays as it is.
    """
    left = [part for part in list_parts(session, info.request_id) if part.state not in ENDED]
    if info.closed_at is not None and not left:
        return
    for part in left:
        part.state, part.remind_at = state.value, None
    is_told = info.state == RequestState.OPEN or state is RequestState.CANCELLED
    if info.state == RequestState.OPEN:
        info.state = state.value
    info.closed_at = info.closed_at or now
    session.flush()
    holders = [part.member_id for part in left]
    view = {"request_id": info.request_id, "state": state.value}
    own = view if actor is None else {**view, "representative_id": actor.representative_id}
    views = [View(info.member_id, own)] if is_told else []
    views += [View(holder, view) for holder in holders]
    if not views:
        return
    core = None if actor is None else {"signature": actor.signature}
    event = record(session, f"request_{state.value}", views, now, core)
    notified = [*holders, *([info.member_id] if is_told and actor is None else [])]
    outbox.send(session, f"request_{state.value}", event.event_id, notified, now)


def _remind(session: Session, request_id: str, holder: str, now: datetime) -> bool:
    info = find_request(session, request_id, lock=True)
    part = find_part(session, request_id, holder)
    if info is None or part is None or part.remind_at is None or part.remind_at > now:
        return False
    is_due = info.due_at <= now
    part.remind_at = None if is_due else info.due_at
    session.flush()
    view = {"request_id": request_id, "due_at": to_rfc3339(info.due_at), "overdue": is_due}
    event = record(session, "request_reminder", [View(holder, view)], now)
    outbox.send(session, "request_reminder", event.event_id, [holder], now)
    return True


def _lapse(session: Session, request_id: str, now: datetime) -> bool:
    info = find_request(session, request_id, lock=True)
    if info is None or info.closed_at is not None or info.lapses_at > now:
        return False
    end_parts(session, info, RequestState.LAPSED, now)
    return True
