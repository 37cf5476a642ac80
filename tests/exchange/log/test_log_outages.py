"""The log's store is locked, read-only, full or down: nothing is told, nothing half stored, and it recovers by itself.

The troubles are real ones of the database in use. What is answered meanwhile is a 503, within bounded time (a test that
waited for ever would be ended), and afterwards the same application goes on, with no restart.
"""

from __future__ import annotations

import resource
import shutil
import sqlite3
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, closing, contextmanager
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

import exchange.kernel.session
from exchange.kernel.session import create_database
from exchange.log.reading import stands_still, unpublished_since
from schemas.values.encoding import to_base64
from tests.exchange.factories import make_token
from tests.exchange.operations.test_worker import make_worker, settle
from tests.postgresql import PostgresqlCluster, stop_at_once
from tests.taskforce.founding import Taskforce, make_taskforce

NewTaskforce = Callable[..., Taskforce]
REFUSALS = {"urn:exchange:problem:log-unavailable", "urn:exchange:problem:unavailable"}
TABLES = ("recent_indicators", "submissions", "submission_parts", "hits", "log_entries")


@pytest.fixture(autouse=True)
def short_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every wait has its end after a second, so that the tests need not wait longer."""
    for name in ("BUSY_SECONDS", "PATIENCE_SECONDS"):
        monkeypatch.setattr(exchange.kernel.session, name, 1)


def file_of(taskforce: Taskforce) -> str:
    """The path of its SQLite database."""
    return str(taskforce.database.engine.url.database)


def administrator(taskforce: Taskforce) -> psycopg.Connection:
    """A session of its own on the taskforce's PostgreSQL database, without transactions."""
    url = taskforce.database.engine.url
    return psycopg.connect(host=url.query["host"], user="postgres", dbname=url.database, autocommit=True)  # type: ignore[arg-type]


