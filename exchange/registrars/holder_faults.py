"""Proved faults of key holders: one report for each holder and key of its answers, kept for ever.

Each gets a running `position`, assigned under a lock, so that a reader's cursor never skips one that committed late.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import BigInteger, Integer, LargeBinary, String, UniqueConstraint, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from exchange.kernel.locks import lock_named


class HolderFaultReport(Base):
    """A verified report (keys/faults/report.py), as canonical JSON. Who handed it in is not kept."""

    __tablename__ = "holder_fault_reports"
    __table_args__ = (UniqueConstraint("report_id"), UniqueConstraint("holder_id", "verify_key"))

    position: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False)
    report_id: Mapped[str] = mapped_column(String(64))
    epoch: Mapped[int] = mapped_column(Integer)
    holder_id: Mapped[str] = mapped_column(String(64))
    verify_key: Mapped[bytes] = mapped_column(LargeBinary(32))
    report: Mapped[bytes] = mapped_column(LargeBinary)
    received_at: Mapped[datetime] = mapped_column(UtcDateTime)


def lock_reports(session: Session) -> None:
    """Let one transaction at a time store reports."""
    lock_named(session, "holder faults")


@dataclass(frozen=True, slots=True)
class KnownReport:
    """Which report is stored about a holder, and in which epoch its fault happened."""

    report_id: str
    epoch: int


def find_report(session: Session, holder_id: str, verify_key: bytes) -> KnownReport | None:
    """The report about a holder under this key, if there is one."""
    found = session.execute(
        select(HolderFaultReport.report_id, HolderFaultReport.epoch).where(
            HolderFaultReport.holder_id == holder_id, HolderFaultReport.verify_key == verify_key
        )
    ).one_or_none()
    return None if found is None else KnownReport(*found)


def reported_holders(session: Session) -> set[tuple[str, bytes]]:
    """The id and the key of the answers of every holder that a report is about."""
    reports = select(HolderFaultReport.holder_id, HolderFaultReport.verify_key)
    return {(holder_id, key) for holder_id, key in session.execute(reports)}


def next_position(session: Session) -> int:
    """The position of the next report; call it under lock_reports."""
    return (session.scalar(select(func.max(HolderFaultReport.position))) or 0) + 1


def list_reports(session: Session, after: int, limit: int) -> Sequence[HolderFaultReport]:
    """Reports behind a position, in order."""
    rows = select(HolderFaultReport).where(HolderFaultReport.position > after)
    return session.scalars(rows.order_by(HolderFaultReport.position).limit(limit)).all()
