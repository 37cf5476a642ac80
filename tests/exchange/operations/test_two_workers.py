"""What must hold across worker processes: the real server with two, each asked in turn."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from exchange.configuration.settings import load_settings
from exchange.kernel.session import create_database
from exchange.registrars.accept import accept_statement
from keys.signatures.messages import SigningKey, new_nonce, sign_request
from keys.statements.envelopes import sign_statement
from keys.statements.keyring import RepresentativeState, StatedRepresentative, to_payload
from schemas.terms import Role
from schemas.values.encoding import to_base64
from tests.keys.factories import make_member
from tests.sandbox_process import SCRIPTS, run

pytestmark = pytest.mark.timeout(300)
NAMES = ("analyst", "authoriser")


def now() -> datetime:
    return datetime.now(UTC)


@dataclass
class Server:
    """`exchange serve --workers 2` on a home; `at` lets one worker only take requests."""

    home: Path
    port: int
    keys: dict[str, SigningKey]
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        command = [str(SCRIPTS / "exchange"), "--home", str(self.home), "serve", "--workers", "2"]
        with (self.home.parent / "server.log").open("ab") as log:
            self.process = subprocess.Popen([*command, "--port", str(self.port)], stdout=log, stderr=log)
        deadline = time.monotonic() + 120
        while len(self.workers()) < 2 or not self._is_ready():
            log_file = self.home.parent / "server.log"
            assert self.process.poll() is None, log_file.read_text()
            assert time.monotonic() < deadline, log_file.read_text()
            time.sleep(0.1)

    def stop(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(timeout=60)

    def workers(self) -> list[int]:
        assert self.process is not None
        listed = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text()
        return [int(pid) for pid in listed.split()]

    def _is_ready(self) -> bool:
        try:
            return httpx.get(f"{self.url}/readyz").status_code == 200
        except httpx.TransportError:
            return False

    @contextmanager
    def at(self, worker: int) -> Iterator[None]:
        """Only the worker of this number answers in the block: the other stands still."""
        first, second = sorted(self.workers())
        other = second if worker == 0 else first
        os.kill(other, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(other, signal.SIGCONT)

    def sign(self, name: str, target: str = "/v1/status") -> dict[str, str]:
        url = self.url + target
        return sign_request("GET", url, {}, b"", f"a/{name}", self.keys[name], clock=now, nonce=new_nonce())

    def send(self, worker: int, headers: dict[str, str], target: str = "/v1/status") -> tuple[int, str]:
        """Status and reason of one request that this worker answers."""
        with self.at(worker):
            answer = httpx.get(self.url + target, headers=headers, timeout=60)
        return answer.status_code, answer.json().get("reason", "")

    def operate(self, *arguments: str) -> None:
        """A command of the operator, in a process of its own."""
        done = run("exchange", "--home", str(self.home), *arguments)
        assert done.status == 0, done.document


@pytest.fixture
def server(database_url: str, tmp_path: Path) -> Iterator[Server]:
    home, passphrase, registrars = tmp_path / "home", tmp_path / "passphrase", tmp_path / "registrars.json"
    passphrase.touch(mode=0o600)
    passphrase.write_text("a passphrase of the tests")
    registrar = SigningKey.generate()
    named = {"registrar_id": "necc", "public_key": to_base64(registrar.public_bytes)}
    registrars.write_text(json.dumps({"quorum": 1, "registrars": [named]}))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        made = Server(home, probe.getsockname()[1], {name: SigningKey.generate() for name in NAMES})
    made.operate(
        *("init", "--registrars", str(registrars), "--url", made.url, "--exchange-id", "uk"),
        *("--passphrase-file", str(passphrase), "--database-url", database_url),
    )
    people = tuple(
        StatedRepresentative(f"a/{name}", key.public_bytes, frozenset({Role.INVESTIGATOR}), RepresentativeState.ACTIVE)
        for name, key in made.keys.items()
    )
    payload = to_payload(replace(make_member("a").statement, representatives=people))
    settings = load_settings(home, {})
    database = create_database(settings.database_url)
    accept_statement(database, settings.root, sign_statement(payload, "necc", registrar), now())
    database.dispose()
    made.start()
    try:
        yield made
    finally:
        made.stop()


def test_a_request_is_good_once_at_all_workers_and_after_a_restart(server: Server) -> None:
    headers = server.sign("analyst")
    assert server.send(0, headers) == (200, "")
    assert server.send(1, headers) == (401, "replayed")
    assert server.send(0, headers) == (401, "replayed")
    server.stop()
    server.start()
    assert server.send(0, headers) == (401, "replayed")
    assert server.send(1, headers) == (401, "replayed")


def test_all_workers_refuse_a_revoked_key_and_a_stopped_member_at_once(server: Server) -> None:
    def outcomes(name: str) -> list[tuple[int, str]]:
        return [server.send(worker, server.sign(name)) for worker in (0, 1)]

    assert outcomes("analyst") == [(200, ""), (200, "")]
    assert outcomes("authoriser") == [(200, ""), (200, "")]
    server.operate("member", "rotate-key", "a/analyst")
    assert outcomes("analyst") == [(403, "suspended"), (403, "suspended")]
    assert outcomes("authoriser") == [(200, ""), (200, "")]
    server.operate("member", "suspend", "a")
    assert outcomes("authoriser") == [(403, "suspended"), (403, "suspended")]
