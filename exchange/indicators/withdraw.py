"""Taking back one's own rows. The act itself is short and bounded; notifying every recipient is the worker's
(exchange.corrections.notify).

In order:
1. The groups of the rows are locked, as for submitting: whoever submits the same token either came before and is
   notified, or comes later and sees nothing. A withdrawal counts from when the last submission before it began, if that
   is later than its own request: it may have waited for the lock.
2. The rows are gone at once: given tokens are retired, a submission is marked, and its rows count for nothing. Rows
   that have expired are taken back too, as long as they are kept, and their recipients are notified.
3. The withdrawing member is answered how many rows that were, and a lower bound of who is notified, from what it knows
   already: its own hits and the requests that were answered. Nothing else is looked at, agencies' queries least of all.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from sqlalchemy.orm import Session

from exchange.indicators.derived import disclosed_by_name
from exchange.indicators.hits import KnownHit, hits_of_member, hits_of_submission
from exchange.indicators.store import (
    StoredRow,
    count_rows,
    expired_of_submission,
    find_expired,
    find_rows,
    retire_rows,
    withdraw_expired,
)
from exchange.indicators.submissions import WITHDRAWN, find_submission, latest_beginning, mark_submissions
from exchange.indicators.taken_back import keep_rows_out
from exchange.indicators.withdrawal import decide_id, decide_withdrawal, notified_at_least
from exchange.indicators.withdrawals import Withdrawal, add_withdrawn, find_withdrawal
from exchange.kernel.session import Database
from exchange.log.acting import Request, UnknownObjectError, act_once, require
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership.store import lock_group
from schemas.hits import Overlap
from schemas.values.canonical import digest
from schemas.values.encoding import to_base64
from schemas.withdrawals import NewWithdrawal, Withdrawn


def withdraw_indicators(database: Database, request: Request, new: NewWithdrawal) -> tuple[Withdrawn, int]:
    """Take the rows back; what to answer. Raises as act_once does."""

    def withdraw(session: Session) -> Withdrawn:
        require(decide_id("withdrawal_id", is_free=find_withdrawal(session, new.withdrawal_id) is None))
        take = _take_tokens if new.submission_id is None else _take_submission
        rows, hits, sources = take(session, request, new)
        require(decide_withdrawal(rows))
        notified = _count_notified(session, request, hits, sources)
        event_id = _record(session, request, new, rows, notified)
        withdrawal = Withdrawal(
            withdrawal_id=new.withdrawal_id,
            member_id=request.actor.member_id,
            representative_id=request.actor.representative_id,
            open_submission_id=new.submission_id,
            reason=new.reason,
            rows=rows,
            told=notified,
            event_id=event_id,
            created_at=latest_beginning(session, request.now),
        )
        session.add(withdrawal)
        session.flush()
        return Withdrawn(withdrawal_id=new.withdrawal_id, withdrawn=rows, told=notified, event_id=event_id)

    asked = {"asked": "withdraw", "withdrawal_id": new.withdrawal_id}
    return act_once(database, request, asked, withdraw, 201, answer=Withdrawn)


_Taken = tuple[int, list[KnownHit], set[tuple[bytes, str]]]
"""How many rows, the member's hits on them, and (token, submission) that anybody could have received."""


def _take_tokens(session: Session, request: Request, new: NewWithdrawal) -> _Taken:
    """Retire the member's rows of the tokens."""
    tokens, member_id = sorted(new.tokens or ()), request.actor.member_id
    groups = {row.holding.group_id for row in _own_rows(session, request, tokens)}
    for group_id in sorted(groups | {row[1] for row in find_expired(session, tokens, member_id)}):
        lock_group(session, group_id)
    rows = [(*row.key, row.submission_id) for row in _own_rows(session, request, tokens)]
    expired = withdraw_expired(session, find_expired(session, tokens, member_id), new.reason)
    retire_rows(session, [row[:3] for row in rows], new.reason, request.now)
    rows += expired
    add_withdrawn(session, new.withdrawal_id, rows)
    keep_rows_out(session, rows, new.reason)
    taken = {row[0] for row in rows}
    own = hits_of_member(session, member_id, sorted(taken))
    return len(rows), own, {(row[0], row[3]) for row in rows}


def _own_rows(session: Session, request: Request, tokens: Sequence[bytes]) -> list[StoredRow]:
    """The member's rows that are not retired yet, nor of a submission that is on its way there."""
    rows = find_rows(session, tokens, member_id=request.actor.member_id)
    return [row for row in rows if not row.is_withdrawn]


def _take_submission(session: Session, request: Request, new: NewWithdrawal) -> _Taken:
    """Mark the member's submission, with its rows, live or expired. Raises UnknownObjectError for another's."""
    submission_id = str(new.submission_id)
    found = find_submission(session, submission_id)
    if found is None or found.member_id != request.actor.member_id:
        raise UnknownObjectError
    lock_group(session, found.group_id)
    session.refresh(found)
    if found.state == WITHDRAWN:
        return 0, [], set()
    mark_submissions(session, [submission_id], WITHDRAWN)
    hits = list(hits_of_submission(session, found.member_id, found.group_id, submission_id))
    expired = expired_of_submission(session, submission_id)
    sources = {(hit.token, submission_id) for hit in hits} | {(row[0], submission_id) for row in expired}
    return count_rows(session, submission_id) + len(expired), hits, sources


def _count_notified(
    session: Session, request: Request, hits: Sequence[KnownHit], sources: Collection[tuple[bytes, str]]
) -> int:
    """How many members are notified as far as the withdrawing one may know. A hit that rests on another row of its own
    too says nothing: the others may share that one alone.
    """
    today = request.now.date()
    left = {
        row.holding.token
        for row in _own_rows(session, request, sorted({hit.token for hit in hits}))
        if row.expires_on >= today
    }
    shown = [hit for hit in hits if hit.view_json is not None and hit.token not in left]
    bands = {msgspec.json.decode(hit.view_json or "", type=Overlap).institutions for hit in shown}
    return notified_at_least(bands, disclosed_by_name(session, sources, request.actor.member_id))


def _record(session: Session, request: Request, new: NewWithdrawal, rows: int, notified: int) -> str:
    tokens = None if new.tokens is None else [to_base64(token) for token in sorted(new.tokens)]
    view = {
        "withdrawal_id": new.withdrawal_id,
        "representative_id": request.actor.representative_id,
        "reason": new.reason,
        "submission_id": new.submission_id,
        "tokens_sha256": None if tokens is None else to_base64(digest(tokens)),
        "withdrawn": rows,
        "told_at_least": notified,
    }
    core = {"signature": request.actor.signature, "request_sha256": to_base64(request.sha256)}
    return record(session, "withdrawal", [View(request.actor.member_id, view)], request.now, core).event_id
