"""A test's taskforce behind a real server: gunicorn with several worker processes on loopback, and its log's ticks.

    python -m tests.load.served FILE

runs the server as FILE (JSON) says; `serve` writes such a file, starts that, and waits until it answers.
"""

from __future__ import annotations

import base64
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from edge.logs import configure_logs
from edge.serving import Server
from exchange.kernel.session import LOG_STALE_SECONDS
from exchange.log.sequencer import CARRIED_TICKS
from keys.signatures.messages import SigningKey
from keys.statements.envelopes import Root
from member.transport.channel import Channel, Identity, RuntimeEnvironment
from member.transport.exchange_client import ExchangeClient
from tests.load.connected import Connected
from tests.ports import free_port
from tests.taskforce.clock import utc_now
from tests.taskforce.founding import LOG_SIGNER, ExchangeKeys, Taskforce

ROOT = Path(__file__).resolve().parents[2]
WORKERS, THREADS = 2, 8
_START_SECONDS = 60.0
_REQUESTS_PER_MINUTE = 1_000_000


@dataclass(frozen=True)
class Served:
    """A running server, and what it serves."""

    taskforce: Taskforce
    url: str

    def connected(self, member_id: str) -> Connected:
        """A member's analyst, one request at a time."""
        return Connected(self._identity(member_id), self.url, self.url)

    def client(self, member_id: str) -> ExchangeClient:
        """A member's analyst, as the member program talks."""
        around = RuntimeEnvironment(utc_now, time.sleep, lambda url: None)
        return ExchangeClient(Channel(self.url, self._identity(member_id), around))

    def _identity(self, member_id: str) -> Identity:
        return Identity(f"{member_id}/analyst", self.taskforce.members[member_id].keys["analyst"])

    def tick(self) -> None:
        """Give all that waits for the log its place."""
        self.taskforce.tick(CARRIED_TICKS + 1)


@contextmanager
def serve(taskforce: Taskforce, folder: Path, *, workers: int = WORKERS, threads: int = THREADS) -> Iterator[Served]:
    """Serve a taskforce whose clock is the real one until the block ends."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    told = {
        "database_url": taskforce.settings.database_url,
        "registrars": taskforce.root.to_wire(),
        "receipt_key": base64.b64encode(taskforce.receipt_key.to_seed()).decode(),
        "port": port,
        "workers": workers,
        "threads": threads,
    }
    file = folder / "served.json"
    file.touch(mode=0o600)
    file.write_text(json.dumps(told))
    with (folder / "served.log").open("wb") as output:
        command = [sys.executable, "-m", "tests.load.served", str(file)]
        process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    try:
        _wait_until_ready(f"{url}/readyz", process, folder / "served.log")
        yield Served(taskforce, url)
    finally:
        process.terminate()
        process.wait(timeout=60)


def _wait_until_ready(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if httpx.get(url, timeout=5.0, trust_env=False).status_code == httpx.codes.OK:
                return
        except httpx.TransportError:
            time.sleep(0.05)
    raise AssertionError(f"the server did not start: {log.read_text(errors='replace')}")


def main(file: Path) -> None:
    """Serve as the file says, until SIGTERM, with logs as in production."""
    configure_logs()
    told: dict[str, Any] = json.loads(file.read_text())
    receipt_key = SigningKey.from_seed(base64.b64decode(told["receipt_key"]))
    keys = ExchangeKeys(Root.parse(told["registrars"]), receipt_key, LOG_SIGNER)

    def make_application() -> Any:
        taskforce = Taskforce(
            told["database_url"],
            file.parent,
            utc_now,
            LOG_STALE_SECONDS,
            keys,
            url=f"http://127.0.0.1:{told['port']}",
            requests_per_minute=_REQUESTS_PER_MINUTE,
            feed_requests_per_minute=_REQUESTS_PER_MINUTE,
            unsigned_requests_per_minute=_REQUESTS_PER_MINUTE,
        )
        return taskforce.app

    Server(
        make_application, host="127.0.0.1", port=told["port"], workers=told["workers"], threads=told["threads"]
    ).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
