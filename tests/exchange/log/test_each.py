"""Acts of a job: one that fails keeps no other, and is told once until all of them work again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from sqlalchemy.orm import Session
from structlog.testing import capture_logs

from exchange.log.each import run_each
from exchange.log.events import LogUnavailableError
from tests.taskforce.founding import Taskforce


def test_acts_that_keep_failing_are_told_once_and_when_it_is_over(new_taskforce: Callable[..., Taskforce]) -> None:
    database = new_taskforce("a").database

    def fail(_session: Session) -> int:
        raise ValueError("20000012345678")

    def wait(_session: Session) -> int:
        raise LogUnavailableError("no entry")

    with capture_logs() as said:
        for _ in range(4):
            assert run_each(database, "told once", [fail, lambda session: 2, fail, lambda session: 3]) == 5
        with pytest.raises(LogUnavailableError):
            run_each(database, "told once", [wait])
        assert run_each(database, "told once", [lambda session: 1]) == 1
    assert [(line["event"], line["job"], line.get("error"), line.get("times")) for line in said] == [
        ("acts failed", "told once", "ValueError", None),
        ("acts failed: over", "told once", None, 4),
    ]
