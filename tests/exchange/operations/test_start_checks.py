"""What stops the start: a database that would lose commits, tables of another version. Against real servers."""

from __future__ import annotations

import json
import os
import subprocess
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
from psycopg import sql
from sqlalchemy import text

from exchange.kernel.fitness import DatabaseUnfitError
from exchange.kernel.session import create_database
from keys.signatures.messages import SigningKey
from migrations.upgrade import check_current, current_revision, downgrade, head_revision, is_current, upgrade
from schemas.values.encoding import to_base64
from tests.postgresql import postgresql_server

PROGRAM = Path(sysconfig.get_path("scripts")) / "exchange"


def name_of(url: str) -> str:
    """The name of the database in a URL."""
    return url.partition("?")[0].rpartition("/")[2]


@pytest.mark.parametrize("setting", ["fsync", "full_page_writes"])
def test_a_server_that_could_lose_its_data_in_a_crash_is_refused_by_name(setting: str) -> None:
    told = rf"{setting}=off: .* set {setting}=on in postgresql\.conf"
    with postgresql_server(f"{setting}=off", in_memory=True) as server, pytest.raises(DatabaseUnfitError, match=told):
        create_database(server.url())


@pytest.mark.parametrize("value", ["off", "on"])
def test_a_database_with_asynchronous_commit_is_refused(postgresql_url: str, value: str) -> None:
    """Also when it is set for this one database, not for the server."""
    name = sql.Identifier(name_of(postgresql_url))
    create_database(postgresql_url).dispose()
    with psycopg.connect(postgresql_url.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute(sql.SQL("ALTER DATABASE {} SET synchronous_commit = {}").format(name, value))
    if value == "on":
        create_database(postgresql_url).dispose()
        return
    with pytest.raises(DatabaseUnfitError, match=r"synchronous_commit=off: .*ALTER DATABASE … RESET"):
        create_database(postgresql_url)


def test_a_read_only_database_or_another_encoding_is_refused(postgresql_url: str) -> None:
    name, latin = name_of(postgresql_url), f"{name_of(postgresql_url)}_latin"
    with psycopg.connect(postgresql_url.replace("+psycopg", ""), autocommit=True) as connection:
        statement = sql.SQL("CREATE DATABASE {} TEMPLATE template0 ENCODING 'LATIN1'")
        connection.execute(statement.format(sql.Identifier(latin)))
        statement = sql.SQL("ALTER DATABASE {} SET default_transaction_read_only = on")
        connection.execute(statement.format(sql.Identifier(name)))
    with pytest.raises(DatabaseUnfitError, match=r"transaction_read_only=on"):
        create_database(postgresql_url)
    with pytest.raises(DatabaseUnfitError, match=r"server_encoding=LATIN1: .*ENCODING 'UTF8'"):
        create_database(postgresql_url.replace(name, latin))


@pytest.mark.parametrize("url", ["sqlite:///:memory:", "sqlite://"])
def test_a_database_in_memory_is_refused(url: str) -> None:
    with pytest.raises(DatabaseUnfitError, match="in memory"):
        create_database(url)


def test_every_connection_to_sqlite_is_durable_and_keeps_parents(tmp_path: Path) -> None:
    database = create_database(f"sqlite:///{tmp_path / 'test.db'}")
    wanted = {"journal_mode": "wal", "synchronous": 2, "foreign_keys": 1}
    with database.engine.connect() as one, database.engine.connect() as other:
        for connection in (one, other):
            assert {name: connection.execute(text(f"PRAGMA {name}")).scalar() for name in wanted} == wanted
            connection.rollback()
    database.dispose()


def test_older_and_newer_tables_and_none_are_told_apart_with_the_cure(database_url: str) -> None:
    database = create_database(database_url)
    try:
        with pytest.raises(DatabaseUnfitError, match="no tables: run `exchange upgrade`"):
            check_current(database)
        upgrade(database, "0001")
        with pytest.raises(DatabaseUnfitError, match=r"at revision 0001, .*then run `exchange upgrade`"):
            check_current(database)
        upgrade(database)
        check_current(database)
        with database.engine.begin() as connection:
            connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
        with pytest.raises(DatabaseUnfitError, match="9999, which this version does not know"):
            check_current(database)
    finally:
        database.dispose()


@pytest.fixture
def home(database_url: str, tmp_path: Path) -> Iterator[Path]:
    """The home of an exchange that `init` set up on each kind of database."""
    registrars = {"registrar_id": "necc", "public_key": to_base64(SigningKey.generate().public_bytes)}
    (tmp_path / "registrars.json").write_text(json.dumps({"quorum": 1, "registrars": [registrars]}))
    (tmp_path / "passphrase").write_text("a passphrase of the tests\n")
    (tmp_path / "passphrase").chmod(0o600)
    code, done = run(
        *(tmp_path / "home", "init", "--registrars", tmp_path / "registrars.json", "--url", "https://exchange.test"),
        *("--exchange-id", "uk", "--database-url", database_url, "--passphrase-file", tmp_path / "passphrase"),
    )
    assert code == 0, done
    yield tmp_path / "home"


def run(home: Path, *arguments: str | Path) -> tuple[int, Any]:
    """The program as a process, with --json: its exit code and document."""
    command = [str(PROGRAM), "--home", str(home), *map(str, arguments), "--json"]
    done = subprocess.run(command, check=False, capture_output=True, stdin=subprocess.DEVNULL, env={**os.environ})
    assert b"Traceback" not in done.stderr
    return done.returncode, json.loads(done.stdout)


def test_the_program_refuses_unknown_tables_and_upgrades_old_ones(home: Path, database_url: str) -> None:
    database = create_database(database_url)
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    for command in ("serve", "upgrade"):
        code, done = run(home, command)
        assert (code, done["error"]["type"]) == (1, "database")
        assert "does not know" in done["error"]["detail"]
    with database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = :head"), {"head": head_revision()})
    downgrade(database, "0001")
    code, done = run(home, "worker")
    assert (code, done["error"]["type"]) == (1, "database")
    assert "exchange upgrade" in done["error"]["detail"]
    assert run(home, "upgrade") == (0, {"before": "0001", "now": head_revision()})
    assert is_current(database)
    with database.engine.connect() as connection:
        assert current_revision(connection) == head_revision()
    database.dispose()


def test_a_log_behind_its_last_signed_head_is_neither_served_nor_signed(home: Path) -> None:
    head = home / "head" / "signed-head"
    head.unlink()
    for command in ("serve", "worker"):
        code, done = run(home, command)
        assert (code, done["error"]["type"]) == (1, "log")
        assert "new-origin" in done["error"]["detail"]
