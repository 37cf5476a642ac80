"""What keeps going wrong is said once, and once more when it is over: no line for each try.

A worker whose store hangs or refuses would write eight lines a second otherwise, and bury what an operator looks for.
"""

from __future__ import annotations

import logging
import threading

import structlog
from apscheduler.events import EVENT_JOB_ERROR, EVENT_JOB_EXECUTED, EVENT_JOB_MAX_INSTANCES, JobEvent
from apscheduler.schedulers.base import BaseScheduler

_SKIPPED = 'Execution of job "%s" skipped'
_log = structlog.get_logger()


class Troubles:
    """The troubles that last, each of a job and of a kind. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lasting: dict[tuple[str, str], tuple[dict[str, str | None], int]] = {}

    def met(self, event: str, job: str, **details: str | None) -> None:
        """A job met a trouble: logged the first time, and when its details are others than the time before."""
        with self._lock:
            former, count = self._lasting.get((event, job), (None, 0))
            self._lasting[event, job] = details, count + 1
        if details != former:
            _log.warning(event, job=job, **details)

    def over(self, event: str, job: str) -> None:
        """The job did without that trouble: logged if it had it before, with how many times."""
        with self._lock:
            _, count = self._lasting.pop((event, job), (None, 0))
        if count:
            _log.warning(f"{event}: over", job=job, times=count)


class LateJobs:
    """The times at which a scheduler did not start a job because its last run had not ended."""

    EVENT = "job still runs when it is due again"

    def __init__(self, troubles: Troubles) -> None:
        self._troubles = troubles
        self._late: set[str] = set()

    def watch(self, scheduler: BaseScheduler) -> None:
        """Say it in the scheduler's place; a job is named by its id."""
        logging.getLogger("apscheduler.scheduler").addFilter(_is_told_elsewhere)
        scheduler.add_listener(self._skipped, EVENT_JOB_MAX_INSTANCES)
        scheduler.add_listener(self._ended, EVENT_JOB_EXECUTED | EVENT_JOB_ERROR)

    def _skipped(self, event: JobEvent) -> None:
        self._late.add(event.job_id)
        self._troubles.met(self.EVENT, event.job_id)

    def _ended(self, event: JobEvent) -> None:
        """Over once a whole run went by in which it was not due; else each slow run would be said."""
        if event.job_id in self._late:
            self._late.discard(event.job_id)
        else:
            self._troubles.over(self.EVENT, event.job_id)


def _is_told_elsewhere(record: logging.LogRecord) -> bool:
    return not str(record.msg).startswith(_SKIPPED)
