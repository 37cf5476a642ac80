"""Backup and restore: the same rows on either database, nothing from a bad file, and no signature on an older log."""

from __future__ import annotations

import dataclasses
import gzip
import io
import os
import signal
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import event, inspect, select, text

from exchange.configuration.settings import Settings
from exchange.kernel.leases import acquire_lease
from exchange.kernel.session import Database, create_database
from exchange.log.head_file import HeadFile, LogRestoredError
from exchange.log.sequencer import CARRIED_TICKS, Sequencer
from exchange.membership.roots import read_roots
from exchange.operations.archive import list_tables
from exchange.operations.back_up import BackupError, back_up_database
from exchange.operations.restore import LogState, RestoreResult, restore_database
from exchange.operations.start_checks import check_start
from exchange.registrars.accept import list_statements
from exchange.registrars.take_statements import take_statements
from keys.custody.age_file import AgeReader, AgeWriter
from keys.statements.envelopes import sign_statement
from keys.statements.keyring import MemberState, to_payload
from migrations.upgrade import downgrade, is_current, upgrade
from schemas.values.canonical import canonical_json
from tests.exchange.factories import make_token
from tests.exchange.registrars.test_root_change import REGULATOR, hand_in, suspension
from tests.exchange.registrars.test_root_change import change as change_registrars
from tests.filled_databases import create_postgresql_database, drop_postgresql_database
from tests.taskforce.founding import Taskforce, make_taskforce

PASSPHRASE = b"a passphrase of the backups"
ROOT = Path(__file__).parents[3]


class BackedUp:
    """A taskforce with entries in its log and a head file, and what an operator does about its database."""

    def __init__(self, taskforce: Taskforce, folder: Path) -> None:
        self.taskforce = taskforce
        self.folder = folder
        self.signer = taskforce.log_signer
        self.settings = dataclasses.replace(
            taskforce.settings, home=folder / "home", log_vkey=str(self.signer.verifier_key)
        )
        self.settings.head_file.parent.mkdir(parents=True)
        self.head_file = HeadFile(self.settings.head_file, self.signer)
        self.head_file.create()

    def submit(self) -> None:
        """Something happens, and the log ticks."""
        for member in self.taskforce.members.values():
            assert member.submit([make_token()]).status_code == 201
        self.tick(self.taskforce.database)

    def tick(self, database: Database) -> None:
        now = self.taskforce.clock()
        with database.transaction() as session:
            lease = acquire_lease(session, "sequencer", "test", now, timedelta(0))
        assert lease is not None
        Sequencer(database, self.signer, self.head_file).tick(now, lease)

    def back_up(self, name: str = "backup.age") -> Path:
        file = self.folder / name
        back_up_database(self.taskforce.database, self.settings, file, PASSPHRASE, self.taskforce.clock(), work=10)
        return file

    def restore(self, database: Database, file: Path, passphrase: bytes = PASSPHRASE, **changes: Any) -> RestoreResult:
        return restore_database(database, dataclasses.replace(self.settings, **changes), file, passphrase)


@pytest.fixture
def backed_up(new_taskforce: Callable[..., Taskforce], tmp_path: Path) -> BackedUp:
    """Two banks that have submitted, on each kind of database."""
    made = BackedUp(new_taskforce("a", "b"), tmp_path)
    made.submit()
    return made


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[BackedUp]:
    """The same on SQLite alone, for what the file decides."""
    taskforce = make_taskforce(f"sqlite:///{tmp_path / 'test.db'}", tmp_path, "a", "b")
    made = BackedUp(taskforce, tmp_path)
    made.submit()
    yield made
    taskforce.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """An empty database of each kind to restore into."""
    url = f"sqlite:///{tmp_path / 'restored.db'}"
    if request.param == "postgresql":
        server = request.getfixturevalue("postgresql")
        name = create_postgresql_database(server)
        url = server.url(name)
    database = create_database(url)
    yield database
    database.dispose()
    if request.param == "postgresql":
        drop_postgresql_database(server, name)


@pytest.fixture
def empty_sqlite(tmp_path: Path) -> Iterator[Database]:
    """An empty SQLite database, where the kind makes no difference."""
    database = create_database(f"sqlite:///{tmp_path / 'restored.db'}")
    yield database
    database.dispose()


