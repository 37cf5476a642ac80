"""No answer to a bank differs, in content or size, by whether there is covert work: a comparison over many states.

Two taskforces do the same at the same moments; in one of them agencies ask, watch, extend, meet each other, are told
of corrections and record outcomes under cover as well. What the acts are is in tests/exchange/silence, and so is what
is masked, and why (seen.py). Key holders and the edge know nothing of queries, and answer each member by what that
member sent: they have no part in this.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from werkzeug.test import Client
from werkzeug.wrappers import Response

from exchange.corrections.notify import notify_corrections
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.exchange.corrections.taking_back import make_withdrawal
from tests.exchange.queries.scenario import BANKS, QueryScenario
from tests.exchange.silence.agencies import act_openly
from tests.exchange.silence.holders import OTHERS, live_beside, mask_band
from tests.exchange.silence.plan import STEPS, assert_that_all_was_there, live
from tests.exchange.silence.reading import read_everything
from tests.exchange.silence.seen import Eyes, Seen
from tests.exchange.silence.side import Side, differences, order_ids

Copies = Callable[[str], QueryScenario]
EXAMPLES = 2
"""`python -m tests.exchange.silence N` compares more."""


@settings(max_examples=EXAMPLES, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@pytest.mark.parametrize("database_kind", ["sqlite"])
@given(steps=st.permutations(STEPS), seed=st.integers(0, 2**32))
def test_no_answer_to_a_bank_tells_whether_there_is_covert_work(copies: Copies, steps: list[str], seed: int) -> None:
    quiet, busy = compare(copies, steps, seed)
    assert_that_all_was_there(quiet, busy)


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_nor_does_it_on_a_database_that_lets_many_write_at_once(copies: Copies) -> None:
    compare(copies, Random(5).sample(STEPS, len(STEPS) // 3), seed=5)


def compare(copies: Copies, steps: Sequence[str], seed: int) -> tuple[Side, Side]:
    """The two sides, between which nothing differs."""
    with pytest.MonkeyPatch.context() as patch:
        order_ids(patch)
        quiet, busy = Side(copies(f"quiet-{uuid7()}")), Side(copies(f"busy-{uuid7()}"))
        live(quiet, steps, seed, covert=False)
        live(busy, steps, seed, covert=True)
    assert differences(quiet, busy) == {}
    return quiet, busy


def compare_holders(make: Callable[[str], QueryScenario], few: int, many: int, *, is_banded: bool) -> dict[str, Any]:
    """In what the bank's two scenarios differ; `is_banded` leaves out the band."""
    with pytest.MonkeyPatch.context() as patch:
        order_ids(patch)
        sides = [Side(make(f"{number}-holders")) for number in (few, many)]
        for side, number in zip(sides, (few, many), strict=True):
            live_beside(side, number)
            if is_banded:
                mask_band(side)
    others = tuple(f"{other} " for other in OTHERS)
    return {label: seen for label, seen in differences(*sides).items() if not label.startswith(others)}


@pytest.mark.parametrize(("few", "many"), [(1, 7), (2, 4), (5, 7)])
def test_how_many_others_hold_a_row_shows_in_the_band_alone(
    crowds: Callable[[str], QueryScenario], few: int, many: int
) -> None:
    """Sizes, places, times, order and contents: all that the bank is answered, but for hashes and signatures."""
    is_banded = (few, many) == (1, 7)
    assert compare_holders(crowds, few, many, is_banded=is_banded) == {}


