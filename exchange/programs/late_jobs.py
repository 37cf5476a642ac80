"""Jobs that still run when they are due again: said once, and once more when it is over."""

from __future__ import annotations

import logging

from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MAX_INSTANCES, JobEvent
from apscheduler.schedulers.base import BaseScheduler

from exchange.kernel.lasting_failures import LastingFailures

_SKIPPED = 'Execution of job "%s" skipped'


class LateJobs:
    """The times at which a scheduler did not start a job because its last run had not ended."""

    EVENT = "job still runs when it is due again"

    def __init__(self, failures: LastingFailures) -> None:
        self._failures = failures
        self._late: set[str] = set()

    def watch(self, scheduler: BaseScheduler) -> None:
        """Say it in the scheduler's place; a job is named by its id."""
        logging.getLogger("apscheduler.scheduler").addFilter(_is_reported_elsewhere)
        scheduler.add_listener(self._skipped, EVENT_JOB_MAX_INSTANCES)
        scheduler.add_listener(self._ended, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)

    def _skipped(self, event: JobEvent) -> None:
        self._late.add(event.job_id)
        self._failures.failed(self.EVENT, event.job_id)

    def _ended(self, event: JobEvent) -> None:
        """Over once a whole run went by in which it was not due; else each slow run would be said."""
        if event.job_id in self._late:
            self._late.discard(event.job_id)
        else:
            self._failures.recovered(self.EVENT, event.job_id)


def _is_reported_elsewhere(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_SKIPPED)
