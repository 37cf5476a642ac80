"""What was answered under an Idempotency-Key, so that a repeated request changes nothing and gets the same
answer.
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Integer, LargeBinary, String, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from exchange.kernel.upsert import run_counted


class OtherRequestError(Exception):
    """The Idempotency-Key was used for another request."""


class IdempotentAnswer(Base):
    """One request by one principal; `request_sha256` covers method, target and body."""

    __tablename__ = "idempotent_answers"

    principal: Mapped[str] = mapped_column(String(130), primary_key=True)
    key: Mapped[str] = mapped_column(String(128), primary_key=True)
    request_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    status: Mapped[int] = mapped_column(Integer)
    answer: Mapped[bytes] = mapped_column(LargeBinary)
    answered_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


def find_answer(session: Session, principal: str, key: str, request_sha256: bytes) -> IdempotentAnswer | None:
    """What was answered to that principal's request under that key. Raises OtherRequestError."""
    kept = session.get(IdempotentAnswer, (principal, key))
    if kept is not None and kept.request_sha256 != request_sha256:
        raise OtherRequestError
    return kept


def delete_answers_before(session: Session, moment: datetime) -> int:
    """Forget answers given before a time; how many."""
    return run_counted(session, delete(IdempotentAnswer).where(IdempotentAnswer.answered_at < moment))
