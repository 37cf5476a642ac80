"""Corrections: what notifies every recipient of a row that it is taken back (exchange/indicators/withdrawals.py)."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    delete,
    func,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.indicators.withdrawals import Withdrawal
from exchange.kernel.base import Base
from exchange.kernel.chunks import in_chunks, in_even_chunks
from exchange.kernel.upsert import insert_ignoring, run_counted
from schemas.terms import CorrectionState
from schemas.values.identifiers import uuid7


class Correction(Base):
    """What one member receives of one withdrawal. When more of it follows, the member acknowledges anew."""

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
    """One thing that had been disclosed to the member: by which hit, request or query, about which token."""

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


_ITEM = ("token", "correction_id", "kind", "object_id")


@dataclass(frozen=True, order=True, slots=True)
class Disclosure:
    """That a token was disclosed to a member, by a hit, a request or a query."""

    member_id: str
    token: bytes
    kind: str
    object_id: str


@dataclass(frozen=True, slots=True)
class CorrectionUpdate:
    """What is new to a member of a withdrawal; `calls` says that it must look (again), having nothing open of it."""

    correction: Correction
    items: list[Disclosure]
    calls: bool


def add_corrections(
    session: Session, withdrawal: Withdrawal, disclosed: Collection[Disclosure], now: datetime, due_at: datetime
) -> dict[str, CorrectionUpdate]:
    """Keep what members receive of a withdrawal; what of it is new, by member. Nothing is reported twice."""
    # Locked: who acknowledges meanwhile does so before anything is added, or reads what was added first.
    selection = select(Correction).where(Correction.withdrawal_id == withdrawal.withdrawal_id).with_for_update()
    known = {correction.member_id: correction for correction in session.scalars(selection)}
    there = _items_of(session, {correction.correction_id for correction in known.values()}, disclosed)
    news: dict[str, CorrectionUpdate] = {}
    for one in sorted(set(disclosed)):
        correction = known.get(one.member_id)
        if correction is not None and (correction.correction_id, one.token, one.kind, one.object_id) in there:
            continue
        if one.member_id not in news:
            calls = correction is None or correction.acknowledged_at is not None
            correction = _opened(session, withdrawal, one.member_id, correction, now, due_at)
            news[one.member_id] = CorrectionUpdate(correction, [], calls)
        news[one.member_id].items.append(one)
    session.flush()
    rows = [
        (one.token, new.correction.correction_id, one.kind, one.object_id) for new in news.values() for one in new.items
    ]
    for some in in_chunks(sorted(rows), 1000):
        insert_ignoring(session, CorrectionItem, [dict(zip(_ITEM, row, strict=True)) for row in some])
    return news


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


def _items_of(
    session: Session, correction_ids: Collection[str], disclosed: Iterable[Disclosure]
) -> set[tuple[str, bytes, str, str]]:
    """(correction, token, kind, object) of the items there are about those tokens."""
    item = CorrectionItem
    found: set[tuple[str, bytes, str, str]] = set()
    for some in in_even_chunks(sorted({one.token for one in disclosed}) if correction_ids else [], 1024):
        selection = select(item.correction_id, item.token, item.kind, item.object_id).where(item.token.in_(some))
        rows = session.execute(selection)
        found |= {(row[0], row[1], row[2], row[3]) for row in rows if row.correction_id in correction_ids}
    return found


def find_correction(session: Session, member_id: str, correction_id: str, *, lock: bool = False) -> Correction | None:
    """A member's own correction of that id."""
    selection = select(Correction).where(Correction.correction_id == correction_id, Correction.member_id == member_id)
    return session.scalars(selection.with_for_update() if lock else selection).one_or_none()


def page_of_corrections(
    session: Session, member_id: str, *, state: str | None, after: str, limit: int
) -> Sequence[Correction]:
    """A member's corrections behind an id, in order of the id; `state` open or acknowledged, None for all."""
    selection = select(Correction).where(Correction.member_id == member_id, Correction.correction_id > after)
    if state is not None:
        open_ones = Correction.acknowledged_at.is_(None)
        selection = selection.where(open_ones if state == CorrectionState.OPEN else ~open_ones)
    return session.scalars(selection.order_by(Correction.correction_id).limit(limit)).all()


def count_items(session: Session, correction_ids: Collection[str]) -> dict[str, int]:
    """How many items each of those corrections has."""
    item = CorrectionItem
    counted = select(item.correction_id, func.count()).where(item.correction_id.in_(list(correction_ids)))
    return {row[0]: row[1] for row in session.execute(counted.group_by(item.correction_id))}


def page_of_items(session: Session, correction_id: str, skip: int, limit: int) -> Sequence[CorrectionItem]:
    """Items of a correction, in order of token, kind and object, but for the first `skip`."""
    item = CorrectionItem
    selection = select(item).where(item.correction_id == correction_id).order_by(item.token, item.kind, item.object_id)
    return session.scalars(selection.offset(skip).limit(limit)).all()


def list_overdue(session: Session, now: datetime, limit: int) -> Sequence[Correction]:
    """Corrections that nobody acknowledged in time and that were not reported yet, the longest overdue first."""
    waiting = Correction.acknowledged_at.is_(None), Correction.escalated_at.is_(None), Correction.due_at < now
    return session.scalars(select(Correction).where(*waiting).order_by(Correction.due_at).limit(limit)).all()


def purge_corrections(session: Session, before: datetime) -> int:
    """Delete acknowledged corrections that were sent before a time; how many rows. Withdrawals are kept, a row each: an
    id that became free again once nobody's correction waits would tell its member that somebody's does.
    """
    over = Correction.acknowledged_at.is_not(None), Correction.told_at < before
    gone = select(Correction.correction_id).where(*over)
    purged = run_counted(session, delete(CorrectionItem).where(CorrectionItem.correction_id.in_(gone)))
    return purged + run_counted(session, delete(Correction).where(*over))
