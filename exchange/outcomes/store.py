"""What became of intelligence: outcomes, whom of the contributors they go to, and members' own assessments of hits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy import Boolean, Index, LargeBinary, PrimaryKeyConstraint, String, Text, and_, delete, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from exchange.kernel.chunks import in_chunks, in_even_chunks
from exchange.kernel.upsert import insert_ignoring, run_counted
from exchange.queries.store import QueryMatch
from schemas.outcomes import Figures
from schemas.terms import OutcomeObject


class Outcome(Base):
    """One outcome of a hit, request or query that was disclosed to its member."""

    __tablename__ = "outcomes"
    __table_args__ = (
        Index("ix_outcomes_member_id_outcome_id", "member_id", "outcome_id"),
        Index("ix_outcomes_recorded_at", "recorded_at"),
    )

    outcome_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(64))
    representative_id: Mapped[str] = mapped_column(String(130))
    about: Mapped[str] = mapped_column(String(16))
    object_id: Mapped[str] = mapped_column(String(36))
    figures_json: Mapped[str] = mapped_column(Text)
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def figures(self) -> Figures:
        """What was reported; None for what was not."""
        return msgspec.json.decode(self.figures_json, type=Figures)


class OutcomeRecipient(Base):
    """That an outcome concerns a member's row. `is_named`: the member knows who recorded it. `told_at` is None while
    the cover of a query holds it back. `recorder_kind` is as it was disclosed to the member, None if it may not be.
    """

    __tablename__ = "outcome_recipients"
    __table_args__ = (
        PrimaryKeyConstraint("token", "member_id", "outcome_id"),
        Index("ix_outcome_recipients_member_id_outcome_id", "member_id", "outcome_id"),
        Index("ix_outcome_recipients_told_at", "told_at", "outcome_id"),
        Index("ix_outcome_recipients_outcome_id", "outcome_id"),
        {"sqlite_with_rowid": False},
    )

    token: Mapped[bytes] = mapped_column(LargeBinary(32))
    member_id: Mapped[str] = mapped_column(String(64))
    outcome_id: Mapped[str] = mapped_column(String(36))
    is_named: Mapped[bool] = mapped_column(Boolean)
    recorder_kind: Mapped[str | None] = mapped_column(String(40))
    told_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Assessment(Base):
    """A member's own assessment of one of its hits. `overtaken_at` is when the member first received a correction of
    the hit after it, None if it was not: it lasts, though corrections are forgotten sooner.
    """

    __tablename__ = "assessments"
    __table_args__ = (
        Index("ix_assessments_member_id_hit_id", "member_id", "hit_id", "recorded_at"),
        Index("ix_assessments_recorded_at", "recorded_at"),
    )

    assessment_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(64))
    representative_id: Mapped[str] = mapped_column(String(130))
    hit_id: Mapped[str] = mapped_column(String(36))
    other_sources: Mapped[bool] = mapped_column(Boolean)
    vulnerability_checked: Mapped[bool] = mapped_column(Boolean)
    keep_open_checked: Mapped[bool] = mapped_column(Boolean)
    decision: Mapped[str] = mapped_column(String(32))
    recorded_at: Mapped[datetime] = mapped_column(UtcDateTime)
    overtaken_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


@dataclass(frozen=True, order=True, slots=True)
class Contribution:
    """That a member's row was part of what an outcome is about; `is_withheld` while a query's cover hides it."""

    token: bytes
    member_id: str
    is_withheld: bool = False


@dataclass(frozen=True, slots=True)
class Received:
    """An outcome as a contributor receives it, about its rows of those tokens."""

    outcome: Outcome
    tokens: list[bytes]
    is_named: bool
    recorder_kind: str | None
    told_at: datetime


def find_outcome(session: Session, outcome_id: str) -> Outcome | None:
    """The outcome of that id, anyone's."""
    return session.get(Outcome, outcome_id)


def add_recipients(
    session: Session, outcome_id: str, contributions: Iterable[Contribution], known: set[str], now: datetime
) -> None:
    """Keep whom an outcome goes to, now or when it is no longer withheld; `known` are those who know its recorder. Of
    what kind that is, `keep_recorder_kind` keeps when they are notified.
    """
    rows = [
        {"token": one.token, "member_id": one.member_id, "outcome_id": outcome_id}
        | {"is_named": one.member_id in known, "recorder_kind": None, "told_at": None if one.is_withheld else now}
        for one in sorted(contributions)
    ]
    for some in in_chunks(rows, 1000):
        insert_ignoring(session, OutcomeRecipient, some)


