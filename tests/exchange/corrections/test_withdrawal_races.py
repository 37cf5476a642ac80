"""Two of the worker's jobs at the same rows: nothing is lost between them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import pytest

from exchange.corrections.notify import notify_corrections
from exchange.indicators.store import retire_rows
from exchange.indicators.submissions import EXPIRED
from exchange.kernel.chunks import in_chunks
from tests.exchange.corrections.taking_back import make_withdrawal
from tests.exchange.factories import make_token
from tests.taskforce.founding import Taskforce


def test_who_submitted_while_a_withdrawal_waited_for_its_turn_is_told(new_taskforce: Callable[..., Taskforce]) -> None:
    """Its request had come before, and its row was there until it got the lock."""
    taskforce, token = new_taskforce("a", "b"), make_token()
    a, b = taskforce.members["a"], taskforce.members["b"]
    assert a.submit([token]).status_code == 201
    taskforce.clock.advance(seconds=2)  # type: ignore[attr-defined]
    assert len(b.submit([token]).get_json()["hits"]) == 1
    taskforce.clock.advance(seconds=-1)  # type: ignore[attr-defined]
    assert a.send("POST", "/v1/withdrawals", make_withdrawal([token])).status_code == 201
    taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
    assert notify_corrections(taskforce.database, taskforce.clock()) == 1
    assert len(b.send("GET", "/v1/corrections").get_json()["corrections"]) == 1


def test_who_submitted_once_a_withdrawal_had_its_turn_is_told_nothing(new_taskforce: Callable[..., Taskforce]) -> None:
    """Its request had come before, but it never saw the row: that there was one is not for it to learn."""
    taskforce, token = new_taskforce("a", "b", "c"), make_token()
    a, b, c = taskforce.members.values()
    for member in (a, c):
        assert member.submit([token]).status_code == 201
    taskforce.clock.advance(seconds=2)  # type: ignore[attr-defined]
    assert a.send("POST", "/v1/withdrawals", make_withdrawal([token])).status_code == 201
    taskforce.clock.advance(seconds=-1)  # type: ignore[attr-defined]
    (hit,) = b.submit([token]).get_json()["hits"]
    assert hit["institutions"] == "1"
    taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
    assert notify_corrections(taskforce.database, taskforce.clock()) == 1
    assert len(c.send("GET", "/v1/corrections").get_json()["corrections"]) == 1
    assert b.send("GET", "/v1/corrections").get_json()["corrections"] == []


def test_rows_that_expire_while_their_submission_is_taken_back_are_told_of(
    new_taskforce: Callable[..., Taskforce], monkeypatch: pytest.MonkeyPatch
) -> None:
    taskforce, token = new_taskforce("a", "b"), make_token()
    a, b = taskforce.members["a"], taskforce.members["b"]
    last = (taskforce.clock() + timedelta(days=3)).date().isoformat()
    submitted = a.submit([token], envelope={"expires_on": last, "review_by": last})
    assert b.submit([token]).status_code == 201
    assert b.hits()
    taskforce.clock.advance(days=4)  # type: ignore[attr-defined]
    now = taskforce.clock()
    submission_id = submitted.get_json()["submission_id"]
    withdrawal = make_withdrawal(submission_id=submission_id)
    expired: list[int] = []

    def once_expired(rows: Sequence[Any], size: int) -> Iterator[Any]:
        """The keys are read; before the rows are moved, the other job, which had listed them before, retires them."""
        if not expired:
            retire = partial(retire_rows, keys=rows, reason=EXPIRED, now=now, submission_ids=[submission_id])
            expired.append(taskforce.database.run_in_transaction(retire))
        return iter(in_chunks(rows, size))

    assert a.send("POST", "/v1/withdrawals", withdrawal).get_json()["withdrawn"] == 1
    monkeypatch.setattr("exchange.corrections.notify.in_chunks", once_expired)
    told = notify_corrections(taskforce.database, now)
    assert (expired, told) == ([1], 1)
    (correction,) = b.send("GET", "/v1/corrections").get_json()["corrections"]
    assert correction["reason"] == withdrawal["reason"]
