"""Rows taken back, and the corrections that tell it to everyone who was told of them.

A withdrawal's rows wait in `withdrawn_rows` until their recipients are told, and a while longer, for disclosures that
were under way meanwhile; then they are forgotten. The token leads the keys of the tables that hold tokens.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from operator import attrgetter
from typing import Any

from sqlalchemy import (
    Boolean,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    delete,
    exists,
    func,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from exchange.store.base import Base, UtcDateTime
from exchange.store.bulk_insert import update_many
from exchange.store.chunks import in_chunks, in_even_chunks
from exchange.store.derived import Derived, derived_since
from exchange.store.hits import Hit, find_hits
from exchange.store.indicators import RowKey
from exchange.store.outcomes import overtake_assessments
from exchange.store.upsert import insert_ignoring, run_counted
from schemas.identifiers import uuid7


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
    """A row taken back, by `withdrawal_id`; `told_at` is None until its recipients are told. `is_watched` says that a
    member that was not told could be shown a hit of it by a reading that was under way then.
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


class Correction(Base):
    """What one member is told of one withdrawal. Told more of it, the member acknowledges anew."""

    __tablename__ = "corrections"
    __table_args__ = (
        UniqueConstraint("withdrawal_id", "member_id"),
        Index("ix_corrections_member_id_correction_id", "member_id", "correction_id"),
        Index("ix_corrections_acknowledged_at_due_at", "acknowledged_at", "due_at"),
        Index("ix_corrections_told_at", "told_at"),
    )

    correction_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    withdrawal_id: Mapped[str] = mapped_column(String(36))
    member_id: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(32))
    told_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    acknowledged_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    acknowledged_by: Mapped[str | None] = mapped_column(String(130))
    escalated_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class CorrectionItem(Base):
    """One thing that the member had been told: by which hit, request or query, about which token."""

    __tablename__ = "correction_items"
    __table_args__ = (
        PrimaryKeyConstraint("token", "correction_id", "kind", "object_id"),
        Index("ix_correction_items_correction_id", "correction_id"),
        {"sqlite_with_rowid": False},
    )

    token: Mapped[bytes] = mapped_column(LargeBinary(32))
    correction_id: Mapped[str] = mapped_column(String(36))
    kind: Mapped[str] = mapped_column(String(16))
    object_id: Mapped[str] = mapped_column(String(36))


@dataclass(frozen=True, order=True, slots=True)
class Told:
    """That a member was told of a token, by a hit, a request or a query."""

    member_id: str
    token: bytes
    kind: str
    object_id: str


def add_withdrawn(session: Session, withdrawal_id: str, rows: Iterable[RowKey]) -> None:
    """Let the recipients of those rows be told."""
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
    wanted = select(Withdrawal.open_submission_id, Withdrawal.reason).where(Withdrawal.member_id == member_id, _IS_OPEN)
    return {str(row.open_submission_id): row.reason for row in session.execute(wanted)}


def open_withdrawals(session: Session, submission_ids: Collection[str]) -> dict[str, Withdrawal]:
    """The withdrawals of submissions whose rows are still to be moved, by submission."""
    found: dict[str, Withdrawal] = {}
    for some in in_even_chunks(sorted(submission_ids), 1024):
        wanted = select(Withdrawal).where(Withdrawal.open_submission_id.in_(some))
        found |= {str(row.open_submission_id): row for row in session.scalars(wanted)}
    return found


def next_untold(session: Session, limit: int) -> Sequence[WithdrawnRow]:
    """Up to `limit` rows of one withdrawal whose recipients are to be told."""
    first = select(func.min(WithdrawnRow.withdrawal_id)).where(WithdrawnRow.told_at.is_(None)).scalar_subquery()
    wanted = select(WithdrawnRow).where(WithdrawnRow.told_at.is_(None), WithdrawnRow.withdrawal_id == first)
    return session.scalars(wanted.limit(limit)).all()


