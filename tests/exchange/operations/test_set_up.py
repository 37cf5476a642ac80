"""`init` makes a home whole or not at all, says what is wrong with a database, and `doctor` finds what is not right."""

from __future__ import annotations

import json
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID
from sqlalchemy import create_engine, text

from edge.database_faults import explain_database_error
from exchange.configuration.settings import load_settings
from exchange.kernel.leases import acquire_lease
from exchange.kernel.session import create_database
from exchange.operations.doctor import examine
from exchange.programs.worker import SEQUENCER
from keys.signatures.messages import SigningKey
from schemas.values.encoding import to_base64
from tests.postgresql import PostgresqlServer, postgresql_server

Run = Callable[..., tuple[int, Any]]
SECRET = "correct-horse-77"


@pytest.fixture(scope="module")
def guarded() -> Iterator[PostgresqlServer]:
    """A server that lets its superuser in, and asks everybody else for a password."""
    folder = Path(tempfile.mkdtemp(prefix="hba-", dir="/tmp"))
    folder.chmod(0o755)
    (folder / "hba").write_text("local all postgres trust\nlocal all all scram-sha-256\n")
    (folder / "hba").chmod(0o644)
    try:
        with postgresql_server(f"hba_file={folder / 'hba'}", in_memory=True) as server:
            engine = create_engine(server.url(), isolation_level="AUTOCOMMIT")
            with engine.connect() as connection:
                connection.execute(text(f"CREATE ROLE exchange LOGIN PASSWORD '{SECRET}'"))
                connection.execute(text("CREATE DATABASE exchange OWNER exchange"))
                connection.execute(text("CREATE DATABASE shared OWNER exchange"))
                connection.execute(text("CREATE DATABASE others"))
                connection.execute(text("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 OWNER exchange"))
                connection.execute(text("CREATE DATABASE readonly OWNER exchange"))
                connection.execute(text("ALTER DATABASE readonly SET default_transaction_read_only = on"))
            engine.dispose()
            yield server
    finally:
        shutil.rmtree(folder)


@pytest.fixture
def options(tmp_path: Path) -> tuple[str, ...]:
    """What `init` wants, but for the database."""
    registrar = {"registrar_id": "necc", "public_key": to_base64(SigningKey.generate().public_bytes)}
    (tmp_path / "registrars.json").write_text(json.dumps({"quorum": 1, "registrars": [registrar]}))
    (tmp_path / "passphrase").write_text("a passphrase of the tests\n")
    (tmp_path / "passphrase").chmod(0o600)
    named = ("--registrars", str(tmp_path / "registrars.json"), "--passphrase-file", str(tmp_path / "passphrase"))
    return (*named, "--url", "http://127.0.0.1:8443", "--exchange-id", "uk")


def _url(server: PostgresqlServer, database: str = "exchange", user: str = "exchange", password: str = SECRET) -> str:
    return f"postgresql+psycopg://{user}:{password}@/{database}?host={server.socket_folder}"


WRONG = {
    "password": ("the password for exchange is wrong or missing", {"password": "wrong-battery-staple"}),
    "role": ("the password for nobody-here is wrong or missing", {"user": "nobody-here"}),
    "database": ("there is no database absent at the server: CREATE DATABASE absent", {"database": "absent"}),
    "rights": ("ALTER DATABASE others OWNER TO exchange", {"database": "others"}),
    "encoding": ("make the database anew: CREATE DATABASE … ENCODING 'UTF8'", {"database": "latin"}),
    "read-only": ("nothing can be written", {"database": "readonly"}),
}


@pytest.mark.parametrize(("told", "change"), WRONG.values(), ids=list(WRONG))
def test_a_database_that_refuses_is_named_and_leaves_nothing_behind(  # noqa: PLR0917 - fixtures
    guarded: PostgresqlServer, run: Run, options: tuple[str, ...], tmp_path: Path, told: str, change: dict[str, str]
) -> None:
    home = tmp_path / "home"
    code, done = run("--home", home, "init", *options, "--database-url", _url(guarded, **change))
    assert (code, done["error"]["type"]) == (1, "database")
    assert told in done["error"]["detail"]
    assert SECRET not in done["error"]["detail"]
    assert "battery" not in done["error"]["detail"]
    assert not home.exists()


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("postgresql+psycopg://exchange@127.0.0.1:1/exchange", "no server answers at 127.0.0.1:1"),
        ("postgresql+psycopg://exchange@/exchange?host=/nowhere/at/all", "no server answers at /nowhere/at/all"),
        ("postgresql+psycopg://exchange@no-such-host.invalid/exchange", "the host no-such-host.invalid is not known"),
        ("sqlite:////nowhere/at/all/exchange.db", "the file cannot be opened"),
    ],
)
def test_an_address_without_a_database_is_named(
    run: Run, options: tuple[str, ...], tmp_path: Path, url: str, told: str
) -> None:
    code, done = run("--home", tmp_path / "home", "init", *options, "--database-url", url)
    assert (code, done["error"]["type"]) == (1, "database")
    assert told in done["error"]["detail"]
    assert not (tmp_path / "home").exists()


