"""An `exchange` that is wrong on purpose: it answers first and commits a while later. For tests alone.

What the torture run must find: killed in between, it has promised rows and shown hits, or taken requests, answers,
queries and withdrawals, that nobody has on record.
"""

from __future__ import annotations

import importlib
import os
import threading
from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy.orm import Session

from exchange.kernel.session import Database
from exchange.programs.cli import main
from tests.torture.programs import ACTION, SUBMISSIONS

DELAY = "TORTURE_COMMIT_DELAY_SECONDS"
WHERE = "TORTURE_WRONG_IN"
_WRONG: dict[str, dict[str, tuple[str, ...]]] = {
    SUBMISSIONS: {"submissions.pages": ("submit_indicators",)},
    ACTION: {
        "requests.pages": ("create_request", "take_up_request", "answer_request"),
        "queries.pages": ("ask_query", "approve_query"),
        "corrections.pages": ("withdraw_indicators",),
    },
}
"""In which pages which services answer early: each is given the database first."""
_Result = TypeVar("_Result")


class EarlyDatabase(Database):
    """A database whose transactions give their result before they commit."""

    def run_in_transaction(self, work: Callable[[Session], _Result], attempts: int = 6) -> _Result:
        """The result of `work`, committed a while later."""
        transaction = self.transaction()
        result = work(transaction.__enter__())
        threading.Timer(float(os.environ[DELAY]), transaction.__exit__, (None, None, None)).start()
        return result


def make_early(service: Callable[..., _Result]) -> Callable[..., _Result]:
    """The service, but for when it commits."""

    def serve(database: Database, *arguments: Any, **options: Any) -> _Result:
        return service(EarlyDatabase(database.engine, database.url), *arguments, **options)

    return serve


if __name__ == "__main__":
    for name, services in _WRONG[os.environ[WHERE]].items():
        pages = importlib.import_module(f"exchange.{name}")
        for each in services:
            setattr(pages, each, make_early(getattr(pages, each)))
    main()
