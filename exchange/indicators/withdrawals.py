"""Rows taken back, and which of them still wait to be moved or for their recipients to be notified.

A withdrawal's rows wait in `withdrawn_rows` until their recipients are notified, and a while longer, for disclosures
that were under way meanwhile; then they are forgotten. The token leads the keys of the tables that hold tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from datetime import datetime, timedelta
from operator import attrgetter

from sqlalchemy import (
    Boolean,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    delete,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.indicators.derived import Derived, derived_since
from exchange.indicators.hits import Hit
from exchange.indicators.store import RowKey
from exchange.kernel.base import Base
from exchange.kernel.bulk_insert import update_many
from exchange.kernel.chunks import in_chunks, in_even_chunks
from exchange.kernel.upsert import insert_ignoring, run_counted


class Withdrawal(Base):
    """One act of taking back. `open_submission_id` names a submission whose rows are still to be moved, None once they
    are; `rows` and `told` are what its member was answered.
    """

    __tablename__ = "withdrawals"
    __table_args__ = (
        Index("ix_withdrawals_member_id_open_submission_id", "member_id", "open_submission_id"),
        Index("ix_withdrawals_open_submission_id", "open_submission_id"),
        Index("ix_withdrawals_created_at", "created_at"),
    )

    withdrawal_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(64))
    representative_id: Mapped[str] = mapped_column(String(130))
    open_submission_id: Mapped[str | None] = mapped_column(String(36))
    reason: Mapped[str] = mapped_column(String(32))
    rows: Mapped[int] = mapped_column(Integer)
    told: Mapped[int] = mapped_column(Integer)
    event_id: Mapped[str] = mapped_column(String(36))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)


class WithdrawnRow(Base):
    """A row taken back, by `withdrawal_id`; `told_at` is None until its recipients are notified. `is_watched` says that
    a member that was not notified could be shown a hit of it by a reading in progress then.
    """

    __tablename__ = "withdrawn_rows"
    __table_args__ = (
        PrimaryKeyConstraint("token", "submission_id", "withdrawal_id"),
        Index("ix_withdrawn_rows_is_watched", "is_watched"),
        Index("ix_withdrawn_rows_told_at", "told_at", "withdrawal_id"),
        {"sqlite_with_rowid": False},
    )

    token: Mapped[bytes] = mapped_column(LargeBinary(32))
    member_id: Mapped[str] = mapped_column(String(64))
    group_id: Mapped[str] = mapped_column(String(64))
    withdrawal_id: Mapped[str] = mapped_column(String(36))
    submission_id: Mapped[str] = mapped_column(String(36))
    told_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    is_watched: Mapped[bool] = mapped_column(Boolean)


def add_withdrawn(session: Session, withdrawal_id: str, rows: Iterable[RowKey]) -> None:
    """Have the recipients of those rows notified."""
    made = [
        dict(zip(("token", "group_id", "member_id", "submission_id"), row, strict=True))
        | {"withdrawal_id": withdrawal_id, "told_at": None, "is_watched": False}
        for row in sorted(rows)
    ]
    for some in in_chunks(made, 1000):
        insert_ignoring(session, WithdrawnRow, some)


def find_withdrawal(session: Session, withdrawal_id: str) -> Withdrawal | None:
    """The withdrawal of that id, anyone's."""
    return session.get(Withdrawal, withdrawal_id)


def after_withdrawals(session: Session, moment: datetime) -> datetime:
    """The moment, or the first one after every withdrawal there is, if some are later than it."""
    latest = session.scalar(select(func.max(Withdrawal.created_at)).where(Withdrawal.created_at > moment))
    return moment if latest is None else latest + timedelta(microseconds=1)


# Not IS NOT NULL: SQLite looks up no index for it.
_IS_OPEN = Withdrawal.open_submission_id > ""


def list_open_submissions(session: Session) -> Sequence[Withdrawal]:
    """The withdrawals whose submissions' rows are still to be moved, oldest first."""
    waiting = session.scalars(select(Withdrawal).where(_IS_OPEN)).all()
    return sorted(waiting, key=attrgetter("created_at"))


