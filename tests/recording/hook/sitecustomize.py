"""Python imports this by itself in every process of a recorded run: its folder stands on PYTHONPATH.

It writes what passes, as lines of JSON in the folder that RECORDING_FOLDER names: of a service each request and its
answer, of any other command its arguments, its exit status and what it printed. The programs are not changed, so that
it records any commit; it imports nothing of them. Bytes are written in base64.
"""

from __future__ import annotations

import atexit
import base64
import importlib.abc
import importlib.util
import io
import json
import os
import random
import shutil
import sys
import tempfile
import threading
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

PROGRAMS = ("member", "exchange", "keyholder")
SEED = 20261130
_LOCK = threading.Lock()


def write(folder: Path, record: dict[str, Any]) -> None:
    """Append a record to the file of this process."""
    line = json.dumps(record) + "\n"
    with _LOCK, (folder / f"{os.getpid()}.jsonl").open("a", encoding="utf-8") as file:
        file.write(line)


def as_text(data: bytes) -> str:
    """Bytes in base64."""
    return base64.b64encode(data).decode()


class Copied(io.BufferedIOBase):
    """A binary stream, with a copy of what was written to it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.copy = bytearray()

    def write(self, data: Any, /) -> int:
        """As the stream's."""
        self.copy += data
        return int(self.inner.write(data))

    def flush(self) -> None:
        """As the stream's."""
        self.inner.flush()

    def fileno(self) -> int:
        """As the stream's."""
        return int(self.inner.fileno())

    def isatty(self) -> bool:
        """As the stream's."""
        return bool(self.inner.isatty())

    def writable(self) -> bool:
        """Yes."""
        return True


class Read:
    """A request's body, with a copy of what was read of it."""

    def __init__(self, inner: Any) -> None:
        self.inner = inner
        self.copy = bytearray()

    def read(self, *size: int) -> bytes:
        """As the body's."""
        data: bytes = self.inner.read(*size)
        self.copy += data
        return data

    def readline(self, *size: int) -> bytes:
        """As the body's."""
        data: bytes = self.inner.readline(*size)
        self.copy += data
        return data


def record_command(folder: Path) -> None:
    """Record this command when it ends."""
    process, status = os.getpid(), [0]
    leave = sys.exit

    def note_exit(code: Any = None) -> None:
        status[0] = code if isinstance(code, int) else int(code is not None)
        leave(code)

    printed, said = Copied(sys.stdout.buffer), Copied(sys.stderr.buffer)
    sys.stdout = io.TextIOWrapper(printed, encoding="utf-8", line_buffering=sys.stdout.isatty())
    sys.stderr = io.TextIOWrapper(said, encoding="utf-8", line_buffering=True)
    sys.exit = note_exit  # type: ignore[assignment]

    def end() -> None:
        if os.getpid() != process:
            return
        sys.stdout.flush()
        ended = {"program": Path(sys.argv[0]).name, "arguments": sys.argv[1:], "status": status[0]}
        output = {"printed": as_text(bytes(printed.copy)), "said": as_text(bytes(said.copy))}
        write(folder, {"record": "command", **ended, **output})

    atexit.register(end)


def record_service(folder: Path, service: str) -> None:
    """Record each request that the Flask application of this process answers."""
    import flask  # noqa: PLC0415 - in services only

    answer = flask.Flask.__call__

    def call(self: flask.Flask, environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        body = environ["wsgi.input"] = Read(environ["wsgi.input"])
        started: list[Any] = []

        def start(status: str, headers: list[tuple[str, str]], *error: Any) -> Any:
            started[:] = [int(status[:3]), headers]
            return start_response(status, headers, *error)

        parts = answer(self, environ, start)

        def take() -> Iterator[bytes]:
            taken = bytearray()
            try:
                for part in parts:
                    taken += part
                    yield part
            finally:
                close = getattr(parts, "close", None)
                if close is not None:
                    close()
                headers = {
                    name.removeprefix("HTTP_").replace("_", "-").lower(): value
                    for name, value in environ.items()
                    if name.startswith("HTTP_") or name == "CONTENT_TYPE"
                }
                asked = {"method": environ["REQUEST_METHOD"], "path": environ["PATH_INFO"]}
                asked |= {"query": environ.get("QUERY_STRING", "")}
                told = {"status": started[0], "answer_headers": started[1], "answer": as_text(bytes(taken))}
                sent = {"headers": headers, "body": as_text(bytes(body.copy))}
                write(folder, {"record": "request", "service": service, **asked, **sent, **told})

        return take()

    flask.Flask.__call__ = call  # type: ignore[method-assign]


class ForkedCommands(importlib.abc.MetaPathFinder):
    """Records the commands that a sandbox forks off from a process of its own (demo.commands), where it does so."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> Any:
        """Of that module alone, once."""
        if name != "demo.commands":
            return None
        sys.meta_path.remove(self)
        found = importlib.util.find_spec(name)
        if found is None or found.loader is None:
            return found
        load = found.loader.exec_module

        def load_and_wrap(module: Any) -> None:
            load(module)
            run = getattr(module, "run_program", None)
            if run is None:  # in an earlier commit
                return

            def record(program: str, *arguments: str) -> Any:
                ended = run(program, *arguments)
                given = {"program": program, "arguments": arguments, "status": ended.status}
                output = {"printed": as_text(ended.printed), "said": as_text(ended.said)}
                write(self._folder, {"record": "command", **given, **output})
                return ended

            module.run_program = record

        found.loader.exec_module = load_and_wrap  # type: ignore[method-assign]
        return found


def seed_demonstration(folder: Path) -> None:
    """Let the demonstration draw the same story each time, and leave its exchange's database behind."""
    original = random.Random
    clean_up = tempfile.TemporaryDirectory.cleanup

    class Seeded(original):  # type: ignore[valid-type,misc]
        def __init__(self, seed: Any = None) -> None:
            drawn_by = sys._getframe(1).f_globals.get("__name__", "")
            super().__init__(SEED if seed is None and drawn_by.endswith(("story", "demo")) else seed)

    def keep(self: Any) -> None:
        for path in Path(self.name).glob("**/exchange.db*"):
            shutil.copy(path, folder / path.name)
        clean_up(self)

    random.Random = Seeded  # type: ignore[misc,assignment]
    tempfile.TemporaryDirectory.cleanup = keep  # type: ignore[method-assign]


def begin() -> None:
    """Record this process if it is one of ours."""
    where, program, arguments = os.environ.get("RECORDING_FOLDER"), Path(sys.argv[0]).name, sys.argv[1:]
    if not where or program not in PROGRAMS or any(name.endswith("_COMPLETE") for name in os.environ):
        return
    folder = Path(where)
    sys.meta_path.insert(0, ForkedCommands(folder))
    if arguments[:1] == ["demo"]:
        seed_demonstration(folder)
    if "serve" in arguments:
        record_service(folder, program)
    elif "worker" not in arguments:
        record_command(folder)


begin()
