"""The worker: the log's ticks and all scheduled jobs, in a process of its own.

1. Of several workers, one at a time holds the sequencer's lease and ticks; one that was overtaken writes nothing (its
   fence). No job has a lease.
2. Each slot of a job runs once, wherever: PRIMARY KEY (job, slot).
3. A job that fails is logged, once until it works again, and runs again at its next slot; it stops no other job.
4. SIGTERM and SIGINT end it between jobs, and give its lease back.
"""

from __future__ import annotations

import os
import secrets
import signal
import socket
import threading
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import partial

import structlog
from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.blocking import BlockingScheduler

from exchange.corrections.escalate import escalate_corrections
from exchange.corrections.notify import notify_corrections
from exchange.indicators.expire import expire_indicators
from exchange.indicators.remind_reviews import remind_reviews
from exchange.indicators.settle import settle_indicators
from exchange.kernel.job_runs import finish_slot, take_slot
from exchange.kernel.lasting_failures import LastingFailures
from exchange.kernel.leases import Lease, LeaseLostError, acquire_lease, release_lease, renew_lease
from exchange.kernel.limits import CORRECTION_HOURS
from exchange.kernel.session import Database
from exchange.log.day_heads import record_day_heads
from exchange.log.head_file import LogRefusedError
from exchange.log.sequencer import Sequencer
from exchange.membership.store import list_members
from exchange.operations.jobs import DELIVERY, Job
from exchange.operations.purge import purge_nonces, purge_records
from exchange.outcomes.record import notify_outcomes
from exchange.programs.late_jobs import LateJobs
from exchange.queries.decide import QueryLimits
from exchange.queries.watch import end_queries, purge_old_queries, watch_queries
from exchange.requests.end import enforce_deadlines, purge_answers

log = structlog.get_logger()
SEQUENCER = "sequencer"
TICK = "tick"
_JOB_FAILED = "job failed"
_TICK_FAILED = "tick failed"
_SHOWN_AFTER = 5.0
"""How many seconds after its beginning a tick's head is shown, at most a quarter of the tick: a fixed time, so that it
does not tell how long the work took.
"""


def exchange_jobs(database: Database, correction_hours: int = CORRECTION_HOURS) -> list[Job]:
    """The exchange's own jobs, but for the log's ticks. `correction_hours` is how soon a correction is to be
    acknowledged.
    """
    within = timedelta(hours=correction_hours)
    return [
        Job("expire", 3600, lambda now: expire_indicators(database, now)),
        Job("corrections", 5, lambda now: notify_corrections(database, now, within)),
        Job("outcomes", 60, lambda now: notify_outcomes(database, now)),
        Job("overdue", 300, lambda now: escalate_corrections(database, now)),
        Job("reviews", 3600, lambda now: remind_reviews(database, now)),
        Job("settle", 60, lambda now: settle_indicators(database)),
        Job("nonces", 300, lambda now: purge_nonces(database, now)),
        Job("purge", 86_400, lambda now: purge_records(database, now)),
        Job("requests", 15, lambda now: enforce_deadlines(database, now)),
        Job("answers", 86_400, lambda now: purge_answers(database, now)),
        Job("day_heads", 600, lambda now: _record_day_heads(database, now)),
    ]


def query_jobs(database: Database, limits: QueryLimits, often: int) -> list[Job]:
    """The jobs of law-enforcement queries; `often` is after how many seconds a watch looks again."""
    return [
        Job("watches", often, lambda now: watch_queries(database, limits, now)),
        Job("queries", often, lambda now: end_queries(database, now)),
        Job("old_queries", 86_400, lambda now: purge_old_queries(database, now)),
    ]


def _record_day_heads(database: Database, now: datetime) -> int:
    with database.transaction() as session:
        members = [member.member_id for member in list_members(session)]
        return record_day_heads(session, members, now)


