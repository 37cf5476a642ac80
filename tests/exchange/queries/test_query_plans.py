"""No statement of the exchange reads more as its tables grow, but those that are named here, each with its reason.

The statements are those of a year in the life of a taskforce (tests/exchange/silence), every route that banks and
agencies call and every job of the worker, and besides those for which it has no occasion. Every function that has a
statement executed is among them, but for some of the operator's.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Callable, Mapping
from contextlib import closing
from pathlib import Path

import psycopg
import pytest

import alerts
import exchange
from exchange.kernel.base import Base
from tests.captured import Callers, Captured, captured, functions_that_ask
from tests.exchange.queries.besides import do_besides
from tests.exchange.queries.scenario import QueryScenario
from tests.exchange.silence.plan import STEPS, live
from tests.exchange.silence.side import Side
from tests.plans import growing_reads, growing_reads_postgresql, multiply_rows

Copies = Callable[[str], QueryScenario]
BOUNDED = frozenset(
    {
        # as many as members, groups, epochs and processes
        *("members", "representatives", "group_members", "sharing_groups", "key_epochs", "alembic_version"),
        "holder_fault_reports",
        *("log_lanes", "leases", "alert_audiences", "feed_collections"),
        # a few for each member, by its limit
        *("subscriptions", "feed_tokens"),
        # a queue that each tick empties
        "log_pending",
        # what a statement brings with it
        *("staged", "n", "s"),
    }
)
ALLOWED = {
    r"FROM (recent_)?indicators WHERE \S+submission_id": "no index by submission, for which every row stored would pay",
    r"FROM retired_indicators WHERE \S+submission_id": "the same; these rows are kept for 90 days",
    r"count\(\*\) \S+ \S+ FROM recent_indicators$": "kept small: a job empties it when it holds 200,000",
    r"FROM hits JOIN (recent_)?indicators": "a submission's withdrawal follows the hits of its member",
    r"count\(\*\) .* FROM (information_requests|request_parts) WHERE \S+member_id": "people make them, by the day",
    r"count\(\*\) .* FROM notices WHERE notices.member_id": "a member's own, kept for 90 days",
    r"max\(log_publications.size\)": "the last: one step in the key",
    r"max\(log_day_heads.day\)": "the last of a member's days: one step in the key",
    r"FROM withdrawn_rows WHERE \S+is_watched": "watched for ten minutes, then forgotten",
    r"FROM outcome_recipients JOIN outcomes .*told_at IS NULL": "what the cover of queries holds back at present",
    r"FROM deliveries WHERE .*state = .*created_at >=": "by both; no row made is in that state",
    r"FROM statements WHERE (.* AND )?statements.state = \S+ ORDER BY": "all of an index that holds what waits alone",
    r"FROM statements WHERE .*statements.sequence <= ": "the same, where what waits is little",
    r"FROM statements JOIN \(SELECT": "all that is in force, where a root or an epoch is drafted",
    r"DELETE FROM statement_signatures .*statements.state = ": "of what waits, where a new root comes into force",
    r"DELETE FROM taken_back_rows WHERE taken_back_rows.epoch": "all of an epoch that is over; each goes once",
    r"max\(job_runs.finished_at\)": "kept for seven days",
    r"count\(\*\) \S+ \S+ FROM outbox$": "what waits to be told, for the operator's figures",
    r"FROM enrolments WHERE enrolments.member_id IN": "the codes that were made for one member",
    r"FROM outbox WHERE outbox.member_id IN": "the test's own",
}
"""By what the statement is known, and why it may grow."""

OPERATORS = {
    "exchange/kernel/session.py": "opens a database",
    "exchange/kernel/fitness.py": "looks at a database's settings",
    "exchange/operations/archive.py": "copies every table, for a backup or out of one",
    "exchange/operations/restore.py": "copies every table",
    "exchange/operations/new_origin.py": "begins the log anew",
    "exchange/operations/doctor.py": "asks what time it is at the database",
    "exchange/operations/figures.py": "the operator's report counts all that there is",
}
"""Modules whose statements are not looked at, and why."""

KEYS = "(token, group_id, member_id) IN (VALUES (x'00', 'g', 'a'), (x'01', 'g', 'a'))"
"""How rows used to be retired: for two keys and more SQLite reads the whole table."""


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_on_sqlite_no_statement_grows_but_those_that_may(copies: Copies) -> None:
    scenario, callers = copies("plans"), Callers()
    statements = statements_of(scenario, callers)
    with closing(sqlite3.connect(str(scenario.taskforce.database.engine.url.database))) as connection:
        connection.execute("CREATE TEMP TABLE staged (token BLOB)")
        found = {form: growing_reads(connection, one, BOUNDED) for form, (one, _) in statements.items()}
        assert growing_reads(connection, f"DELETE FROM indicators WHERE {KEYS}", BOUNDED)
    assert not not_allowed(found), "\n".join(f"{steps}: {form}" for form, steps in not_allowed(found).items())
    asking = {*functions_that_ask(Path(exchange.__file__).parent), *functions_that_ask(Path(alerts.__file__).parent)}
    left = sorted(f"{file}: {name}" for file, name in asking - callers if not file.endswith(tuple(OPERATORS)))
    assert not left, "\n".join(["not executed here:", *left])


@pytest.mark.parametrize("database_kind", ["postgresql"])
def test_nor_on_postgresql(copies: Copies) -> None:
    scenario = copies("plans")
    statements = statements_of(scenario)
    url, found = scenario.taskforce.database.engine.url, {}
    growing = sorted(Base.metadata.tables.keys() - BOUNDED)
    with psycopg.connect(host=str(url.query["host"]), user="postgres", dbname=url.database, autocommit=True) as session:
        multiply_rows(session, growing)
        assert growing_reads_postgresql(session, "SELECT * FROM hits WHERE event_id = 'e'", None)
        for form, (one, parameters) in statements.items():
            steps = growing_reads_postgresql(session, one, parameters)
            found[form] = [step for step in steps if step.split()[-2] not in BOUNDED]
    assert len(found) > 300
    assert not not_allowed(found), "\n".join(f"{steps}: {form}" for form, steps in not_allowed(found).items())


def statements_of(scenario: QueryScenario, callers: Callers | None = None) -> Captured:
    """What its database is sent in a year, and besides."""
    with captured(scenario.taskforce.database.engine, callers) as statements:
        live(Side(scenario), STEPS, 1, covert=True)
        do_besides(scenario.taskforce)
    return statements


def not_allowed(found: Mapping[str, list[str]]) -> dict[str, list[str]]:
    """The statements that grow and are not named, by form."""
    return {form: steps for form, steps in found.items() if steps and not any(re.search(one, form) for one in ALLOWED)}
