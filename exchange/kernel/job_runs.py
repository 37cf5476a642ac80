"""Which slot of which scheduled job has been run: the primary key lets one process have each slot."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from exchange.kernel.upsert import insert_ignoring, run_counted


class JobRun(Base):
    """One slot taken, by whom and when; `finished_at` only once its work was done without an error."""

    __tablename__ = "job_runs"

    job: Mapped[str] = mapped_column(String(40), primary_key=True)
    slot: Mapped[str] = mapped_column(String(40), primary_key=True)
    holder: Mapped[str] = mapped_column(String(64))
    started_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


def take_slot(session: Session, job: str, slot: str, holder: str, now: datetime) -> bool:
    """Whether the slot was free and is now the holder's."""
    row = {"job": job, "slot": slot, "holder": holder, "started_at": now}
    return insert_ignoring(session, JobRun, [row]) == 1


def finish_slot(session: Session, job: str, slot: str, now: datetime) -> None:
    """Note that the work of a slot was done."""
    session.execute(update(JobRun).where(JobRun.job == job, JobRun.slot == slot).values(finished_at=now))


def last_successes(session: Session) -> dict[str, datetime | None]:
    """When each job last did its work, by name; None for one that was started and never did."""
    found = session.execute(select(JobRun.job, func.max(JobRun.finished_at)).group_by(JobRun.job).order_by(JobRun.job))
    return {row[0]: row[1] for row in found}


def delete_runs_before(session: Session, moment: datetime) -> int:
    """Forget slots that started before a time; how many."""
    return run_counted(session, delete(JobRun).where(JobRun.started_at < moment))