def mark_told(
    session: Session, rows: Sequence[WithdrawnRow], watched: Collection[tuple[bytes, str]], now: datetime
) -> None:
    """Note that the recipients of those rows are told; hits under way of those in `watched`, given as (token,
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
    wanted = select(WithdrawnRow).where(WithdrawnRow.is_watched.is_(True), changed)
    return session.scalars(wanted.order_by(WithdrawnRow.withdrawal_id, WithdrawnRow.token)).all()


def late_disclosures(session: Session, since: datetime) -> list[tuple[str, Derived]]:
    """What was disclosed from `since` on and derives from withdrawn rows whose recipients are told already, each with
    its withdrawal: disclosures that were under way when the row was taken back.
    """
    row = WithdrawnRow
    if session.scalar(select(row.withdrawal_id).where(row.told_at.is_not(None)).limit(1)) is None:
        return []
    derived = derived_since(session, since)
    wanted = select(row.token, row.submission_id, row.withdrawal_id).where(row.told_at.is_not(None))
    taken: dict[tuple[bytes, str], list[str]] = {}
    for some in in_even_chunks(sorted({one.token for one in derived}), 1024):
        for token, submission_id, withdrawal_id in session.execute(wanted.where(row.token.in_(some))):
            taken.setdefault((token, submission_id), []).append(withdrawal_id)
    return [(withdrawal_id, one) for one in derived for withdrawal_id in taken.get((one.token, one.submission_id), ())]


def find_taken_back(session: Session, token: bytes, submission_ids: Collection[str]) -> set[str]:
    """Which of those submissions' rows of a token were taken back lately, from the moment of the withdrawal until some
    time after its recipients were told.
    """
    row, own = WithdrawnRow, WithdrawnRow.submission_id.in_(submission_ids)
    found = set(session.scalars(select(row.submission_id).where(row.token == token, own))) if submission_ids else set()
    return found | open_withdrawals(session, submission_ids).keys()


def forget_withdrawn(session: Session, before: datetime) -> int:
    """Forget rows whose recipients were told before a time; how many."""
    return run_counted(session, delete(WithdrawnRow).where(WithdrawnRow.told_at < before))


@dataclass(frozen=True, slots=True)
class Novelty:
    """What is new to a member of a withdrawal; `calls` says that it must look (again), having nothing open of it."""

    correction: Correction
    items: list[Told]
    calls: bool


def add_corrections(
    session: Session, withdrawal: Withdrawal, told: Collection[Told], now: datetime, due_at: datetime
) -> dict[str, Novelty]:
    """Keep what members are told of a withdrawal; what of it is new, by member. What was told is not told again. What
    they had assessed of the same things is overtaken.
    """
    # Locked: who acknowledges meanwhile does so before anything is added, or reads what was added first.
    wanted = select(Correction).where(Correction.withdrawal_id == withdrawal.withdrawal_id).with_for_update()
    known = {correction.member_id: correction for correction in session.scalars(wanted)}
    there = _items_of(session, {correction.correction_id for correction in known.values()}, told)
    news: dict[str, Novelty] = {}
    for one in sorted(set(told)):
        correction = known.get(one.member_id)
        if correction is not None and (correction.correction_id, one.token, one.kind, one.object_id) in there:
            continue
        if one.member_id not in news:
            calls = correction is None or correction.acknowledged_at is not None
            correction = _opened(session, withdrawal, one.member_id, correction, now, due_at)
            news[one.member_id] = Novelty(correction, [], calls)
        news[one.member_id].items.append(one)
    session.flush()
    rows = [_item(new.correction.correction_id, one) for new in news.values() for one in new.items]
    for some in in_chunks(sorted(rows, key=lambda row: (row["token"], row["correction_id"])), 1000):
        insert_ignoring(session, CorrectionItem, some)
    overtake_assessments(session, _hits_concerned(session, news), now)
    return news


def _hits_concerned(session: Session, news: Mapping[str, Novelty]) -> dict[str, list[str]]:
    """Each member's own hits on what it is told of, by a hit or otherwise."""
    told = {(one.token, member_id) for member_id, new in news.items() for one in new.items}
    concerned: dict[str, list[str]] = defaultdict(list)
    for key, hit in find_hits(session, {token for token, _ in told}).items():
        if key in told:
            concerned[hit.member_id].append(hit.hit_id)
    return concerned