def slot_of(now: datetime, seconds: int) -> str:
    """The slot that a moment falls into, the same for every worker."""
    return str(int(now.timestamp()) // seconds)


class Worker:
    """Runs the jobs and the sequencer until stopped. `holder` names this process in leases."""

    def __init__(
        self,
        database: Database,
        sequencer: Sequencer,
        *,
        tick_seconds: int,
        jobs: Sequence[Job],
        clock: Callable[[], datetime],
    ) -> None:
        self._database = database
        self._sequencer = sequencer
        self._tick_seconds = tick_seconds
        self._shown_after = min(_SHOWN_AFTER, tick_seconds / 4)
        self._stopping = threading.Event()
        self._jobs = jobs
        self._clock = clock
        self._lease: Lease | None = None
        self._failures = LastingFailures()
        self.holder = f"{socket.gethostname()[:60]}:{os.getpid()}:{secrets.token_hex(4)}"
        self._scheduler = BlockingScheduler(
            timezone=UTC,
            executors={
                "default": ThreadPoolExecutor(2),
                "log": ThreadPoolExecutor(1),
                DELIVERY: ThreadPoolExecutor(3),
            },
            job_defaults={"coalesce": True, "max_instances": 1, "misfire_grace_time": None},
        )
        LateJobs(self._failures).watch(self._scheduler)

    def run(self) -> None:
        """Work until SIGTERM, SIGINT or stop()."""
        self._add(TICK, partial(self.tick, self._shown_after), self._tick_seconds, "log")
        for job in self._jobs:
            self._add(job.name, partial(self.run_job, job), job.seconds, job.pool)
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: threading.Thread(target=self.stop, daemon=True).start())
        log.info("worker started", holder=self.holder)
        self._scheduler.start()
        self.give_back_lease()
        log.info("worker stopped", holder=self.holder)

    def stop(self) -> None:
        """End after the jobs that are running."""
        self._stopping.set()
        self._scheduler.shutdown(wait=True)

    def _add(self, name: str, work: Callable[[], object], seconds: int, executor: str) -> None:
        begin = datetime.now(UTC)
        self._scheduler.add_job(work, "interval", seconds=seconds, executor=executor, id=name, next_run_time=begin)

    def run_job(self, job: Job) -> bool:
        """Run a job in its present slot unless that was taken; whether it ran."""
        now = self._clock()
        slot = slot_of(now, job.seconds)
        try:
            taken = self._database.run_in_transaction(
                lambda session: take_slot(session, job.name, slot, self.holder, now)
            )
            if not taken:
                return False
            done = job.work(now)
            self._database.run_in_transaction(lambda session: finish_slot(session, job.name, slot, self._clock()))
        except Exception as error:  # noqa: BLE001 - a failing job must not stop the others
            self._failures.failed(_JOB_FAILED, job.name, error=type(error).__name__)
            return False
        self._failures.recovered(_JOB_FAILED, job.name)
        if done:
            log.info("job done", job=job.name, done=int(done) if isinstance(done, int) else None)
        return True

    def tick(self, shown_after: float = 0.0) -> bool:
        """One tick of the log if this process holds, or now takes, the sequencer's lease; whether it ticked. Its head
        is shown so many seconds after its beginning.
        """
        now = self._clock()
        try:
            lease = self._hold_lease(now)
            if lease is None:
                return False
            begun = time.monotonic()
            ticked = self._sequencer.sequence(now, lease)
            self._stopping.wait(max(0.0, begun + shown_after - time.monotonic()))
            self._sequencer.publish(ticked, now)
        except LeaseLostError:
            self._lease = None
            return False
        except Exception as error:  # noqa: BLE001 - the next tick tries again; the refusal's reason is for the operator
            self._failures.failed(_TICK_FAILED, TICK, error=type(error).__name__, detail=_detail_of(error))
            return False
        self._failures.recovered(_TICK_FAILED, TICK)
        return True

    def _hold_lease(self, now: datetime) -> Lease | None:
        lifetime = timedelta(seconds=max(10, 3 * self._tick_seconds))
        with self._database.transaction() as session:
            if self._lease is not None:
                renew_lease(session, self._lease, now, lifetime)
                return self._lease
            lease = acquire_lease(session, SEQUENCER, self.holder, now, lifetime)
        self._lease = lease
        return lease

    def give_back_lease(self) -> None:
        """Let another worker sequence at once."""
        if self._lease is not None:
            lease, self._lease = self._lease, None
            with self._database.transaction() as session:
                release_lease(session, lease)


def _detail_of(error: Exception) -> str | None:
    """What a refusal to sign says; other errors may quote parameters and say nothing."""
    return str(error) if isinstance(error, LogRefusedError) else None
