"""What only the exchange's database can tell, and its worker at a later day."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

from sqlalchemy import func, select, update

from exchange.corrections.store import Correction
from exchange.indicators.derived import DerivedDisclosure
from exchange.indicators.withdrawals import Withdrawal, WithdrawnRow
from exchange.kernel.job_runs import JobRun
from exchange.kernel.outbox import OutboxMessage
from exchange.kernel.session import Database, create_database
from exchange.log.tables import LogPending
from exchange.programs.worker import exchange_jobs, query_jobs
from exchange.queries.decide import DEFAULT_LIMITS
from exchange.queries.store import Query
from tests.taskforce.founding import NEVER_SECONDS


@contextmanager
def database_beside(url: str) -> Iterator[Database]:
    """The database of an exchange that runs in other processes."""
    database = create_database(url, log_stale_seconds=NEVER_SECONDS)
    try:
        yield database
    finally:
        database.dispose()


def is_settled(database: Database) -> bool:
    """Whether the worker has told of every row that was taken back, made a notice of every message, and given every
    entry its place in the log.
    """
    untold = select(func.count()).select_from(WithdrawnRow).where(WithdrawnRow.told_at.is_(None))
    waiting = (select(func.count()).select_from(table) for table in (OutboxMessage, LogPending))
    with database.reading() as session:
        return not any(session.scalar(counted) for counted in (untold, *waiting))


def ticks_until_told(database: Database) -> dict[str, int]:
    """By member: how many runs of the worker's job began after the last withdrawal, up to the one that told of it."""
    with database.reading() as session:
        withdrawal = session.scalars(select(Withdrawal).order_by(Withdrawal.created_at.desc()).limit(1)).one()
        corrections = session.scalars(select(Correction).where(Correction.withdrawal_id == withdrawal.withdrawal_id))
        told = {correction.member_id: correction.told_at for correction in corrections}
        runs = select(JobRun.started_at).where(JobRun.job == "corrections", JobRun.started_at > withdrawal.created_at)
        began = session.scalars(runs).all()
    return {member: max(1, sum(start <= at for start in began)) for member, at in told.items()}


def end_cover(database: Database) -> None:
    """What the worker's own jobs do in the night after a query's last day.

    The last day is moved back rather than the clock ahead: receipts of the night would state a commit in the future.
    """
    now = datetime.now(UTC)
    with database.transaction() as session:
        session.execute(update(Query).values(ends_on=now.date() - timedelta(days=1)))
        has_cover = DerivedDisclosure.covert_until.is_not(None)
        session.execute(update(DerivedDisclosure).where(has_cover).values(covert_until=now))
    for job in (*query_jobs(database, DEFAULT_LIMITS, 60), *exchange_jobs(database)):
        if job.name in {"queries", "outcomes"}:
            job.work(now)
