"""The tables: as the code describes them, made and unmade with rows in them, and once when many start together."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect

from keys.holder import store
from keys.holder.database import open_database
from keys.holder.tables import metadata
from tests.taskforce.clock import NOW


def test_the_newest_migration_makes_the_tables_of_the_code(database_url: str) -> None:
    database = open_database(database_url)
    database.migrate()
    with database.reading() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "holder_alembic_version", "compare_type": True}
        )
        assert compare_metadata(context, metadata) == []
    database.dispose()


def test_rows_survive_a_second_migration_and_go_with_the_tables(database_url: str) -> None:
    database = open_database(database_url)
    database.migrate()
    with database.transaction() as connection:
        store.allow_member(connection, "a", 5, NOW)
        store.add_grant(connection, "a", 7, NOW, NOW)
        store.remember_nonce(connection, "a/analyst", "n" * 32, NOW, NOW)
    database.migrate()
    with database.reading() as connection:
        assert [one.member_id for one in store.list_members(connection)] == ["a"]
        assert store.list_members(connection)[0].allowed_at == NOW
    database.migrate("base")
    assert set(inspect(database.engine).get_table_names()) <= {"holder_alembic_version"}
    database.migrate()
    with database.reading() as connection:
        assert store.list_members(connection) == []
    database.dispose()


def test_workers_that_start_together_do_not_race(database_url: str) -> None:
    databases = [open_database(database_url) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda database: database.migrate(), databases))
    with databases[0].reading() as connection:
        assert store.latest_position(connection) == 0
    for database in databases:
        database.dispose()