def open_withdrawals_of(session: Session, member_id: str) -> dict[str, str]:
    """The reasons of a member's withdrawals of submissions whose rows are still to be moved, by submission."""
    selection = select(Withdrawal.open_submission_id, Withdrawal.reason).where(
        Withdrawal.member_id == member_id, _IS_OPEN
    )
    return {str(row.open_submission_id): row.reason for row in session.execute(selection)}


def open_withdrawals(session: Session, submission_ids: Collection[str]) -> dict[str, Withdrawal]:
    """The withdrawals of submissions whose rows are still to be moved, by submission."""
    found: dict[str, Withdrawal] = {}
    for some in in_even_chunks(sorted(submission_ids), 1024):
        selection = select(Withdrawal).where(Withdrawal.open_submission_id.in_(some))
        found |= {str(row.open_submission_id): row for row in session.scalars(selection)}
    return found


def close_submission(session: Session, withdrawal_id: str) -> None:
    """Note that all rows of a withdrawn submission are moved."""
    session.execute(update(Withdrawal).where(Withdrawal.withdrawal_id == withdrawal_id).values(open_submission_id=None))


def next_unnotified(session: Session, limit: int) -> Sequence[WithdrawnRow]:
    """Up to `limit` rows of one withdrawal whose recipients are to be notified."""
    first = select(func.min(WithdrawnRow.withdrawal_id)).where(WithdrawnRow.told_at.is_(None)).scalar_subquery()
    selection = select(WithdrawnRow).where(WithdrawnRow.told_at.is_(None), WithdrawnRow.withdrawal_id == first)
    return session.scalars(selection.limit(limit)).all()


def mark_notified(
    session: Session, rows: Sequence[WithdrawnRow], watched: Collection[tuple[bytes, str]], now: datetime
) -> None:
    """Record that the recipients of those rows are notified; hits in progress of those in `watched`, given as (token,
    submission), are looked for from now on.
    """
    keys = ("token", "submission_id", "withdrawal_id")
    marked = [
        {name: getattr(row, name) for name in keys}
        | {"told_at": now, "is_watched": (row.token, row.submission_id) in watched}
        for row in rows
    ]
    update_many(session, WithdrawnRow, marked)


def list_watched(session: Session, since: datetime) -> Sequence[WithdrawnRow]:
    """The rows that are watched and on whose tokens anything was shown, or ceased to be, from `since` on."""
    changed = exists().where(Hit.token == WithdrawnRow.token, Hit.disclosed_at >= since)
    selection = select(WithdrawnRow).where(WithdrawnRow.is_watched.is_(True), changed)
    return session.scalars(selection.order_by(WithdrawnRow.withdrawal_id, WithdrawnRow.token)).all()


def late_disclosures(session: Session, since: datetime) -> list[tuple[str, Derived]]:
    """What was disclosed from `since` on and derives from withdrawn rows whose recipients are notified already, each
    with its withdrawal: disclosures that were under way when the row was taken back.
    """
    row = WithdrawnRow
    if session.scalar(select(row.withdrawal_id).where(row.told_at.is_not(None)).limit(1)) is None:
        return []
    derived = derived_since(session, since)
    selection = select(row.token, row.submission_id, row.withdrawal_id).where(row.told_at.is_not(None))
    taken: dict[tuple[bytes, str], list[str]] = {}
    for some in in_even_chunks(sorted({one.token for one in derived}), 1024):
        for token, submission_id, withdrawal_id in session.execute(selection.where(row.token.in_(some))):
            taken.setdefault((token, submission_id), []).append(withdrawal_id)
    return [(withdrawal_id, one) for one in derived for withdrawal_id in taken.get((one.token, one.submission_id), ())]


def find_taken_back(session: Session, token: bytes, submission_ids: Collection[str]) -> set[str]:
    """Which of those submissions' rows of a token were taken back lately, from the moment of the withdrawal until some
    time after its recipients were notified.
    """
    row, own = WithdrawnRow, WithdrawnRow.submission_id.in_(submission_ids)
    found = set(session.scalars(select(row.submission_id).where(row.token == token, own))) if submission_ids else set()
    return found | open_withdrawals(session, submission_ids).keys()


def forget_withdrawn(session: Session, before: datetime) -> int:
    """Forget rows whose recipients were notified before a time; how many."""
    return run_counted(session, delete(WithdrawnRow).where(WithdrawnRow.told_at < before))