def list_released(session: Session, limit: int) -> list[tuple[str, str]]:
    """(outcome, member) of contributors that were not notified and that have meanwhile learned of the query itself."""
    waits, match = OutcomeRecipient, QueryMatch
    same = and_(
        match.token == waits.token,
        match.member_id == waits.member_id,
        match.query_id == Outcome.object_id,
        match.disclosed_at.is_not(None),
    )
    selection = (
        select(waits.outcome_id, waits.member_id)
        .join(Outcome, Outcome.outcome_id == waits.outcome_id)
        .join(match, same)
        .where(waits.told_at.is_(None), Outcome.about == OutcomeObject.QUERY.value)
    )
    ordered = selection.distinct().order_by(waits.outcome_id, waits.member_id)
    return [(row[0], row[1]) for row in session.execute(ordered.limit(limit))]


def mark_notified(session: Session, outcome_id: str, member_id: str, now: datetime) -> None:
    """Record that a contributor is notified of an outcome."""
    own = OutcomeRecipient.outcome_id == outcome_id, OutcomeRecipient.member_id == member_id
    session.execute(
        update(OutcomeRecipient).where(*own, OutcomeRecipient.told_at.is_(None)).values(told_at=now),
        execution_options={"synchronize_session": False},
    )


def keep_recorder_kind(session: Session, outcome_id: str, member_id: str, kind: str | None) -> None:
    """Record what is disclosed to a contributor of the recorder's kind, so that its list says what its log does."""
    own = OutcomeRecipient.outcome_id == outcome_id, OutcomeRecipient.member_id == member_id
    session.execute(
        update(OutcomeRecipient).where(*own).values(recorder_kind=kind),
        execution_options={"synchronize_session": False},
    )


def page_of_recorded(session: Session, member_id: str, after: str, limit: int) -> Sequence[Outcome]:
    """The member's own outcomes behind an id, in order of the id."""
    selection = select(Outcome).where(Outcome.member_id == member_id, Outcome.outcome_id > after)
    return session.scalars(selection.order_by(Outcome.outcome_id).limit(limit)).all()


def page_of_received(session: Session, member_id: str, after: str, limit: int) -> list[Received]:
    """The outcomes that were disclosed to the member, behind an id, in order of the id."""
    notified = OutcomeRecipient.member_id == member_id, OutcomeRecipient.told_at.is_not(None)
    behind = select(OutcomeRecipient.outcome_id).where(*notified, OutcomeRecipient.outcome_id > after).distinct()
    ids = list(session.scalars(behind.order_by(OutcomeRecipient.outcome_id).limit(limit)))
    return received_of(session, member_id, ids)


def received_of(session: Session, member_id: str, outcome_ids: Sequence[str]) -> list[Received]:
    """Those outcomes as the member receives them, in order of the id."""
    found: dict[str, Received] = {}
    for some in in_even_chunks(outcome_ids, 1024):
        selection = select(Outcome, OutcomeRecipient).join(
            OutcomeRecipient, OutcomeRecipient.outcome_id == Outcome.outcome_id
        )
        notified = OutcomeRecipient.member_id == member_id, OutcomeRecipient.told_at.is_not(None)
        ordered = selection.where(Outcome.outcome_id.in_(some), *notified).order_by(
            Outcome.outcome_id, OutcomeRecipient.token
        )
        for outcome, row in session.execute(ordered):
            told_at = row.told_at or outcome.recorded_at
            new = Received(outcome, [], row.is_named, row.recorder_kind, told_at)
            found.setdefault(outcome.outcome_id, new).tokens.append(row.token)
    return list(found.values())


def latest_assessment(session: Session, member_id: str, hit_id: str) -> Assessment | None:
    """The member's latest assessment of a hit; None without one."""
    own = select(Assessment).where(Assessment.member_id == member_id, Assessment.hit_id == hit_id)
    return session.scalar(own.order_by(Assessment.recorded_at.desc(), Assessment.assessment_id.desc()).limit(1))


def overtake_assessments(session: Session, hit_ids: Mapping[str, Collection[str]], now: datetime) -> None:
    """Record that members, each with hits of its own, receive corrections of these: what they assessed before is
    overtaken.
    """
    for member_id, own in sorted(hit_ids.items()):
        for some in in_even_chunks(sorted(own), 1024):
            before = Assessment.member_id == member_id, Assessment.hit_id.in_(some), Assessment.overtaken_at.is_(None)
            session.execute(
                update(Assessment).where(*before).values(overtaken_at=now),
                execution_options={"synchronize_session": False},
            )


def purge_outcomes(session: Session, before: datetime) -> int:
    """Delete outcomes and assessments that were recorded before a time; how many rows. An outcome that a query's cover
    still holds back is kept until its contributors are notified.
    """
    waiting = select(OutcomeRecipient.outcome_id).where(OutcomeRecipient.told_at.is_(None))
    over = Outcome.recorded_at < before, Outcome.outcome_id.not_in(waiting)
    gone = select(Outcome.outcome_id).where(*over)
    purged = run_counted(session, delete(OutcomeRecipient).where(OutcomeRecipient.outcome_id.in_(gone)))
    purged += run_counted(session, delete(Outcome).where(*over))
    return purged + run_counted(session, delete(Assessment).where(Assessment.recorded_at < before))
