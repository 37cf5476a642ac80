"""Day heads: each day, one entry for each member that states how far its chain of entries had come, idle members
too.

A member that misses a day's head, or whose head disagrees with its own list, knows of a hole or a cut tail within
a day.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, date, datetime, timedelta

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from exchange.kernel.upsert import insert_ignoring
from exchange.log.entries import View, record_event
from exchange.log.tables import LogDayHead, LogNumber
from schemas.values.encoding import to_base64
from tlog.entries import CHAIN_START

LONGEST_CATCH_UP = timedelta(days=400)


def record_day_heads(session: Session, members: Iterable[str], now: datetime) -> int:
    """Record the head of every finished day (UTC) that a member has none of yet; how many were recorded.

    A member without any gets yesterday's. Days that were missed while nothing ran are made up, so that they follow
    without a gap. Call it as often as you like; the primary key lets each day through once.
    """
    yesterday = now.astimezone(UTC).date() - timedelta(days=1)
    recorded = 0
    for member_id in members:
        for day in _missing_days(session, member_id, yesterday):
            if insert_ignoring(session, LogDayHead, [{"member_id": member_id, "day": day}]):
                _record_head(session, member_id, day, now)
                recorded += 1
    return recorded


def _missing_days(session: Session, member_id: str, yesterday: date) -> list[date]:
    last = session.scalar(select(func.max(LogDayHead.day)).where(LogDayHead.member_id == member_id))
    first = yesterday if last is None else max(last + timedelta(days=1), yesterday - LONGEST_CATCH_UP)
    return [first + timedelta(days=number) for number in range((yesterday - first).days + 1)]


def _record_head(session: Session, member_id: str, day: date, now: datetime) -> None:
    last = (
        select(LogNumber.number, LogNumber.chain_head)
        .where(LogNumber.member_id == member_id)
        .order_by(LogNumber.number.desc())
        .limit(1)
    )
    row = session.execute(last).one_or_none()
    number, head = (row.number, row.chain_head) if row else (0, CHAIN_START)
    body = {"day": day.isoformat(), "number": number, "chain_head": to_base64(head)}
    record_event(session, "day_head", [View(member_id, body)], now)
