"""Which slot of which scheduled job has been run: the primary key lets one process have each slot."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from exchange.store.base import Base, UtcDateTime
from exchange.store.upsert import insert_ignoring, run_counted


class JobRun(Base):
    """One slot taken, by whom and when."""

    __tablename__ = "job_runs"

    job: Mapped[str] = mapped_column(String(40), primary_key=True)
    slot: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


def take_slot(session: Session, job: str, slot: str, holder: str, now: datetime) -> bool:
    """Whether the slot was free and is now the holder's."""
    row = {"job": job, "slot": slot, "holder": holder, "started_at": now}
    return insert_ignoring(session, JobRun, [row]) == 1


def delete_runs_before(session: Session, moment: datetime) -> int:
    """Forget slots that started before a time; how many."""
    return run_counted(session, delete(JobRun).where(JobRun.started_at < moment))
