"""What the operator's metrics say of the database: figures of the whole, none of a member."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select, text
from sqlalchemy.orm import Session

from exchange.kernel.job_runs import last_successes
from exchange.kernel.leases import LeaseRow
from exchange.kernel.outbox import OutboxMessage
from exchange.log.reading import read_status, unpublished_since

_SEQUENCER = "sequencer"


@dataclass(frozen=True, slots=True)
class DatabaseMeasures:
    """Published size of the log, ages in seconds (None where there is nothing yet), counts of what waits, bytes."""

    log_size: int
    log_head_age: float | None
    log_pending: int
    log_oldest_wait: float
    outbox_waiting: int
    job_success_age: dict[str, float | None]
    worker_alive: bool
    database_bytes: int


def read_measures(session: Session, now: datetime) -> DatabaseMeasures:
    """The figures as they stand."""
    status = read_status(session)
    since = unpublished_since(session)
    return DatabaseMeasures(
        log_size=status.size,
        log_head_age=None if status.signed_at is None else _age(status.signed_at, now),
        log_pending=status.pending,
        log_oldest_wait=0.0 if since is None else _age(since, now),
        outbox_waiting=session.scalar(select(func.count()).select_from(OutboxMessage)) or 0,
        job_success_age={
            job: None if last is None else _age(last, now) for job, last in last_successes(session).items()
        },
        worker_alive=is_worker_alive(session, now),
        database_bytes=_database_bytes(session),
    )


def is_worker_alive(session: Session, now: datetime) -> bool:
    """Whether a worker holds the sequencer's lease: it renews it with every tick."""
    expires_at = session.scalar(select(LeaseRow.expires_at).where(LeaseRow.name == _SEQUENCER))
    return expires_at is not None and expires_at > now


def _age(moment: datetime, now: datetime) -> float:
    return max(0.0, (now - moment).total_seconds())


def _database_bytes(session: Session) -> int:
    if session.get_bind().dialect.name != "sqlite":
        return int(session.execute(text("SELECT pg_database_size(current_database())")).scalar_one())
    pages, size = (session.execute(text(f"PRAGMA {name}")).scalar_one() for name in ("page_count", "page_size"))
    return int(pages) * int(size)
