"""Submissions: the envelope that every row of it shares, and the parts in which the rows came."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime

from sqlalchemy import Date, ForeignKey, Index, Integer, LargeBinary, String, Text, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from exchange.store.base import Base, UtcDateTime

ACTIVE = "active"
EXPIRED = "expired"
WITHDRAWN = "withdrawn"


class Submission(Base):
    """One submission. `envelope_json` is its canonical JSON; the columns beside it are those that queries
    need.
    """

    __tablename__ = "submissions"
    __table_args__ = (
        Index("ix_submissions_member_id", "member_id"),
        Index("ix_submissions_state_expires_on", "state", "expires_on"),
    )

    submission_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(64))
    representative_id: Mapped[str] = mapped_column(String(130))
    group_id: Mapped[str] = mapped_column(String(64))
    epoch: Mapped[int] = mapped_column(Integer)
    theme: Mapped[str] = mapped_column(String(64))
    expires_on: Mapped[date] = mapped_column(Date)
    state: Mapped[str] = mapped_column(String(16))
    envelope_json: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class SubmissionPart(Base):
    """One part; `request_sha256` tells a repetition from another body under the same number."""

    __tablename__ = "submission_parts"

    submission_id: Mapped[str] = mapped_column(ForeignKey("submissions.submission_id"), primary_key=True)
    part: Mapped[int] = mapped_column(Integer, primary_key=True)
    request_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    event_id: Mapped[str] = mapped_column(String(36))
    accepted: Mapped[int] = mapped_column(Integer)
    duplicates: Mapped[int] = mapped_column(Integer)
    rejected: Mapped[int] = mapped_column(Integer)
    committed_at: Mapped[datetime] = mapped_column(UtcDateTime)


def find_submission(session: Session, submission_id: str) -> Submission | None:
    """The submission of that id."""
    return session.get(Submission, submission_id)


def find_part(session: Session, submission_id: str, part: int) -> SubmissionPart | None:
    """One part of a submission."""
    return session.get(SubmissionPart, (submission_id, part))


def list_expired(session: Session, today: date, limit: int) -> Sequence[Submission]:
    """Active submissions whose last day has passed."""
    return session.scalars(
        select(Submission)
        .where(Submission.state == ACTIVE, Submission.expires_on < today)
        .order_by(Submission.expires_on, Submission.submission_id)
        .limit(limit)
    ).all()


def mark_submissions(session: Session, submission_ids: Sequence[str], state: str) -> None:
    """Set the state of some submissions."""
    session.execute(update(Submission).where(Submission.submission_id.in_(submission_ids)).values(state=state))
