"""One of two taskforces that do the same at the same moments; in one of them agencies work under cover as well."""

from __future__ import annotations

import difflib
import itertools
import json
from collections import defaultdict
from collections.abc import Callable
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select
from werkzeug.test import TestResponse

from alerts.acts.publication import apply_due_changes
from alerts.delivery.jobs import forget_deliveries
from alerts.jobs import drain_outbox
from edge.request_limits import LARGEST_LIMIT
from exchange.kernel.outbox import OutboxMessage
from exchange.programs.worker import exchange_jobs, query_jobs
from exchange.queries.decide import DEFAULT_LIMITS
from schemas.values import identifiers
from tests.exchange.queries.scenario import QueryScenario
from tests.exchange.silence.seen import Eyes, Seen

# In nanoseconds; of one process, so that what is made later is later, whichever test made what it copies.
_MOMENTS = itertools.count(1_800_000_000_000_000_000, 1_000_000)
CELL = "cell"
"""A second group: the banks alone."""


class Side:
    """What the banks of one taskforce were answered and told, in order: `observed`, each with a label; `routes` are
    those that they asked.
    """

    def __init__(self, scenario: QueryScenario) -> None:
        self.scenario, self.clock, self.database = scenario, scenario.clock, scenario.taskforce.database
        scenario.taskforce.change_settings(requests_per_minute=LARGEST_LIMIT, feed_requests_per_minute=LARGEST_LIMIT)
        self.observed: list[tuple[str, Seen | tuple[str, ...]]] = []
        self.routes: set[str] = set()
        self.granted: set[str] = set()
        self.noticed: set[str] = set()
        self._eyes: dict[str, Eyes] = defaultdict(Eyes)
        self._urls = scenario.taskforce.app.url_map.bind("exchange.test")
        self._feed_tokens: dict[str, str] = {}
        scenario.taskforce.state_group(tuple(scenario.banks), CELL)
        self.tick()

    def ask(self, bank: str, method: str, target: str, value: Any = None, **options: Any) -> TestResponse:
        """A bank's signed request, observed."""
        return self._observe(bank, method, target, self.scenario.banks[bank].send(method, target, value, **options))

    def read(self, bank: str, target: str, **options: Any) -> Any:
        """What a bank reads, observed."""
        return self.ask(bank, "GET", target, **options).get_json()

    def read_feed(self, bank: str, method: str, target: str) -> TestResponse:
        """A request with the bank's feed token, observed."""
        if bank not in self._feed_tokens:
            made = self.ask(bank, "POST", "/v1/feed-tokens", {"name": "reader"})
            self._feed_tokens[bank] = made.get_json()["token"]
        headers = {"Authorization": f"Bearer {self._feed_tokens[bank]}"}
        if target.startswith("/taxii2"):
            headers |= {"Accept": "application/taxii+json;version=2.1", "Content-Type": "application/taxii+json"}
        answer = self.scenario.taskforce.send_unsigned(method, target, b"{}" if method == "POST" else b"", headers)
        return self._observe(bank, method, target, answer)

    def read_openly(self, method: str, target: str, value: Any = None) -> TestResponse:
        """A request that anyone may make, observed."""
        body = b"" if value is None else json.dumps(value).encode()
        headers = {"Content-Type": "application/json"} if body else {}
        answer = self.scenario.taskforce.send_unsigned(method, target, body, headers)
        return self._observe("anyone", method, target, answer)

    def tick(self) -> None:
        """A tick of the log, then a second later."""
        self.scenario.taskforce.tick()
        self.clock.advance(seconds=1)

    def look(self) -> None:
        """A run of the watching job."""
        self.scenario.watch()

    def work(self) -> None:
        """A round of every job of the worker's but for the sending of webhooks and mail, which leaves the exchange;
        after each, the messages that it left for banks.
        """
        for name, job in self._jobs():
            job(self.clock())
            self._observe_outbox(name)
        drain_outbox(self.database)
        self.tick()

    def _jobs(self) -> list[tuple[str, Callable[[datetime], object]]]:
        jobs = [*exchange_jobs(self.database), *query_jobs(self.database, DEFAULT_LIMITS, 5)]
        listed: list[tuple[str, Callable[[datetime], object]]] = [(job.name, job.work) for job in jobs]
        listed.append(("alerts", lambda now: apply_due_changes(self.database, now)))
        listed.append(("forget_deliveries", lambda now: forget_deliveries(self.database, now)))
        return listed

    def _observe(self, bank: str, method: str, target: str, answer: TestResponse) -> TestResponse:
        rule, _ = self._urls.match(target.partition("?")[0], method, return_rule=True)
        route = f"{method} {rule.rule}"
        self.routes.add(route)
        if answer.status_code < 300:
            self.granted.add(route)
        self.observed.append((f"{bank} {route}", self._eyes[bank].see(answer)))
        return answer

    def _observe_outbox(self, job: str) -> None:
        """The kinds, order, times and events of what waits to be told to each bank."""
        waiting = select(OutboxMessage).where(OutboxMessage.member_id.in_(list(self.scenario.banks)))
        with self.database.reading() as session:
            messages = session.scalars(waiting.order_by(OutboxMessage.created_at, OutboxMessage.message_id)).all()
        self.noticed |= {one.kind for one in messages}
        for bank in self.scenario.banks:
            eyes, own = self._eyes[bank], [one for one in messages if one.member_id == bank]
            told = tuple(f"{one.kind} {one.created_at} {eyes.text(one.event_id)}" for one in own)
            self.observed.append((f"{bank} outbox after {job}", told))


def order_ids(patch: pytest.MonkeyPatch) -> None:
    """Let every id have a millisecond of its own, so that lists in order of ids have the order of their making."""
    patch.setattr(identifiers, "time", SimpleNamespace(time_ns=lambda: next(_MOMENTS)))


def differences(one: Side, other: Side) -> dict[str, Any]:
    """What banks saw otherwise on one side than on the other: by label, in order of time, the first pair that differs
    (None for what one side saw oftener), of answers the lines that do.
    """
    mine, theirs = _by_label(one), _by_label(other)
    found: dict[str, Any] = {}
    for label in [*mine, *(theirs.keys() - mine.keys())]:
        for pair in itertools.zip_longest(mine.get(label, ()), theirs.get(label, ())):
            if pair[0] != pair[1]:
                found.setdefault(label, _lines_that_differ(*pair))
    return found


def _lines_that_differ(one: Any, other: Any) -> Any:
    if not isinstance(one, Seen) or not isinstance(other, Seen):
        return one, other
    lines = difflib.unified_diff(one.body.splitlines(), other.body.splitlines(), lineterm="", n=2)
    return one._replace(body=""), other._replace(body=""), list(lines)


def _by_label(side: Side) -> dict[str, list[Any]]:
    found: dict[str, list[Any]] = defaultdict(list)
    for label, seen in side.observed:
        found[label].append(seen)
    return found
