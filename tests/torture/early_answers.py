"""An `exchange` that is wrong on purpose: it answers a submission first and commits a while later. For tests alone.

What the torture run must find: killed in between, it has promised rows and shown hits that nobody has on record.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.orm import Session

import exchange.web.submission_pages
from exchange.cli import main
from exchange.services.submit_indicators import SubmissionAnswer, submit_indicators
from exchange.store.session import Database

DELAY = "TORTURE_COMMIT_DELAY_SECONDS"
_Result = TypeVar("_Result")


class EarlyDatabase(Database):
    """A database whose transactions give their result before they commit."""

    def run_in_transaction(self, work: Callable[[Session], _Result], attempts: int = 6) -> _Result:
        """The result of `work`, committed a while later."""
        transaction = self.transaction()
        result = work(transaction.__enter__())
        threading.Timer(float(os.environ[DELAY]), transaction.__exit__, (None, None, None)).start()
        return result


def submit_early(database: Database, *arguments: Any, **options: Any) -> SubmissionAnswer:
    """As submit_indicators, but for the commit."""
    return submit_indicators(EarlyDatabase(database.engine, database.url), *arguments, **options)


if __name__ == "__main__":
    setattr(exchange.web.submission_pages, "submit_indicators", submit_early)  # noqa: B010
    main()
