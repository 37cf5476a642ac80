"""Acts of a job that have nothing to do with one another: each in a transaction of its own, and each failing alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import structlog
from sqlalchemy.orm import Session

from exchange.services.events import LogUnavailableError
from exchange.store.session import Database

log = structlog.get_logger()


def run_each(database: Database, what: str, acts: Iterable[Callable[[Session], int]]) -> int:
    """Run every act; the sum of what they return. One that fails is logged, and the others are run all the same; the
    next round tries it again. Raises LogUnavailableError in the end, if the log took no entry of some.
    """
    done, failed, unavailable = 0, 0, None
    for act in acts:
        try:
            done += database.run_in_transaction(act)
        except LogUnavailableError as error:
            unavailable = error
        except Exception as error:  # noqa: BLE001 - one act that fails must not keep the others
            failed += 1
            log.warning("act failed", what=what, error=type(error).__name__)
    if failed:
        log.warning("acts failed", what=what, failed=failed, done=done)
    if unavailable is not None:
        raise unavailable
    return done
