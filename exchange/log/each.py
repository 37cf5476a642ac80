"""Acts of a job that have nothing to do with one another: each in a transaction of its own, and each failing alone."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from sqlalchemy.orm import Session

from exchange.kernel.lasting_failures import LastingFailures
from exchange.kernel.session import Database
from exchange.log.events import LogUnavailableError

_FAILED = "acts failed"
_failures = LastingFailures()


def run_each(database: Database, what: str, acts: Iterable[Callable[[Session], int]]) -> int:
    """Run every act; the sum of what they return. One that fails is logged, once while some of them keep
    failing, and the others are run all the same; the next round tries it again. Raises LogUnavailableError in the end,
    if the log took no entry of some.
    """
    done, unavailable = 0, None
    faults: set[str] = set()
    for act in acts:
        try:
            done += database.run_in_transaction(act)
        except LogUnavailableError as error:
            unavailable = error
        except Exception as error:  # noqa: BLE001 - one act that fails must not keep the others
            faults.add(type(error).__name__)
    if faults:
        _failures.failed(_FAILED, what, error=", ".join(sorted(faults)))
    elif unavailable is None:
        _failures.recovered(_FAILED, what)
    if unavailable is not None:
        raise unavailable
    return done
