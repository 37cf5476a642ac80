"""Queries go on as the gateway of the moment lets them, and are told as they stand whether or not the worker came."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
from sqlalchemy import func, select
from sqlalchemy.exc import OperationalError

from exchange.gateways.rules import RULES, GatewayRules
from exchange.kernel.actor import Actor
from exchange.kernel.decision import RefusalError
from exchange.log.acting import Request
from exchange.log.tables import LogEntry
from exchange.queries.approve import approve_query
from exchange.queries.decide import DEFAULT_LIMITS, QueryLimits
from exchange.queries.prolong import extend_query
from exchange.queries.read import read_query
from exchange.queries.views import status_of
from exchange.queries.watch import watch_queries
from schemas.queries.messages import ExtendQuery, QueryStatus
from schemas.terms import LegalGateway, RequestMode
from schemas.values.encoding import from_base64
from tests.exchange.factories import make_token
from tests.exchange.queries.planting import terms_of
from tests.exchange.queries.scenario import QueryScenario

NO_QUERIES: GatewayRules = {
    **RULES,
    LegalGateway.CCA2013_S7: replace(RULES[LegalGateway.CCA2013_S7], modes=frozenset(RequestMode)),
}
CLOSED: GatewayRules = {code: rule for code, rule in RULES.items() if code is not LegalGateway.CCA2013_S7}


@pytest.mark.parametrize(("rules", "broken"), [(NO_QUERIES, "gateway-mode"), (CLOSED, "no-gateway")])
def test_under_a_gateway_that_carries_no_queries_any_more_none_goes_on(
    sqlite_scenario: QueryScenario, rules: GatewayRules, broken: str
) -> None:
    scenario, limits = sqlite_scenario, QueryLimits(rules, DEFAULT_LIMITS.longest_days)
    database, now = scenario.taskforce.database, scenario.clock()
    first, later = make_token(), make_token()
    assert scenario.banks["a"].submit([first]).status_code == 201
    query_id = scenario.query([first, later], watch_until="2026-12-20")["query_id"]
    assert scenario.banks["b"].submit([later]).status_code == 201
    assert watch_queries(database, limits, now) == 0
    read = read_query(database, Actor("nca/analyst", "nca", frozenset()), query_id, limits, now)
    assert [(one.hit, one.institutions) for one in read.results or ()] == [(False, []), (False, [])]
    officer = Request(Actor("nca/authoriser", "nca", frozenset()), "k" * 16, bytes(32), now)
    with pytest.raises(RefusalError) as refused:
        longer = ExtendQuery(until=date(2027, 3, 1), reason="the trial moved", salt=bytes(32))
        extend_query(database, officer, query_id, longer, limits)
    assert {reason.code for reason in refused.value.decision.reasons} == {broken}
    assert watch_queries(database, DEFAULT_LIMITS, now) == 1, "it goes on where the gateway does"


def test_what_an_attempt_found_that_was_rolled_back_is_told_to_nobody(
    sqlite_scenario: QueryScenario, monkeypatch: pytest.MonkeyPatch
) -> None:
    scenario, token, database = sqlite_scenario, make_token(), sqlite_scenario.taskforce.database
    assert scenario.banks["a"].submit([token]).status_code == 201
    query_id = scenario.ask([token])
    digest = from_base64(terms_of(database, query_id)["terms_sha256"])
    officer = Request(Actor("nca/authoriser", "nca", frozenset()), "k" * 16, bytes(32), scenario.clock())
    attempts: list[str] = []

    def fail_once(query: Any, today: date) -> QueryStatus:
        attempts.append(query.query_id)
        if len(attempts) == 1:
            busy = sqlite3.OperationalError("locked")
            busy.sqlite_errorcode = sqlite3.SQLITE_BUSY
            raise OperationalError("COMMIT", {}, busy)
        return status_of(query, today)

    def meanwhile(_seconds: float) -> None:
        """Before the second attempt another worker has done the same request."""
        if len(attempts) == 1:
            approve_query(database, officer, query_id, digest, DEFAULT_LIMITS)

    monkeypatch.setattr("exchange.queries.approve.status_of", fail_once)
    monkeypatch.setattr("exchange.kernel.session.time.sleep", meanwhile)
    told, _ = approve_query(database, officer, query_id, digest, DEFAULT_LIMITS)
    assert len(attempts) == 2
    with database.reading() as session:
        logged = select(func.count()).select_from(LogEntry).where(LogEntry.event_id == told.event_id)
        assert session.scalar(logged)


def test_a_list_by_state_says_what_each_is_on_that_day(sqlite_scenario: QueryScenario) -> None:
    scenario, token = sqlite_scenario, make_token()
    lapsed, over = scenario.ask([token], until="2026-11-23"), scenario.query([token], until="2026-11-24")["query_id"]
    scenario.clock.advance(days=4)
    waiting = scenario.ask([token], until="2026-12-24")
    listed = {
        state: {(one["query_id"], one["state"]) for one in found.get_json()["queries"]}
        for state in ("pending", "answered", "lapsed", "ended")
        for found in [scenario.agencies["nca"].send("GET", f"/v1/queries?state={state}")]
    }
    assert listed == {
        "pending": {(waiting, "pending")},
        "answered": set(),
        "lapsed": {(lapsed, "lapsed")},
        "ended": {(over, "ended")},
    }
