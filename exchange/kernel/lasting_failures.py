"""What keeps going wrong is said once, and once more when it is over: no line for each try.

A worker whose store hangs or refuses would write eight lines a second otherwise, and bury what an operator looks for.
"""

from __future__ import annotations

import threading

import structlog

_log = structlog.get_logger()


class LastingFailures:
    """Failures that go on, each of a job and of a kind. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._lasting: dict[tuple[str, str], tuple[dict[str, str | None], int]] = {}

    def failed(self, event: str, job: str, **details: str | None) -> None:
        """A job failed: logged the first time, and when its details are others than the time before."""
        with self._lock:
            former, count = self._lasting.get((event, job), (None, 0))
            self._lasting[event, job] = details, count + 1
        if details != former:
            _log.warning(event, job=job, **details)

    def recovered(self, event: str, job: str) -> None:
        """The job succeeded: logged if it failed before, with how many times."""
        with self._lock:
            _, count = self._lasting.pop((event, job), (None, 0))
        if count:
            _log.warning(f"{event}: over", job=job, times=count)
