"""Storing the rows of a slice: what is there already stays, what the member took back is left out (docs/adr/0040)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from exchange.indicators.holders import Way, ways_of_tokens
from exchange.indicators.matching import Holding
from exchange.indicators.move_withdrawn import move_withdrawn, take_expired
from exchange.indicators.store import EXPIRED, Batch, find_expired, find_rows, retire_rows, store_rows
from exchange.indicators.taken_back import keep_tokens_out, kept_out, let_in, look_for_kept_out
from exchange.indicators.withdrawals import open_withdrawals_of
from exchange.kernel.actor import Actor
from exchange.submissions.parts import SubmissionRequest


@dataclass(frozen=True, slots=True)
class LeftOutTokens:
    """Tokens whose rows are left out, with the reason for which each was taken back, and how many rows that were taken
    back are listed again.
    """

    reasons: dict[bytes, str]
    relisted: int


def store_slice(
    session: Session, actor: Actor, request: SubmissionRequest, now: datetime
) -> tuple[dict[bytes, Way], set[bytes], LeftOutTokens]:
    """How those tokens are held that were held already, the tokens that the member held itself, and what is left
    out.
    """
    good, envelope, today = request.rows.good, request.envelope, now.date()
    batch = Batch(*([row[column] for row in good] for column in range(4)))  # type: ignore[arg-type]
    own = find_rows(session, batch.tokens, group_id=envelope.group, member_id=actor.member_id)
    passed = [row for row in own if row.expires_on < today and not row.is_withdrawn]
    retire_rows(session, [row.key for row in passed], EXPIRED, now)
    move_withdrawn(session, [(*row.key, row.submission_id) for row in own if row.is_withdrawn], now)
    there = {row.holding.token for row in own if row.expires_on >= today}
    out = _leave_out(session, actor, request, batch.tokens, there)
    absent = there | out.reasons.keys()
    # Before the rows are stored: most tokens are nobody's yet, and cost nothing then.
    ways = ways_of_tokens(session, batch.tokens, today)
    store_rows(
        session, batch.without(absent) if absent else batch, envelope.group, actor.member_id, request.submission_id
    )
    added: dict[tuple[Way, Holding], Way] = {}
    for token, indicator_type, first_seen, _last, _index in good:
        if token in ways and token not in absent:
            month = first_seen and first_seen[:7]
            row = Holding(b"", envelope.group, actor.member_id, indicator_type, envelope.theme, month)
            key = (ways[token], row)
            ways[token] = added.setdefault(key, (*ways[token], row))
    return ways, there, out


def _leave_out(
    session: Session, actor: Actor, request: SubmissionRequest, tokens: Sequence[bytes], there: set[bytes]
) -> LeftOutTokens:
    """What the member took back in this epoch, and what it says that it took back in another: that is kept out from now
    on too. What lives is not left out.
    """
    group_id, member_id = request.envelope.group, actor.member_id
    _take_expired(session, actor, request, tokens)
    kept = kept_out(session, tokens, group_id, member_id)
    said = {token: reason for token, reason in _said(request).items() if token not in there}
    keep_tokens_out(session, said, group_id, member_id, request.envelope.epoch)
    listed = [token for token in _asked_again(request, kept) if token not in said and token not in there]
    let_in(session, listed, group_id, member_id)
    out = (said | kept).keys() - there - set(listed)
    return LeftOutTokens({token: kept.get(token) or said[token] for token in out}, len(listed))


def tokens_left_out(session: Session, actor: Actor, request: SubmissionRequest, tokens: Sequence[bytes]) -> set[bytes]:
    """Those of some tokens whose rows will be left out unless the member has them. In a reading transaction too."""
    kept = look_for_kept_out(session, tokens, request.envelope.group, actor.member_id)
    return _said(request).keys() | (kept.keys() - set(_asked_again(request, kept)))


def _said(request: SubmissionRequest) -> dict[bytes, str]:
    """What the request says that its member took back in another epoch, with the reasons."""
    reasons = request.rows.taken_back
    return {row[0]: reasons[row[4]] for row in request.rows.good if row[4] in reasons} if reasons else {}


def _asked_again(request: SubmissionRequest, kept: Mapping[bytes, str]) -> list[bytes]:
    """Of the tokens that are kept out, those that the request lists again."""
    if request.relist is None:
        return []
    rows = request.relist_rows
    return [row[0] for row in request.rows.good if row[0] in kept and (rows is None or row[4] in rows)]


def _take_expired(session: Session, actor: Actor, request: SubmissionRequest, tokens: Sequence[bytes]) -> None:
    """Take back expired rows of submissions that were taken back and that the worker has not got to: later it would
    keep out what is listed again now.
    """
    if open_withdrawals_of(session, actor.member_id):
        expired = find_expired(session, tokens, actor.member_id)
        take_expired(session, [row for row in expired if row[1] == request.envelope.group])
