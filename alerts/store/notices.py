"""Notices: that something happened which concerns a member. The event's id and kind, never content."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy import Index, String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from exchange.kernel.upsert import insert_ignoring


class StoredNotice(Base):
    """One notice of one member; its id is that of the message it was made of, so that it is made once."""

    __tablename__ = "notices"
    __table_args__ = (Index("ix_notices_member_id_notice_id", "member_id", "notice_id"),)

    notice_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(40))
    event_id: Mapped[str] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


def add_notices(session: Session, notices: Sequence[dict[str, object]]) -> None:
    """Store notices that are not there yet."""
    insert_ignoring(session, StoredNotice, notices)


def count_notices(session: Session, member_id: str) -> int:
    """How many notices a member has."""
    return (
        session.scalar(select(func.count()).select_from(StoredNotice).where(StoredNotice.member_id == member_id)) or 0
    )


def page_of_notices(session: Session, member_id: str, after: str, limit: int) -> Sequence[StoredNotice]:
    """A member's notices behind a notice id, in order."""
    return session.scalars(
        select(StoredNotice)
        .where(StoredNotice.member_id == member_id, StoredNotice.notice_id > after)
        .order_by(StoredNotice.notice_id)
        .limit(limit)
    ).all()
