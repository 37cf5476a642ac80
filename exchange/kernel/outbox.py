"""Messages for the rest of the world, stored in the transaction of the act that they tell of."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from sqlalchemy import Index, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from exchange.kernel.upsert import insert_ignoring
from schemas.values.identifiers import uuid7


class OutboxMessage(Base):
    """That something happened which concerns a member: the kind and the event, no content."""

    __tablename__ = "outbox"
    __table_args__ = (Index("ix_outbox_created_at", "created_at", "message_id"),)

    message_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(40))
    event_id: Mapped[str] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


def send(session: Session, kind: str, event_id: str, member_ids: Iterable[str], now: datetime) -> None:
    """Queue one message for each of the members."""
    rows = [
        {"message_id": uuid7(), "member_id": member_id, "kind": kind, "event_id": event_id, "created_at": now}
        for member_id in sorted(set(member_ids))
    ]
    insert_ignoring(session, OutboxMessage, rows)


def take(session: Session, limit: int) -> Sequence[OutboxMessage]:
    """Up to `limit` messages, locked; each is taken by one worker and gone once that worker commits."""
    messages = session.scalars(
        select(OutboxMessage)
        .order_by(OutboxMessage.created_at, OutboxMessage.message_id)
        .limit(limit)
        .with_for_update(skip_locked=True)
    ).all()
    taken = [message.message_id for message in messages]
    if taken:
        session.execute(
            delete(OutboxMessage).where(OutboxMessage.message_id.in_(taken)),
            execution_options={"synchronize_session": False},
        )
    return messages