def contents(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every row of every table, but for leases: a restore frees them."""
    with database.reading() as session:
        return {
            found.name: sorted((tuple(row) for row in session.execute(select(found.clause()))), key=repr)
            for found in list_tables(session.connection())
            if found.name != "leases"
        }


def is_empty(database: Database) -> bool:
    return inspect(database.engine).get_table_names() == []


def rewritten(file: Path, change: Callable[[bytes], bytes]) -> Path:
    """The archive as someone with its passphrase would change it."""
    with file.open("rb") as stream:
        content = gzip.decompress(io.BufferedReader(AgeReader(stream, PASSPHRASE)).read())
    with (changed := file.with_name("changed.age")).open("wb") as stream:
        writer = AgeWriter(stream, PASSPHRASE, work=10)
        writer.write(gzip.compress(change(content)))
        writer.finish()
    return changed


def test_a_backup_is_restored_on_either_database_and_the_log_goes_on(backed_up: BackedUp, empty: Database) -> None:
    before = contents(backed_up.taskforce.database)
    assert sum(map(len, before.values())) > 30
    file = backed_up.back_up()
    done = backed_up.restore(empty, file)
    assert (done.log_state, done.rows) == (LogState.CONTINUES, sum(map(len, before.values())) + 1)  # and a lease
    assert contents(empty) == before
    assert is_current(empty)
    check_start(backed_up.settings, empty)
    restored = backed_up.taskforce.make_app(empty)
    member = backed_up.taskforce.members["a"]
    answer = member.send("POST", "/v1/submissions", member.submission([make_token()]), app=restored)
    assert answer.status_code == 201
    backed_up.tick(empty)


def test_a_backup_is_encrypted_and_the_operators_alone(on_sqlite: BackedUp) -> None:
    file = on_sqlite.back_up()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert on_sqlite.settings.exchange_id.encode() not in file.read_bytes().split(b"\n", 4)[4]
    with pytest.raises(BackupError, match="exists already"):
        on_sqlite.back_up()
    assert [path.name for path in on_sqlite.folder.glob(".backup*")] == []


def test_a_backup_sees_one_state_while_members_submit(backed_up: BackedUp, empty_sqlite: Database) -> None:
    before = contents(backed_up.taskforce.database)
    submitted: list[int] = []

    def submit_meanwhile(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        if "FROM log_entries" in statement and not submitted:
            submitted.append(1)
            backed_up.submit()

    engine = backed_up.taskforce.database.engine
    event.listen(engine, "before_cursor_execute", submit_meanwhile)
    try:
        file = backed_up.back_up()
    finally:
        event.remove(engine, "before_cursor_execute", submit_meanwhile)
    assert submitted
    done = backed_up.restore(empty_sqlite, file)
    restored = contents(empty_sqlite)
    # The statement that was about to read came first in its transaction or not; either way all tables agree.
    assert restored == before
    assert done.log_state is LogState.BEHIND


def test_an_older_backup_is_restored_but_its_log_is_not_signed(backed_up: BackedUp, empty: Database) -> None:
    file = backed_up.back_up()
    backed_up.submit()
    head = backed_up.settings.head_file.read_bytes()
    done = backed_up.restore(empty, file)
    assert done.log_state is LogState.BEHIND
    assert done.head_size is not None
    assert done.log_size < done.head_size
    with pytest.raises(LogRestoredError, match="restored from an older copy"):
        backed_up.tick(empty)
    with pytest.raises(LogRestoredError, match="new-origin"):
        check_start(backed_up.settings, empty)
    assert backed_up.settings.head_file.read_bytes() == head


def test_what_registrars_signed_since_the_backup_is_restored(backed_up: BackedUp, empty: Database) -> None:
    """Also that others are registrars now, whom the restored exchange does not know."""
    taskforce, file = backed_up.taskforce, backed_up.back_up()
    hand_in(taskforce, suspension(taskforce), "necc", "reviewer")
    change_registrars(taskforce)
    active = to_payload(taskforce.member_statement(taskforce.members["a"], 3))
    assert hand_in(taskforce, active, "regulator", "reviewer").state == "effective"
    assert hand_in(taskforce, member_b_suspended(taskforce), "regulator", "reviewer").state == "effective"
    envelopes = list_statements(taskforce.database, 0, 100).statements

    backed_up.restore(empty, file)
    assert read_roots(empty, taskforce.root).version == 1
    app = taskforce.make_app(empty)
    assert as_regulator(taskforce, app) == 401
    taken = take_statements(empty, taskforce.root, envelopes[::-1], taskforce.clock())
    assert sorted((one.type, one.subject, one.sequence, one.problem) for one in taken) == [
        ("member", "a", 2, None),
        ("member", "a", 3, None),
        ("member", "b", 2, None),
        ("root", "registrars", 2, None),
    ]
    assert as_regulator(taskforce, app) == 200
    members = [taskforce.members[name].send("GET", "/v1/status", app=app).status_code for name in "ab"]
    assert members == [200, 403]
    assert take_statements(empty, taskforce.root, envelopes, taskforce.clock()) == []
    forged = sign_statement(
        to_payload(taskforce.member_statement(taskforce.members["b"], 3)), "necc", taskforce.registrars["necc"]
    )
    (refused,) = take_statements(empty, taskforce.root, [forged], taskforce.clock())
    assert refused.problem is not None


def member_b_suspended(taskforce: Taskforce) -> bytes:
    return to_payload(taskforce.member_statement(taskforce.members["b"], 2, MemberState.SUSPENDED))


def as_regulator(taskforce: Taskforce, app: Any) -> int:
    """How the exchange answers the registrar who came with the second root."""
    answer = taskforce.send("GET", "/v1/proposals", b"", key_id="registrar/regulator", key=REGULATOR, app=app)
    return answer.status_code


def test_without_the_last_signed_head_nothing_is_signed(on_sqlite: BackedUp, empty_sqlite: Database) -> None:
    file = on_sqlite.back_up()
    on_sqlite.settings.head_file.unlink()
    assert on_sqlite.restore(empty_sqlite, file).log_state is LogState.NO_HEAD
    with pytest.raises(LogRestoredError, match="missing"):
        check_start(on_sqlite.settings, empty_sqlite)


def test_a_log_that_went_another_way_after_the_backup_is_not_signed(
    on_sqlite: BackedUp, empty_sqlite: Database
) -> None:
    for _ in range(CARRIED_TICKS + 1):  # nothing waits at the backup that both histories would place alike
        on_sqlite.tick(on_sqlite.taskforce.database)
    file = on_sqlite.back_up()
    saved = on_sqlite.settings.head_file.read_bytes()
    on_sqlite.submit()
    theirs = on_sqlite.settings.head_file.read_bytes()
    on_sqlite.settings.head_file.write_bytes(saved)  # the attacker puts an older head back and signs on
    on_sqlite.restore(empty_sqlite, file)
    on_sqlite.tick(empty_sqlite)
    on_sqlite.settings.head_file.write_bytes(theirs)
    with pytest.raises(LogRestoredError, match="another history"):
        check_start(on_sqlite.settings, empty_sqlite)


def _damaged(content: bytes) -> dict[str, bytes]:
    middle = len(content) // 2
    return {
        "cut in half": content[:middle],
        "without its last byte": content[:-1],
        "longer": content + b"\0",
        "one byte of its middle changed": content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :],
        "one byte of its header changed": content[:60] + bytes([content[60] ^ 1]) + content[61:],
        "another file": b"-- PostgreSQL database dump\n" * 50,
        "empty": b"",
    }


def test_a_damaged_file_or_a_wrong_passphrase_restores_nothing(on_sqlite: BackedUp, empty_sqlite: Database) -> None:
    file = on_sqlite.back_up()
    with pytest.raises(BackupError, match="wrong passphrase"):
        on_sqlite.restore(empty_sqlite, file, b"another")
    for damage, content in _damaged(file.read_bytes()).items():
        file.write_bytes(content)
        with pytest.raises(BackupError, match="Nothing was restored"):
            on_sqlite.restore(empty_sqlite, file)
        assert is_empty(empty_sqlite), damage


def test_an_archive_that_does_not_add_up_restores_nothing(on_sqlite: BackedUp, empty_sqlite: Database) -> None:
    file = on_sqlite.back_up()
    changes: list[tuple[Callable[[bytes], bytes], str]] = [
        (lambda content: content.replace(b'"rows":2', b'"rows":3', 1), "not those that were archived"),
        (lambda content: content.replace(b'"public_key","bytes"', b'"public_key","date"'), "does not have the format"),
        (lambda content: content.replace(b'"public_key","bytes"', b'"public_key","float"'), "an unknown kind"),
        (lambda content: content.replace(b'{"end":true', b'{"end":false'), "does not end"),
        (lambda content: content.rsplit(b"\n", 2)[0] + b"\n", "cut short"),
        (lambda content: content + b"[]\n", "does not end"),
        (lambda content: content.replace(b'"revision":"', b'"revision":"9'), "does not know"),
        (lambda content: content.replace(b"exchange-backup-v1", b"exchange-backup-v9"), "not an archive of the format"),
        (lambda content: content.replace(b'{"table":"members"', b'{"table":"sirens"'), "no table sirens"),
        (lambda content: content.replace(b'{"table":"hits"', b'{"table":"sirens"'), "hits is missing"),
        (lambda content: content.replace(b'{"table":"hits"', b'{"table":"members"'), "comes twice"),
    ]
    for change, told in changes:
        with pytest.raises(BackupError, match=told):
            on_sqlite.restore(empty_sqlite, rewritten(file, change))
        assert is_empty(empty_sqlite), told


def test_another_exchanges_backup_is_refused_by_name(on_sqlite: BackedUp, empty_sqlite: Database) -> None:
    file = on_sqlite.back_up()
    with pytest.raises(BackupError, match=r"backup of the exchange test .* and this is other"):
        on_sqlite.restore(empty_sqlite, file, exchange_id="other")
    with pytest.raises(BackupError, match=r"with exchange\.test/other"):
        on_sqlite.restore(empty_sqlite, file, log_origin="exchange.test/other")
    assert is_empty(empty_sqlite)


def test_a_database_that_holds_anything_is_not_restored_into(backed_up: BackedUp, empty: Database) -> None:
    file = backed_up.back_up()
    with empty.engine.begin() as connection:
        connection.execute(text("CREATE TABLE mine (number INTEGER)"))
        connection.execute(text("INSERT INTO mine VALUES (7)"))
    with pytest.raises(BackupError, match="not empty"):
        backed_up.restore(empty, file)
    assert contents(empty) == {"mine": [(7,)]}
    before = contents(backed_up.taskforce.database)
    with pytest.raises(BackupError, match="not empty"):
        backed_up.restore(backed_up.taskforce.database, file)
    assert contents(backed_up.taskforce.database) == before


_KILLED = """
import os, signal, sys
from pathlib import Path
from exchange.operations import restore as module
from exchange.configuration.settings import load_settings
from exchange.kernel.session import create_database

load = module.load_archive

def load_and_die(connection, content):
    load(connection, content)  # every row is in, nothing is committed
    os.kill(os.getpid(), signal.SIGKILL)

module.load_archive = load_and_die
settings = load_settings(Path(sys.argv[1]))
module.restore_database(create_database(sys.argv[2]), settings, Path(sys.argv[3]), sys.argv[4].encode())
"""


def write_home(settings: Settings) -> None:
    """The home of an exchange as far as a restore reads it."""
    lines = [f'{name} = "{getattr(settings, name)}"' for name in ("exchange_id", "url", "log_origin", "log_vkey")]
    (settings.home / "config.toml").write_text("\n".join([*lines, f'database_url = "{settings.database_url}"']))
    (settings.home / "registrars.json").write_bytes(canonical_json(settings.root.to_wire()))


def test_a_restore_that_is_killed_leaves_the_database_empty(backed_up: BackedUp, empty: Database) -> None:
    file = backed_up.back_up()
    write_home(backed_up.settings)
    arguments = [str(backed_up.settings.home), empty.url, str(file), PASSPHRASE.decode()]
    command = [sys.executable, "-c", _KILLED, *arguments]
    done = subprocess.run(command, check=False, cwd=ROOT, capture_output=True, env={**os.environ, "EXCHANGE_HOME": ""})
    assert done.returncode == -signal.SIGKILL, done.stderr
    assert is_empty(empty)
    assert backed_up.restore(empty, file).log_state is LogState.CONTINUES


def test_a_backup_made_before_an_upgrade_is_upgraded_when_restored(backed_up: BackedUp, empty: Database) -> None:
    downgrade(backed_up.taskforce.database, "0001")
    file = backed_up.back_up()
    upgrade(backed_up.taskforce.database)
    assert backed_up.restore(empty, file).log_state is LogState.CONTINUES
    assert is_current(empty)
    assert contents(empty) == contents(backed_up.taskforce.database)
