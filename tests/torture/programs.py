"""The programs under torture: a PostgreSQL server if there is one, and a sandbox, both in the run's folder."""

from __future__ import annotations

import ctypes
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from typing import Any

from tests.postgresql import PostgresqlCluster, PostgresqlServer, stop_at_once
from tests.torture.victims import belongs_to, children_of, kill_one

BANKS = ("a", "b", "c")
AGENCY = "nca"
REVIEWER = "reviewer"
"""Whom the sandbox enrols beside an agency."""
SUBMISSIONS, ACTION = "submissions", "action"
"""What a wrong exchange answers before it commits."""
_PR_SET_PDEATHSIG = 1
_READY_SECONDS = 600.0
_STOP_SECONDS = 120.0


class NotStartedError(RuntimeError):
    """A program did not start; the message carries what it said."""


def _stop_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class Postgresql:
    """A server that can be killed and comes back. Its folder has a short path, kept in `folder`/postgresql."""

    def __init__(self, folder: Path) -> None:
        note = folder / "postgresql"
        if not note.exists():
            self.folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
            self._cluster = PostgresqlCluster(self.folder)
            self._cluster.create()
            note.write_text(str(self.folder))
        else:
            self.folder = Path(note.read_text())
            self._cluster = PostgresqlCluster(self.folder)
            self._kill_left_behind()
        self.server: PostgresqlServer = self._cluster.start()

    @property
    def url(self) -> str:
        """Of its one database."""
        return self.server.url()

    def _kill_left_behind(self) -> None:
        """The server of an earlier run that was killed itself."""
        with suppress(OSError, ValueError, IndexError):
            pid = int((self.folder / "data" / "postmaster.pid").read_text().split()[0])
            if belongs_to(pid, self.folder):
                _kill_all([pid, *children_of(pid)])
            # Where nobody waits for orphans a dead one still answers to its number, and PostgreSQL believes it.
            (self.folder / "data" / "postmaster.pid").unlink()

    def kill(self) -> None:
        """Kill the server with all its processes, and start it again: it recovers."""
        pid = self.server.process.pid
        os.kill(pid, signal.SIGSTOP)  # or it makes a session more, which keeps the shared memory for a moment
        _kill_all([pid, *children_of(pid)])
        self.server.process.wait()
        self.server = self._cluster.start()

    def backends(self) -> list[int]:
        """The processes of its sessions; when one of them is killed, it ends all and recovers by itself.

        Not its own workers: one that is killed while the server recovers is not missed by PostgreSQL 18, and sessions
        then wait for it for ever.
        """
        return [pid for pid in children_of(self.server.process.pid) if _is_session(pid)]

    def stop(self) -> None:
        """End it; the data stay."""
        stop_at_once(self.server)


def _is_session(pid: int) -> bool:
    """By its title, `postgres: user database [local] …`."""
    try:
        return b"[local]" in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def _kill_all(pids: list[int]) -> None:
    for pid in pids:
        kill_one(pid)
    deadline = time.monotonic() + 30
    while any(is_alive(pid) for pid in pids) and time.monotonic() < deadline:
        time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether it runs; one that nobody has waited for yet does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


class SandboxPrograms:
    """`exchange sandbox` on `folder`/sandbox, which stores parts in small slices, or one whose exchange is `wrong` on
    purpose.
    """

    def __init__(self, folder: Path, url: str | None, *, wrong: str | None) -> None:
        self.folder = folder / "sandbox"
        self._log = folder / "sandbox.log"
        self._pid_file = folder / "sandbox.pid"
        self._stop_left_behind()
        (self.folder / "sandbox.json").unlink(missing_ok=True)
        program = [sys.executable, "-m", "tests.torture.own_sandbox", wrong or ""]
        options = ["--banks", ",".join(BANKS), "--agencies", AGENCY, *(["--database-url", url] if url else [])]
        with self._log.open("ab") as output:
            self._process = subprocess.Popen(
                [*program, "sandbox", str(self.folder), *options],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                preexec_fn=_stop_with_parent,  # noqa: PLW1509 - no other thread runs yet
            )
        self._pid_file.write_text(str(self._process.pid))
        self.description = self._wait_until_ready()

    def _stop_left_behind(self) -> None:
        """The sandbox of an earlier run that was killed itself."""
        if not self._pid_file.exists():
            return
        pid = int(self._pid_file.read_text())
        deadline = time.monotonic() + _STOP_SECONDS
        while belongs_to(pid, self.folder) and time.monotonic() < deadline:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGTERM)
            time.sleep(0.2)
        if belongs_to(pid, self.folder):
            raise NotStartedError(f"the sandbox of an earlier run ({pid}) does not end")

    def _wait_until_ready(self) -> dict[str, Any]:
        deadline = time.monotonic() + _READY_SECONDS
        while True:
            with suppress(FileNotFoundError):
                description: dict[str, Any] = json.loads((self.folder / "sandbox.json").read_text())
                return description
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise NotStartedError(self._log.read_text(errors="replace")[-3000:])
            time.sleep(0.1)

    def home(self, member: str) -> str:
        """A member's home."""
        return str(self.description["members"][member]["home"])

    @property
    def database_url(self) -> str:
        """Of the SQLite database that the sandbox makes when it is given none."""
        return f"sqlite:///{self.folder / 'exchange' / 'exchange.db'}"

    def pids(self) -> dict[str, int]:
        """The leaders of the programs' process groups, as far as the sandbox knows them now."""
        found: dict[str, int] = json.loads((self.folder / "sandbox.json").read_text())["pids"]
        return found

    def stop(self) -> None:
        """Stop all."""
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._pid_file.unlink(missing_ok=True)
