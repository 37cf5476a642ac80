"""The PostgreSQL that the tests bring along really is one, and needs nothing from the system."""

from __future__ import annotations

import shutil

import psycopg
import pytest
import sqlalchemy

from tests.postgresql import PostgresqlServer, postgresql_server


@pytest.mark.parametrize("turn", ["first", "next"])
def test_each_test_gets_an_empty_database_that_it_can_write(
    postgresql_url: str, emptied_databases: list[str], turn: str
) -> None:
    name = postgresql_url.rsplit("/", 1)[1].split("?", maxsplit=1)[0]
    assert name not in emptied_databases
    engine = sqlalchemy.create_engine(postgresql_url)
    with engine.begin() as connection:
        connection.execute(sqlalchemy.text("CREATE TABLE note (body text)"))
        count = connection.execute(sqlalchemy.text("SELECT count(*) FROM note")).scalar_one()
        durable = [
            connection.execute(sqlalchemy.text(f"SHOW {name}")).scalar_one()
            for name in ("fsync", "full_page_writes", "synchronous_commit")
        ]
    engine.dispose()
    assert count == 0
    assert durable == ["on", "on", "on"]


def test_the_server_needs_no_system_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert shutil.which("postgres") is None
    with (
        postgresql_server() as server,
        psycopg.connect(host=str(server.socket_folder), user="postgres", dbname="postgres") as connection,
    ):
        row = connection.execute("SHOW server_version_num").fetchone()
    assert row is not None
    assert int(row[0]) >= 150000


@pytest.mark.parametrize("in_memory", [True, False])
def test_the_server_is_gone_after_its_block(in_memory: bool) -> None:
    with postgresql_server(in_memory=in_memory) as server:
        process = server.process
        folder = server.socket_folder
    assert process.poll() is not None
    assert not folder.exists()


def test_one_server_serves_all_tests_of_a_process(postgresql: PostgresqlServer) -> None:
    assert postgresql.process.poll() is None