def test_a_full_disk_and_a_damaged_file_are_named(tmp_path: Path) -> None:
    (tmp_path / "damaged.db").write_bytes(b"not a database, but long enough to be looked at" * 100)
    engine = create_engine(f"sqlite:///{tmp_path / 'damaged.db'}")
    with pytest.raises(Exception, match=r"not a database") as caught, engine.connect() as connection:
        connection.execute(text("SELECT * FROM sqlite_master"))
    assert "restore a backup" in explain_database_error(caught.value)
    small = create_engine(f"sqlite:///{tmp_path / 'small.db'}")
    with pytest.raises(Exception, match=r"full") as full, small.connect() as connection:
        connection.execute(text("PRAGMA max_page_count = 2"))
        connection.execute(text("CREATE TABLE t AS SELECT zeroblob(100000) AS b"))
    assert "make room" in explain_database_error(full.value)


def test_after_the_cure_the_same_command_sets_up(
    guarded: PostgresqlServer, run: Run, options: tuple[str, ...], tmp_path: Path
) -> None:
    home = tmp_path / "home"
    home.mkdir(mode=0o700)
    (home / ".pgpass").write_text("kept")
    assert run("--home", home, "init", *options, "--database-url", _url(guarded, password="wrong"))[0] == 1
    assert sorted(path.name for path in home.iterdir()) == [".pgpass"]
    code, done = run("--home", home, "init", *options, "--database-url", _url(guarded))
    assert (code, done["exchange_id"]) == (0, "uk")
    assert len(run("--home", home, "proposal", "list")[1]["proposals"]) == 1
    assert run("--home", home, "init", *options)[1]["error"]["detail"].endswith("holds an exchange already")


def test_what_was_killed_is_neither_opened_nor_in_the_way(run: Run, options: tuple[str, ...], tmp_path: Path) -> None:
    home = tmp_path / "home"
    script = (
        "import os, signal, sys, exchange.operations.set_up as made\n"
        "made.propose_statement = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "from exchange.programs.commands import run_program\nfrom exchange.programs.cli import ERRORS, program\n"
        "run_program(program, sys.argv[1:], ERRORS)\n"
    )
    command = [sys.executable, "-c", script, "--home", str(home), "init", *options]
    assert subprocess.run(command, check=False, capture_output=True).returncode == -signal.SIGKILL
    assert (home / "config.toml").exists()
    code, done = run("--home", home, "log", "status")
    assert (code, "was left half made" in done["error"]["detail"]) == (1, True)
    (home / "my-notes.txt").write_text("kept")
    assert run("--home", home, "init", *options)[0] == 0
    assert (home / "my-notes.txt").exists()
    assert not list(home.rglob(".*"))
    assert len(run("--home", home, "proposal", "list")[1]["proposals"]) == 1
    assert run("--home", home, "log", "status")[0] == 0


def test_a_database_is_that_of_one_exchange(
    guarded: PostgresqlServer, run: Run, options: tuple[str, ...], tmp_path: Path
) -> None:
    database = ("--database-url", _url(guarded, database="shared"))
    assert run("--home", tmp_path / "first", "init", *options, *database)[0] == 0
    code, done = run("--home", tmp_path / "other", "init", *options[:-1], "uk2", *database)
    assert (code, done["error"]["type"]) == (1, "settings")
    assert "the database is that of exchange uk already" in done["error"]["detail"]
    assert not (tmp_path / "other").exists()
    config = tmp_path / "first" / "config.toml"
    config.write_text(config.read_text().replace('exchange_id = "uk"', 'exchange_id = "uk3"'))
    assert "name the database of uk3" in _wrong(tmp_path / "first")["database"]


@pytest.fixture
def home(run: Run, options: tuple[str, ...], tmp_path: Path) -> Path:
    """An exchange on SQLite with a worker's lease and a first head."""
    assert run("--home", tmp_path / "home", "init", *options)[0] == 0
    return tmp_path / "home"


def _work(home: Path) -> None:
    database = create_database(load_settings(home, {}).database_url)
    try:
        with database.transaction() as session:
            acquire_lease(session, SEQUENCER, "a worker", datetime.now(UTC), timedelta(minutes=5))
    finally:
        database.dispose()