def _opened(  # noqa: PLR0917 - the parts of one row
    session: Session,
    withdrawal: Withdrawal,
    member_id: str,
    known: Correction | None,
    now: datetime,
    due_at: datetime,
) -> Correction:
    """The member's correction, which is to be acknowledged by `due_at`, anew if it was before."""
    correction = known or Correction(
        correction_id=uuid7(),
        withdrawal_id=withdrawal.withdrawal_id,
        member_id=member_id,
        reason=withdrawal.reason,
        told_at=now,
        due_at=due_at,
    )
    if known is None:
        session.add(correction)
    elif known.acknowledged_at is not None:
        known.due_at, known.acknowledged_at, known.acknowledged_by, known.escalated_at = due_at, None, None, None
    return correction


def _item(correction_id: str, one: Told) -> dict[str, Any]:
    return {"token": one.token, "correction_id": correction_id, "kind": one.kind, "object_id": one.object_id}


def _items_of(
    session: Session, correction_ids: Collection[str], told: Iterable[Told]
) -> set[tuple[str, bytes, str, str]]:
    """(correction, token, kind, object) of the items there are about those tokens."""
    item = CorrectionItem
    found: set[tuple[str, bytes, str, str]] = set()
    for some in in_even_chunks(sorted({one.token for one in told}) if correction_ids else [], 1024):
        wanted = select(item.correction_id, item.token, item.kind, item.object_id).where(item.token.in_(some))
        rows = session.execute(wanted)
        found |= {(row[0], row[1], row[2], row[3]) for row in rows if row.correction_id in correction_ids}
    return found


def find_correction(session: Session, member_id: str, correction_id: str, *, lock: bool = False) -> Correction | None:
    """A member's own correction of that id."""
    wanted = select(Correction).where(Correction.correction_id == correction_id, Correction.member_id == member_id)
    return session.scalars(wanted.with_for_update() if lock else wanted).one_or_none()


def page_of_corrections(
    session: Session, member_id: str, *, state: str | None, after: str, limit: int
) -> Sequence[Correction]:
    """A member's corrections behind an id, in order of the id; `state` open or acknowledged, None for all."""
    wanted = select(Correction).where(Correction.member_id == member_id, Correction.correction_id > after)
    if state is not None:
        open_ones = Correction.acknowledged_at.is_(None)
        wanted = wanted.where(open_ones if state == "open" else ~open_ones)
    return session.scalars(wanted.order_by(Correction.correction_id).limit(limit)).all()


def count_items(session: Session, correction_ids: Collection[str]) -> dict[str, int]:
    """How many items each of those corrections has."""
    item = CorrectionItem
    counted = select(item.correction_id, func.count()).where(item.correction_id.in_(list(correction_ids)))
    return {row[0]: row[1] for row in session.execute(counted.group_by(item.correction_id))}


def page_of_items(session: Session, correction_id: str, skip: int, limit: int) -> Sequence[CorrectionItem]:
    """Items of a correction, in order of token, kind and object, but for the first `skip`."""
    item = CorrectionItem
    wanted = select(item).where(item.correction_id == correction_id).order_by(item.token, item.kind, item.object_id)
    return session.scalars(wanted.offset(skip).limit(limit)).all()


def list_overdue(session: Session, now: datetime, limit: int) -> Sequence[Correction]:
    """Corrections that nobody acknowledged in time and that nobody was told of yet, the longest overdue first."""
    waiting = Correction.acknowledged_at.is_(None), Correction.escalated_at.is_(None), Correction.due_at < now
    return session.scalars(select(Correction).where(*waiting).order_by(Correction.due_at).limit(limit)).all()


def purge_corrections(session: Session, before: datetime) -> int:
    """Delete acknowledged corrections that were told before a time, and withdrawals of before with none left; how many
    rows.
    """
    over = Correction.acknowledged_at.is_not(None), Correction.told_at < before
    gone = select(Correction.correction_id).where(*over)
    purged = run_counted(session, delete(CorrectionItem).where(CorrectionItem.correction_id.in_(gone)))
    purged += run_counted(session, delete(Correction).where(*over))
    left = select(Correction.withdrawal_id)
    finished = Withdrawal.created_at < before, Withdrawal.withdrawal_id.not_in(left)
    return purged + run_counted(session, delete(Withdrawal).where(*finished))


def close_submission(session: Session, withdrawal_id: str) -> None:
    """Note that all rows of a withdrawn submission are moved."""
    session.execute(update(Withdrawal).where(Withdrawal.withdrawal_id == withdrawal_id).values(open_submission_id=None))
