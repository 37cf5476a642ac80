"""Two at once, on the database that lets many write at once."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from tests.exchange.requests.factories import NO_TRACE, make_request
from tests.exchange.requests.scenario import RequestScenario


@pytest.fixture
def scenario(postgresql_url: str, tmp_path: Path) -> Iterator[RequestScenario]:
    """On PostgreSQL; SQLite has one writer at a time, whatever it writes."""
    made = RequestScenario(postgresql_url, tmp_path)
    yield made
    made.close()


def test_of_two_answers_or_requests_at_once_under_one_id_one_counts(scenario: RequestScenario) -> None:
    hit_id = scenario.share("a", "b")
    request_id = scenario.asked("a", hit_id)
    assert scenario.take_up("b", request_id).status_code == 200
    start = Barrier(2, timeout=60)

    def answer(changes: dict[str, Any]) -> int:
        start.wait()
        return scenario.answer("b", request_id, **changes).status_code

    with ThreadPoolExecutor(2) as people:
        answered = sorted(people.map(answer, [{}, NO_TRACE]))
    assert answered == [200, 403]
    assert len(scenario.read("a", request_id)["answers"]) == 1
    assert len(scenario.views("a", "request_answered")) == len(scenario.views("b", "request_answered")) == 1
    body = make_request(hit_id)

    def ask(_: int) -> int:
        start.wait()
        return scenario["a"].send("POST", "/v1/requests", body).status_code

    with ThreadPoolExecutor(2) as people:
        asked = sorted(people.map(ask, range(2)))
    assert asked == [201, 409]
    assert scenario.notices("b").count("request_received") == 2, "one for each request that was taken"