def test_the_comparison_sees_the_band(crowds: Callable[[str], QueryScenario]) -> None:
    assert compare_holders(crowds, 1, 7, is_banded=False).keys() >= {"a GET /v1/hits", "a GET /log/entries"}


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_the_comparison_sees_everything_that_a_bank_may_be_told(copies: Copies) -> None:
    """Openly done, an agency's acts show: in every list and feed, in what a submission answers, and in what the worker
    leaves in the outbox.
    """
    with pytest.MonkeyPatch.context() as patch:
        order_ids(patch)
        quiet, told = Side(copies("quiet")), Side(copies("told"))
        for side in (quiet, told):
            side.scenario.banks["a"].submit([bytes(32)])
            if side is told:
                act_openly(side.scenario, bytes(32))
            side.tick()
            side.work()
            side.ask("a", "POST", "/v1/submissions", side.scenario.banks["a"].submission([bytes(32)]))
            read_everything(side, ("a",))
    assert differences(quiet, told).keys() >= {
        *("a POST /v1/submissions", "a GET /v1/hits", "a GET /v1/notices", "a GET /log/entries", "a GET /v1/status"),
        *("a GET /v1/corrections", "a GET /v1/outcomes/received", "a GET /v1/requests", "a GET /v1/alerts"),
        *("a GET /feeds/<group_id>.atom", "a GET /feeds/<group_id>.json", "a outbox after corrections"),
        "a GET /feeds/misp/<group_id>/manifest.json",
        "a GET /taxii2/api/collections/<collection_id>/objects/",
        "a GET /taxii2/api/collections/<collection_id>/manifest/",
    }


def test_the_observer_sees_each_part_of_an_answer_but_random_ids() -> None:
    def seen(body: dict[str, Any], status: int = 200, **headers: str) -> Seen:
        answer = Response(json.dumps(body), status, headers, content_type="application/json")
        return Eyes().see(Client(answer).get("/"))

    first, second = uuid7(), uuid7()
    usual = {"event_id": first, "again": first, "count": 1, "index": 9, "salt": "abcd", "view": in_base64({"n": 1})}
    same = {"event_id": second, "again": second, "count": 1, "index": 9, "salt": "efgh", "view": in_base64({"n": 1})}
    assert seen(usual) == seen(same)
    for change in (
        {"count": 2},
        {"index": 10},
        {"again": second},
        {"salt": "abc"},
        {"view": in_base64({"n": 2})},
        {"more": None},
    ):
        assert seen(usual) != seen({**usual, **change}), change
    assert seen(usual) != seen(usual, 201)
    assert seen(usual) != seen(usual, Retry="1")
    assert seen(usual) != seen({**dict(reversed(usual.items()))}), "the order of fields"


def in_base64(value: Any) -> str:
    return to_base64(json.dumps(value).encode())


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_an_agencys_query_is_to_a_bank_as_one_that_does_not_exist(copies: Copies) -> None:
    scenario = copies("one")
    token = bytes(32)
    assert scenario.banks["a"].submit([token]).status_code == 201
    query_id = scenario.query([token])["query_id"]
    answers = [scenario.banks["a"].send("GET", f"/v1/queries/{each}") for each in (query_id, uuid7())]
    assert Eyes().see(answers[0]) == Eyes().see(answers[1])
    assert to_base64(token) not in answers[0].text


def test_a_correction_shows_a_bank_nothing_of_an_agencys_hit(scenario: QueryScenario) -> None:
    """Bank a's hit on `hidden` rests on the cell's rows, one of which has just expired. Only an agency was told of the
    taskforce's row, and when that is withdrawn, only the agency has reason to look at the token.
    """
    a, b, c = (scenario.banks[name] for name in BANKS)
    scenario.taskforce.state_group(BANKS, "cell")
    known, hidden = b"1" * 32, b"2" * 32
    withdrawn = b.submission([known, hidden])
    assert b.send("POST", "/v1/submissions", withdrawn).status_code == 201
    assert a.submit([known]).status_code == 201
    for bank, last in ((a, "2027-11-01"), (b, "2027-11-01"), (c, "2026-11-23")):
        envelope = {"group": "cell", "review_by": "2026-11-23", "expires_on": last}
        assert bank.submit([hidden], envelope=envelope).status_code == 201
    scenario.query([hidden])
    scenario.clock.advance(days=2)
    taken = make_withdrawal(submission_id=withdrawn["submission_id"])
    assert b.send("POST", "/v1/withdrawals", taken).status_code == 201
    assert notify_corrections(scenario.taskforce.database, scenario.clock()) > 0
    (told,) = scenario.views("a", "correction")
    assert len(told["ended"]) == 1, "the hit on the other token"
    assert told["hits"] == []
    assert scenario.views("nca", "correction")
