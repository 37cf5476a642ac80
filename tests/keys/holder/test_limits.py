"""Requests a minute at a key holder: counted for each member over all workers, and refused with its signature."""

from __future__ import annotations

import dataclasses
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import func, select

from keys.holder.database import open_database
from keys.holder.settings import HomeError, create_home, load_config
from keys.holder.tables import request_counts
from keys.request_limits import USUAL_LIMIT
from keys.signing import SignedRequest
from tests.keys.holder.simulator import HolderSimulator, make_elements, problem_of
from tests.keys.taskforce import Member, make_member, make_root

LIMIT = 4
ELEMENTS = make_elements(1)


def _limited(holder: HolderSimulator) -> HolderSimulator:
    """Another worker of the holder, with a limit."""
    config = dataclasses.replace(holder.settings.config, requests_per_minute=LIMIT)
    settings = dataclasses.replace(holder.settings, config=config)
    return HolderSimulator(settings, open_database(config.database_url), holder.clock)


def test_a_member_beyond_its_limit_is_told_when_to_come_back(holder: HolderSimulator, member: Member) -> None:
    limited = _limited(holder)
    limited.allow("b", 10)
    limited.clock.move(seconds=25)
    answers = [limited.ask(member, ELEMENTS, key=f"key-{number}") for number in range(LIMIT + 1)]
    assert [answer.status_code for answer in answers] == [200] * LIMIT + [429]
    assert (problem_of(answers[-1]), answers[-1].headers["Retry-After"]) == ("request-limit", "35")
    # Signed, so that nobody between can say it in the holder's place; `ask` has checked that.
    assert "Signature" in answers[-1].headers
    assert limited.ask(make_member("b"), ELEMENTS).status_code == 200
    limited.clock.move(seconds=35)
    assert limited.ask(member, ELEMENTS, key="key-9").status_code == 200
    assert limited.budget(member)["remaining"] == 10 - LIMIT - 1
    with limited.database.reading() as connection:
        assert connection.execute(select(func.count()).select_from(request_counts)).scalar_one() == 2
    limited.database.dispose()


def test_the_limit_holds_across_workers_that_count_at_once(holder: HolderSimulator, member: Member) -> None:
    workers = [_limited(holder) for _ in range(2)]

    def ask(turn: int) -> int:
        worker = workers[turn % 2]
        headers = worker.sign(member, "GET", "/v1/budget")
        # A client of its own: the simulator's is for one thread.
        answer = worker.client.application.test_client().get("/v1/budget", headers=headers)
        worker.verify(answer, SignedRequest("GET", f"{worker.settings.config.url}/v1/budget", headers))
        return answer.status_code

    with ThreadPoolExecutor(4) as pool:
        assert Counter(pool.map(ask, range(10))) == {200: LIMIT, 429: 10 - LIMIT}
    for worker in workers:
        worker.database.dispose()


def test_a_stranger_cannot_use_up_a_members_limit(holder: HolderSimulator, member: Member) -> None:
    limited = _limited(holder)
    headers = limited.sign(member, "GET", "/v1/budget")
    assert limited.client.get("/v1/budget", headers=headers).status_code == 200
    for _ in range(2 * LIMIT):
        assert problem_of(limited.client.get("/v1/budget", headers=headers)) == "replayed-request"
        assert limited.client.get("/v1/budget").status_code == 401
    answers = [
        limited.client.get("/v1/budget", headers=limited.sign(member, "GET", "/v1/budget")) for _ in range(LIMIT)
    ]
    assert [answer.status_code for answer in answers] == [200] * (LIMIT - 1) + [429]
    limited.database.dispose()


@pytest.mark.parametrize("value", ["0", "many", "1000001"])
def test_a_limit_that_is_none_stops_the_start(tmp_path: Path, value: str) -> None:
    home = tmp_path / "home"
    create_home(home, "holder-1", "https://holder-1.example", make_root(), b"correct horse battery staple")
    assert load_config(home, {}).requests_per_minute == USUAL_LIMIT
    assert load_config(home, {"KEYHOLDER_REQUESTS_PER_MINUTE": "7"}).requests_per_minute == 7
    with pytest.raises(HomeError):
        load_config(home, {"KEYHOLDER_REQUESTS_PER_MINUTE": value})
