"""Migrations: the head is what the models say, both ways, with rows, and several starters at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from exchange.kernel.request_counts import count_request
from exchange.kernel.session import create_database
from migrations.tables import metadata
from migrations.upgrade import downgrade, is_current, upgrade
from tests.exchange.factories import make_token
from tests.taskforce.founding import make_taskforce


def test_the_head_of_the_migrations_is_what_the_models_say(database_url: str) -> None:
    database = create_database(database_url)
    try:
        assert not is_current(database)
        upgrade(database)
        assert is_current(database)
        with database.engine.connect() as connection:
            context = MigrationContext.configure(connection, opts={"compare_type": True})
            assert compare_metadata(context, metadata) == []
    finally:
        database.dispose()


def test_starters_that_come_together_do_not_race(database_url: str) -> None:
    databases = [create_database(database_url) for _ in range(3)]
    try:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(upgrade, databases))
        assert is_current(databases[0])
    finally:
        for database in databases:
            database.dispose()


def test_all_can_be_undone_and_done_again_with_rows_there(database_url: str, tmp_path: Path) -> None:
    taskforce = make_taskforce(database_url, tmp_path, "a", "b")
    try:
        token = make_token()
        for member in taskforce.members.values():
            assert member.submit([token]).status_code == 201
        downgrade(taskforce.database, "base")
        assert set(inspect(taskforce.database.engine).get_table_names()) <= {"alembic_version"}
        upgrade(taskforce.database)
        assert is_current(taskforce.database)
    finally:
        taskforce.close()


def test_the_counts_of_requests_come_and_go_and_leave_the_rest(database_url: str, tmp_path: Path) -> None:
    taskforce = make_taskforce(database_url, tmp_path, "a")
    try:
        assert taskforce.members["a"].submit([make_token()]).status_code == 201
        with taskforce.database.transaction() as session:
            assert [count_request(session, "member/a", 7) for _ in range(3)] == [1, 2, 3]
        downgrade(taskforce.database, "0001")
        assert not is_current(taskforce.database)
        assert "request_counts" not in inspect(taskforce.database.engine).get_table_names()
        upgrade(taskforce.database)
        assert is_current(taskforce.database)
        assert len(taskforce.members["a"].hits()) == 0
        assert taskforce.members["a"].submit([make_token()]).status_code == 201
    finally:
        taskforce.close()
