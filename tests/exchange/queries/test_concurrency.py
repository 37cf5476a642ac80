"""Queries beside submissions and beside each other, on the database that lets many write at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text

from exchange.kernel.actor import Actor
from exchange.queries.answer import answer_query
from exchange.queries.decide import DEFAULT_LIMITS
from exchange.queries.store import lock_query
from tests.exchange.factories import make_token
from tests.exchange.queries.scenario import QueryScenario

ACTOR = Actor("nca/authoriser", "nca", frozenset())


@pytest.fixture
def scenario(postgresql_scenario: QueryScenario) -> QueryScenario:
    """On PostgreSQL; SQLite has one writer at a time, whatever it writes."""
    return postgresql_scenario


def test_no_submitter_waits_for_a_query_that_is_being_answered(scenario: QueryScenario) -> None:
    token, watched = make_token(), make_token()
    assert scenario.banks["a"].submit([token]).status_code == 201
    query_id = scenario.query([token, watched], watch_until="2026-12-01")["query_id"]
    with scenario.taskforce.database.transaction() as session:
        query = lock_query(session, query_id)
        assert query is not None
        answer_query(session, "le_query_read", query, DEFAULT_LIMITS, actor=ACTOR, now=scenario.clock())
        session.flush()
        # The agency's transaction is open. Had it locked anything that a bank needs, this would wait and fail.
        assert scenario.banks["b"].submit([token, watched]).status_code == 201
        assert len(scenario.banks["b"].hits()) == 1
        assert scenario.banks["a"].submit([watched]).status_code == 201


def test_a_row_that_commits_after_a_later_one_is_not_missed_by_a_watch(scenario: QueryScenario) -> None:
    """A cursor over ids or times would pass it: transactions commit out of order."""
    early, late = make_token(), make_token()
    query_id = scenario.query([early, late], watch_until="2026-12-01")["query_id"]
    assert scenario.banks["a"].submit([early]).status_code == 201
    database = scenario.taskforce.database
    with database.transaction() as session:
        # As if the first submission had not been committed yet: its row, with its early id, comes at the end.
        session.execute(text("CREATE TABLE held AS SELECT * FROM recent_indicators"))
        session.execute(text("DELETE FROM recent_indicators"))
    writer = database.engine.connect()
    try:
        writer.execute(text("INSERT INTO recent_indicators SELECT * FROM held"))
        assert scenario.banks["b"].submit([late]).status_code == 201
        assert scenario.watch() == 1
        assert [hit["hit"] for hit in scenario.read(query_id).get_json()["results"]] == [False, True]
        writer.commit()
    finally:
        writer.close()
    assert scenario.watch() == 1
    assert len(scenario.views("nca", "le_watch_matched")) == 2


def test_of_two_queries_approved_at_once_each_agency_learns_of_the_other(scenario: QueryScenario) -> None:
    token = make_token()
    asked = [(agency, scenario.ask([token], agency)) for agency in ("nca", "met")]
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: scenario.approve(one[1], one[0]), asked))
    assert [scenario.read(query_id, agency).get_json()["deconfliction"] for agency, query_id in asked] == [True, True]