def reconnect_all(session: psycopg.Connection) -> None:
    """End every other session of the database: settings of a database count for new ones."""
    session.execute(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
        "WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )


# The troubles


@contextmanager
def sqlite_locked(taskforce: Taskforce) -> Iterator[None]:
    """Another connection holds the write lock, longer than anyone waits for it."""
    with closing(sqlite3.connect(file_of(taskforce), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


@contextmanager
def sqlite_full(taskforce: Taskforce) -> Iterator[None]:
    """The operating system refuses every write behind the end of the database's journal."""
    journal = Path(f"{file_of(taskforce)}-wal")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (journal.stat().st_size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@contextmanager
def postgresql_locked(taskforce: Taskforce) -> Iterator[None]:
    """Another session holds the log's queue."""
    with administrator(taskforce) as session, session.transaction():
        session.execute("LOCK TABLE log_pending IN ACCESS EXCLUSIVE MODE")
        yield


@contextmanager
def postgresql_read_only(taskforce: Taskforce) -> Iterator[None]:
    """The database takes no writes, as a standby does."""
    with administrator(taskforce) as session:
        name = taskforce.database.engine.url.database
        session.execute(f'ALTER DATABASE "{name}" SET default_transaction_read_only = on'.encode())
        reconnect_all(session)
        yield
        session.execute("SET default_transaction_read_only = off")
        session.execute(f'ALTER DATABASE "{name}" RESET default_transaction_read_only'.encode())
        reconnect_all(session)


@contextmanager
def postgresql_full(taskforce: Taskforce) -> Iterator[None]:
    """No room for the log alone: its queue fails with SQLSTATE 53100 (disk_full)."""
    with administrator(taskforce) as session:
        session.execute(
            "CREATE FUNCTION fill() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION 'no space left on device' USING ERRCODE = '53100'; END $$"
        )
        session.execute("CREATE TRIGGER fill BEFORE INSERT ON log_pending EXECUTE FUNCTION fill()")
        yield
        session.execute("DROP TRIGGER fill ON log_pending")


TROUBLES: dict[str, list[Callable[[Taskforce], AbstractContextManager[None]]]] = {
    "sqlite": [sqlite_locked, sqlite_full],
    "postgresql": [postgresql_locked, postgresql_read_only, postgresql_full],
}


def stored(taskforce: Taskforce) -> dict[str, int]:
    """How many rows each table has."""
    with taskforce.database.reading() as session:
        return {table: session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one() for table in TABLES}


def assert_refused(answer: TestResponse, secrets: list[str]) -> None:
    """A 503 problem without a byte of what would have been disclosed."""
    assert answer.status_code == 503, answer.text
    assert answer.content_type == "application/problem+json"
    assert answer.get_json()["type"] in REFUSALS
    assert not answer.get_json().keys() & {"hits", "receipt", "accepted", "event_id"}
    assert not [secret for secret in secrets if secret in answer.text]


def assert_outage_is_survived(taskforce: Taskforce, trouble: AbstractContextManager[None], folder: Path) -> None:
    """Refusals while it lasts, as if nothing had been asked; the same requests succeed afterwards."""
    a, b = taskforce.members.values()
    token, other = make_token(), make_token()
    assert a.submit([token, other]).status_code == 201
    assert len(b.submit([other]).get_json()["hits"]) == 1
    worker = make_worker(taskforce, [])
    assert worker.tick()
    asked = b.submission([token])
    secrets = [to_base64(token), to_base64(other), "money_mules", a.hits()[0]["hit_id"]]
    before = stored(taskforce)
    with trouble:
        assert_refused(b.send("POST", "/v1/submissions", asked, idempotency_key="an-upload-of-b"), secrets)
        assert_refused(b.send("GET", "/v1/hits"), secrets)
        assert_refused(b.submit([token], envelope={"purpose": ""}), secrets)
        worker.tick()  # whatever it can do meanwhile, it goes on
    assert stored(taskforce) == before
    answer = b.send("POST", "/v1/submissions", asked, idempotency_key="an-upload-of-b")
    assert answer.status_code == 201, answer.text
    assert len(answer.get_json()["hits"]) == 1
    assert len(b.hits()) == 2
    settle(worker)
    assert a.send("GET", "/log/entries").get_json()["pending"] == []


@pytest.mark.parametrize(
    ("database_kind", "trouble"),
    [(kind, trouble) for kind, troubles in TROUBLES.items() for trouble in troubles],
)
def test_nothing_is_disclosed_or_half_stored_while_the_log_fails(
    new_taskforce: NewTaskforce,
    tmp_path: Path,
    trouble: Callable[[Taskforce], AbstractContextManager[None]],
) -> None:
    taskforce = new_taskforce("a", "b")
    assert_outage_is_survived(taskforce, trouble(taskforce), tmp_path)


def test_a_database_server_restart_needs_no_restart_of_the_exchange(tmp_path: Path) -> None:
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    cluster = PostgresqlCluster(folder)
    cluster.create()
    servers = [cluster.start()]

    @contextmanager
    def down() -> Iterator[None]:
        stop_at_once(servers[0])
        try:
            yield
        finally:
            servers[0] = cluster.start()

    try:
        taskforce = make_taskforce(servers[0].url(), tmp_path, "a", "b")
        assert_outage_is_survived(taskforce, down(), tmp_path)
        taskforce.close()
    finally:
        stop_at_once(servers[0])
        shutil.rmtree(folder)


@pytest.mark.parametrize("database_kind", ["sqlite"])
def test_an_exchange_on_a_read_only_file_refuses_and_stores_nothing(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    token = make_token()
    assert a.submit([token]).status_code == 201
    before = stored(taskforce)
    read_only = create_database(f"sqlite:///file:{file_of(taskforce)}?mode=ro&uri=true")
    app = taskforce.make_app(read_only)
    assert_refused(b.submit([token], app=app), [to_base64(token)])
    assert_refused(a.send("GET", "/v1/hits", app=app), [to_base64(token)])
    read_only.dispose()
    assert stored(taskforce) == before
    assert len(b.submit([token]).get_json()["hits"]) == 1


# A commit whose outcome is unknown


def reload_standbys(taskforce: Taskforce, session: psycopg.Connection, wanted: str) -> None:
    """Wait until commits wait for the standbys that are set: the server has read its configuration, and so has its
    checkpointer, which tells the others and does so before the checkpoint that it is asked for then.
    """
    session.execute("SELECT pg_reload_conf()")
    while True:
        with administrator(taskforce) as fresh:
            if fresh.execute("SHOW synchronous_standby_names").fetchone() == (wanted,):
                break
    session.execute("CHECKPOINT")


def end_the_commit(session: psycopg.Connection, waiting: str, ended: threading.Event) -> None:
    """Cut the connection of the transaction that waits as told, in the middle of its COMMIT."""
    query = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND {waiting}"
    while not session.execute(query.encode()).fetchall():
        if ended.wait(0.02):
            return


def submit_into_a_cut_commit(taskforce: Taskforce, asked: dict[str, Any], waiting: str) -> TestResponse:
    """The answer to a submission whose connection to the database is cut while it commits."""
    ended = threading.Event()
    with administrator(taskforce) as session:
        cutting = threading.Thread(target=end_the_commit, args=(session, waiting, ended))
        cutting.start()
        try:
            return taskforce.members["b"].send("POST", "/v1/submissions", asked, idempotency_key="an-upload-of-b")
        finally:
            ended.set()
            cutting.join()


@pytest.mark.parametrize("database_kind", ["postgresql"])
@pytest.mark.parametrize("committed", [True, False])
def test_an_interrupted_commit_discloses_nothing_and_is_done_once(new_taskforce: NewTaskforce, committed: bool) -> None:
    """Committed: the server waits for a standby that never answers, with the commit on its own disk. Not committed:
    it is still at what it does before.
    """
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    token = make_token()
    a.submit([token])
    asked = b.submission([token])
    with administrator(taskforce) as session:
        slow = "PERFORM set_config('synchronous_commit', 'on', true)" if committed else "PERFORM pg_sleep(600)"
        when = "BEFORE INSERT" if committed else "AFTER INSERT"
        deferred = "" if committed else "DEFERRABLE INITIALLY DEFERRED"
        kind = "TRIGGER" if committed else "CONSTRAINT TRIGGER"
        statements = [
            f"CREATE FUNCTION slow() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN {slow}; RETURN NEW; END $$",
            f"CREATE {kind} slow {when} ON log_pending {deferred} FOR EACH ROW EXECUTE FUNCTION slow()",
            f'ALTER DATABASE "{taskforce.database.engine.url.database}" SET synchronous_commit = local',
        ]
        for statement in statements:
            session.execute(statement.encode())
        reconnect_all(session)
        session.execute("SET synchronous_commit = local")
        if committed:
            session.execute("ALTER SYSTEM SET synchronous_standby_names = 'nobody'")
            reload_standbys(taskforce, session, "nobody")
        waiting = "wait_event = 'SyncRep'" if committed else "wait_event = 'PgSleep' AND query = 'COMMIT'"
        try:
            answer = submit_into_a_cut_commit(taskforce, asked, waiting)
        finally:
            session.execute("ALTER SYSTEM RESET synchronous_standby_names")
            session.execute("SELECT pg_reload_conf()")
            session.execute("DROP TRIGGER slow ON log_pending")
    assert_refused(answer, [to_base64(token)])
    again = [b.send("POST", "/v1/submissions", asked, idempotency_key="an-upload-of-b") for _ in range(2)]
    assert [answer.status_code for answer in again] == [200 if committed else 201, 200]
    assert again[0].get_json()["receipt"] == again[1].get_json()["receipt"]
    assert [len(answer.get_json()["hits"]) for answer in again] == [1, 1]
    with taskforce.database.reading() as session:
        query = text("SELECT count(*) FROM log_entries WHERE kind = 'match' AND member_id = 'b'")
        assert session.execute(query).scalar_one() == 1


# A log that stands still


def test_nothing_is_disclosed_while_the_log_is_stale(database_url: str, tmp_path: Path) -> None:
    taskforce = Taskforce(database_url, tmp_path, log_stale_seconds=600)
    for member_id in ("a", "b"):
        taskforce.add_member(member_id)
    taskforce.state_epoch()
    taskforce.state_group(["a", "b"])
    a, b = taskforce.members.values()
    worker = make_worker(taskforce, [])
    token = make_token()
    a.submit([token])
    taskforce.clock.advance(seconds=600)  # type: ignore[attr-defined]
    assert len(b.submit([token]).get_json()["hits"]) == 1
    taskforce.clock.advance(seconds=1)  # type: ignore[attr-defined]
    before = stored(taskforce)
    for answer in (b.submit([make_token()]), b.submit([token]), b.send("GET", "/v1/hits")):
        assert_refused(answer, [to_base64(token)])
        assert answer.get_json()["type"].endswith("log-unavailable")
        assert "worker stands still" in answer.get_json()["detail"]
    assert stored(taskforce) == before
    assert b.submit([token], envelope={"purpose": ""}).status_code == 403
    taskforce.state_group(["a"])
    taskforce.state_group(["a", "b"])
    assert worker.tick()
    assert len(b.hits()) == 1
    taskforce.close()


def test_a_log_that_is_signed_but_never_published_stands_still_too(new_taskforce: NewTaskforce, tmp_path: Path) -> None:
    taskforce = new_taskforce("a")
    taskforce.members["a"].submit([make_token()])
    worker = make_worker(taskforce, [])
    settle(worker)
    with taskforce.database.reading() as session:
        assert unpublished_since(session) is None
    with taskforce.database.transaction() as session:
        session.execute(text("DELETE FROM log_publications"))
    with taskforce.database.reading() as session:
        since = unpublished_since(session)
        assert since == taskforce.clock()
        assert not stands_still(session, since + timedelta(seconds=60), 60)
        assert stands_still(session, since + timedelta(seconds=61), 60)
    settle(worker)
    with taskforce.database.reading() as session:
        assert unpublished_since(session) is None
