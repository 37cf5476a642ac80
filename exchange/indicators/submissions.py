"""Submissions: the envelope that every row of it shares, and the parts in which the rows came."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import date, datetime

import msgspec
from sqlalchemy import Boolean, Date, ForeignKey, Index, Integer, LargeBinary, String, Text, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from exchange.kernel.chunks import in_even_chunks
from schemas.submissions import SubmissionEnvelope

ACTIVE = "active"
EXPIRED = "expired"
WITHDRAWN = "withdrawn"


class Submission(Base):
    """One submission. `envelope_json` is its canonical JSON; the columns beside it are those that queries
    need. On `review_on` its member is reminded to review it; None once it was.
    """

    __tablename__ = "submissions"
    __table_args__ = (
        Index("ix_submissions_member_id", "member_id"),
        Index("ix_submissions_created_at", "created_at"),
        Index("ix_submissions_state_expires_on", "state", "expires_on"),
        Index("ix_submissions_state_review_on", "state", "review_on"),
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
    review_on: Mapped[date | None] = mapped_column(Date)


class SubmissionPart(Base):
    """A slice of a part, most parts have one (docs/adr/0046); `request_sha256` tells a repetition from another body
    under the same number. The counts are the slice's own. `upto` is how many of the part's good rows, in the order of
    their tokens, are stored with it; `rows_json` numbers those of it that were not accepted, None in the last.
    """

    __tablename__ = "submission_parts"

    submission_id: Mapped[str] = mapped_column(ForeignKey("submissions.submission_id"), primary_key=True)
    part: Mapped[int] = mapped_column(Integer, primary_key=True)
    slice: Mapped[int] = mapped_column(Integer, primary_key=True)
    request_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    event_id: Mapped[str] = mapped_column(String(36))
    upto: Mapped[int] = mapped_column(Integer)
    is_last: Mapped[bool] = mapped_column(Boolean)
    accepted: Mapped[int] = mapped_column(Integer)
    duplicates: Mapped[int] = mapped_column(Integer)
    rejected: Mapped[int] = mapped_column(Integer)
    left_out: Mapped[int] = mapped_column(Integer)
    rows_json: Mapped[str | None] = mapped_column(Text)
    committed_at: Mapped[datetime] = mapped_column(UtcDateTime)


def find_submission(session: Session, submission_id: str) -> Submission | None:
    """The submission of that id."""
    return session.get(Submission, submission_id)


def slices_of_part(session: Session, submission_id: str, part: int) -> Sequence[SubmissionPart]:
    """The slices of a part that are stored, in order."""
    own = SubmissionPart.submission_id == submission_id, SubmissionPart.part == part
    return session.scalars(select(SubmissionPart).where(*own).order_by(SubmissionPart.slice)).all()


def list_expired(session: Session, today: date, limit: int) -> Sequence[Submission]:
    """Active submissions whose last day has passed."""
    return session.scalars(
        select(Submission)
        .where(Submission.state == ACTIVE, Submission.expires_on < today)
        .order_by(Submission.expires_on, Submission.submission_id)
        .limit(limit)
    ).all()


def passed_submissions(session: Session, today: date) -> list[str]:
    """The ids of active submissions whose last day has passed."""
    passed = Submission.state == ACTIVE, Submission.expires_on < today
    return list(session.scalars(select(Submission.submission_id).where(*passed)))


def mark_submissions(session: Session, submission_ids: Sequence[str], state: str) -> None:
    """Set the state of some submissions; one that was taken back stays so."""
    marked = Submission.submission_id.in_(submission_ids), Submission.state != WITHDRAWN
    session.execute(update(Submission).where(*marked).values(state=state))


def begun_at(session: Session, submission_ids: Iterable[str]) -> dict[str, datetime]:
    """When each of the submissions began."""
    found: dict[str, datetime] = {}
    for some in in_even_chunks(sorted(set(submission_ids)), 1024):
        selection = select(Submission.submission_id, Submission.created_at).where(Submission.submission_id.in_(some))
        found |= {row.submission_id: row.created_at for row in session.execute(selection)}
    return found


def latest_beginning(session: Session, after: datetime) -> datetime:
    """When the last submission began that began after a moment, or that moment."""
    found = session.scalar(select(func.max(Submission.created_at)).where(Submission.created_at > after))
    return after if found is None else found


def last_days(session: Session, submission_ids: Iterable[str]) -> dict[str, date]:
    """The last day of each of the submissions."""
    found: dict[str, date] = {}
    for some in in_even_chunks(sorted(set(submission_ids)), 1024):
        selection = select(Submission.submission_id, Submission.expires_on).where(Submission.submission_id.in_(some))
        found |= {row.submission_id: row.expires_on for row in session.execute(selection)}
    return found


def arrivals_of(session: Session, submission_ids: Iterable[str]) -> dict[str, frozenset[str]]:
    """The events of the parts of each of the submissions."""
    found: dict[str, set[str]] = {}
    for some in in_even_chunks(sorted(set(submission_ids)), 1024):
        part = SubmissionPart
        selection = select(part.submission_id, part.event_id).where(part.submission_id.in_(some)).distinct()
        for submission_id, event_id in session.execute(selection):
            found.setdefault(submission_id, set()).add(event_id)
    return {submission_id: frozenset(events) for submission_id, events in found.items()}


def take_reviews(session: Session, today: date, limit: int) -> list[tuple[str, str]]:
    """(submission, member) of active submissions that are to be reviewed by today; each is taken once."""
    due = Submission.state == ACTIVE, Submission.review_on <= today
    selection = select(Submission.submission_id, Submission.member_id).where(*due)
    found = [(row[0], row[1]) for row in session.execute(selection.order_by(Submission.review_on).limit(limit))]
    taken = Submission.submission_id.in_([submission_id for submission_id, _ in found])
    session.execute(update(Submission).where(taken).values(review_on=None))
    return found


def read_envelopes(session: Session, submission_ids: Collection[str]) -> dict[str, SubmissionEnvelope]:
    """The envelopes of those submissions."""
    found = {}
    for some in in_even_chunks(sorted(submission_ids), 1024):
        selection = select(Submission.submission_id, Submission.envelope_json)
        for submission_id, envelope in session.execute(selection.where(Submission.submission_id.in_(some))):
            found[submission_id] = msgspec.json.decode(envelope, type=SubmissionEnvelope)
    return found
