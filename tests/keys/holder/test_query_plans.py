"""No statement of the key holder reads more as its tables grow, on either database."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import psycopg

import keys.holder
from keys.holder import store
from keys.holder.tables import metadata
from tests.captured import Callers, captured, functions_that_ask
from tests.keys.factories import Member, make_member, sign
from tests.keys.holder.simulator import HolderSimulator, make_elements
from tests.plans import growing_reads, growing_reads_postgresql, multiply_rows

OPENS = "keys/holder/database.py"
"""Opens a database, and reads no row."""
BOUNDED = frozenset({"holder_members", "holder_windows", "holder_statements"})
"""As many as members, their windows of a few weeks, and statements."""


def use(holder: HolderSimulator, member: Member) -> None:
    """What members, registrars and the operator ask of a holder, with time passing in between."""
    stated = [sign(make_member(name).statement) for name in ("x", "y")]
    for day in range(3):
        holder.allow("a", 1000)
        holder.grant("a", 100, 7)
        elements = make_elements(4)
        assert holder.ask(member, elements, key=f"proved-{day}").status_code == 200
        assert holder.ask(member, elements, key=f"proved-{day}").status_code == 200
        assert holder.ask(member, elements, key=f"batch-{day}", proof=False).status_code == 200
        holder.ask(member, make_elements(1), key=f"check-{day}", batch=f"batch-{day}")
        assert holder.budget(member)["member_id"] == "a"
        assert [answer.status_code for answer in holder.state(*stated)] == [200, 200]
        for target in ("/v1/epochs", "/v1/statements", "/v1/snapshot"):
            holder.client.get(target, headers=holder.sign(member, "GET", target))
        holder.clock.advance(days=20)
    with holder.database.transaction() as connection:
        store.begin_again(connection, "a", "proved-0", holder.clock())
        assert [one.member_id for one in store.list_members(connection)] == ["a"]
        assert store.count_totals(connection)["members"] == 1
        assert store.count_evaluations(connection, "a", holder.clock() - timedelta(days=30)) > 0


def test_no_statement_of_a_holder_grows(holder: HolderSimulator, member: Member) -> None:
    engine, callers = holder.database.engine, Callers()
    with captured(engine, callers) as statements:
        use(holder, member)
    if engine.dialect.name == "sqlite":
        with closing(sqlite3.connect(str(engine.url.database))) as connection:
            found = {form: growing_reads(connection, one, BOUNDED) for form, (one, _) in statements.items()}
    else:
        host, name = str(engine.url.query["host"]), engine.url.database
        with psycopg.connect(host=host, user="postgres", dbname=name, autocommit=True) as session:
            multiply_rows(session, sorted(metadata.tables.keys() - BOUNDED))
            plans = {form: growing_reads_postgresql(session, *one) for form, one in statements.items()}
        found = {form: [step for step in plan if step.split()[-2] not in BOUNDED] for form, plan in plans.items()}
    assert {form: steps for form, steps in found.items() if steps} == {}
    left = {(file, name) for file, name in functions_that_ask(Path(keys.holder.__file__).parent)} - callers
    left = {one for one in left if not one[0].endswith(OPENS)}
    assert not left, "\n".join(["not executed here:", *map(" ".join, sorted(left))])