def _wrong(home: Path) -> dict[str, str]:
    """The cures of what `doctor` finds wrong, by check."""
    return {one.check: one.cure for one in examine(home, lambda: datetime.now(UTC)) if not one.is_well}


def test_doctor_finds_nothing_where_all_is_well(home: Path, run: Run) -> None:
    _work(home)
    code, done = run("--home", home, "doctor")
    assert (code, done["ok"], [one for one in done["checks"] if one["cure"]]) == (0, True, [])
    names = ["owner", "modes", "home", "settings", "keys", "database", "clock", "head", "worker", "certificate"]
    assert [one["check"] for one in done["checks"]] == names


def test_doctor_says_the_cure_of_each_fault(home: Path, run: Run, tmp_path: Path) -> None:
    assert "systemctl restart exchange-worker" in _wrong(home)["worker"]
    _work(home)
    home.chmod(0o755)
    assert _wrong(home) == {"modes": f"chmod 700 {home}"}
    home.chmod(0o700)
    (home / "keys" / "log.key").chmod(0o640)
    assert _wrong(home) == {"modes": f"chmod 600 {home / 'keys' / 'log.key'}"}
    (home / "keys" / "log.key").chmod(0o600)
    for name in ("log.key", "webhook.key"):
        (home / "keys" / name).rename(tmp_path / name)
        cure = _wrong(home)["home"]
        assert cure.startswith("put it back"), "and nothing about passphrases"
        assert ("exchange upgrade" in cure) == (name == "webhook.key")
        (tmp_path / name).rename(home / "keys" / name)
    (tmp_path / "passphrase").write_text("another\n")
    assert "EXCHANGE_PASSPHRASE_FILE" in _wrong(home)["keys"]
    (tmp_path / "passphrase").write_text("a passphrase of the tests\n")
    config, good = home / "config.toml", (home / "config.toml").read_text()
    config.write_text(good + "nonsense = 1\n")
    assert list(_wrong(home)) == ["settings"]
    config.write_text(good.replace("http://127.0.0.1:8443", "http://exchange.example"))
    assert "TLS" in _wrong(home)["certificate"]
    config.write_text(good.replace("http://127.0.0.1:8443", "https://127.0.0.1:1"))
    assert "start the proxy" in _wrong(home)["certificate"]
    config.write_text(good.replace("/exchange.db", "/absent/exchange.db"))
    assert "are its folder there" in _wrong(home)["database"]
    config.write_text(good)
    (home / "head" / "signed-head").unlink()
    assert "log new-origin" in _wrong(home)["head"]
    assert run("--home", tmp_path / "nowhere", "doctor")[1]["checks"][0]["check"] == "home"
    assert run("--home", home, "doctor")[0] == 1


def test_doctor_compares_the_clock_with_the_database_servers(
    guarded: PostgresqlServer, run: Run, options: tuple[str, ...], tmp_path: Path
) -> None:
    engine = create_engine(guarded.url(), isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text("CREATE DATABASE clocked OWNER exchange"))
    engine.dispose()
    home = tmp_path / "home"
    assert run("--home", home, "init", *options, "--database-url", _url(guarded, "clocked"))[0] == 0
    _work(home)
    assert _wrong(home) == {}
    off = {one.check: one for one in examine(home, lambda: datetime.now(UTC) + timedelta(seconds=40))}
    assert (off["clock"].is_well, "NTP" in off["clock"].cure) == (False, True)


@pytest.mark.parametrize(("days", "told"), [(3, "renew it now"), (90, None), (0, "put the whole chain")])
def test_doctor_looks_at_the_certificate(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, days: int, told: str | None
) -> None:
    _work(home)
    with tls_server(tmp_path, days or 90) as (port, bundle):
        if days:
            monkeypatch.setenv("SSL_CERT_FILE", str(bundle))
        config = home / "config.toml"
        config.write_text(config.read_text().replace("http://127.0.0.1:8443", f"https://localhost:{port}"))
        wrong = _wrong(home)
    assert (wrong == {}) if told is None else (told in wrong["certificate"])


@contextmanager
def tls_server(folder: Path, days: int) -> Iterator[tuple[int, Path]]:
    """A server on the loopback address with its own certificate for `localhost`: its port, and that."""
    key = ec.generate_private_key(ec.SECP256R1())
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]), datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    bundle, secret = folder / "tls.pem", folder / "tls.key"
    bundle.write_bytes(made.public_bytes(Encoding.PEM))
    secret.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(bundle, secret)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                with suppress(OSError), context.wrap_socket(connection, server_side=True) as secured:
                    secured.recv(1)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield listener.getsockname()[1], bundle
    finally:
        with suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)
