"""One command of the program `member` in a process of its own, which may be killed at any moment.

The processes are forked from a server that has imported the program already: importing takes longer than the work. In
each, a tap between the program and the network writes down what the exchange's answers showed, before the program has
them: what a killed member was shown was shown all the same.
"""

from __future__ import annotations

import base64
import contextlib
import functools
import io
import json
import multiprocessing
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

import member.commands.indicators
from member.channel import Surroundings
from member.cli import cli
from member.session import Session
from member.submit import Desk

PART_ROWS = 8
"""Few, so that a small file has several parts to be killed between."""

_PATIENCE_SECONDS = 120.0
_LONGEST_NAP = 0.5
_TAPPED = ("/v1/submissions", "/v1/hits")
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit status and document, both None if it was killed; and what it was shown."""

    status: int | None
    document: dict[str, Any] | None
    tapped: list[dict[str, Any]]

    @property
    def was_killed(self) -> bool:
        """Whether it did not come to its own end."""
        return self.status is None

    @property
    def problem(self) -> str | None:
        """The type of the error that it printed."""
        error = (self.document or {}).get("error")
        return None if error is None else str(error.get("type"))


class MemberProcess:
    """A running command. `folder` takes its tap, which stays, and its result."""

    def __init__(self, home: str, arguments: list[str], folder: Path, name: str) -> None:
        self._tap = folder / f"{name}.tap"
        self._result = folder / f"{name}.result"
        self._process = _context.Process(target=_run, args=(home, arguments, self._tap, self._result), daemon=True)
        self._process.start()

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid or 0

    def is_running(self) -> bool:
        """Whether it can still be killed."""
        return not self._result.exists() and Path(f"/proc/{self.pid}").exists()

    def answers(self) -> int:
        """How many answers it has been told so far."""
        return self._tap.read_bytes().count(b"\n") if self._tap.exists() else 0

    def tapped(self) -> list[dict[str, Any]]:
        """These answers."""
        return read_tap(self._tap)

    def wait(self) -> Ended:
        """How it ended."""
        self._process.join()
        self._process.close()
        tapped = self.tapped()
        if not self._result.exists():
            return Ended(None, None, tapped)
        found = json.loads(self._result.read_text())
        self._result.unlink()
        return Ended(found["status"], found["document"], tapped)


def read_tap(path: Path) -> list[dict[str, Any]]:
    """The answers that a tap wrote down; the last line of a killed process may be cut, and is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1]]


def _run(home: str, arguments: list[str], tap: Path, result: Path) -> None:
    """In the process: the program's own main, printing into memory."""
    setattr(member.commands.indicators, "Desk", functools.partial(Desk, part_rows=PART_ROWS))  # noqa: B010
    around = Surroundings(
        clock=lambda: datetime.now(UTC),
        sleep=lambda seconds: time.sleep(min(seconds, _LONGEST_NAP)),
        transport=lambda url: Tap(tap),
        patience=_PATIENCE_SECONDS,
    )
    printed, said = io.StringIO(), io.StringIO()
    status = 0
    with contextlib.redirect_stdout(printed), contextlib.redirect_stderr(said):
        try:
            cli.main(["--home", home, *arguments, "--json"], obj=Session(around))
        except SystemExit as left:
            status = left.code if isinstance(left.code, int) else 1
    draft = result.with_suffix(".draft")
    document = json.loads(printed.getvalue() or "null")
    draft.write_text(json.dumps({"status": status, "document": document}))
    draft.replace(result)


class Tap(httpx.BaseTransport):
    """The network, with what is shown to the member written down first."""

    def __init__(self, path: Path) -> None:
        self._network = httpx.HTTPTransport()
        self._path = path

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and write down an answer that tells something."""
        response = self._network.handle_request(request)
        if urlsplit(str(request.url)).path not in _TAPPED or response.status_code not in (200, 201):
            return response
        body = response.read()
        self._note(request.content, json.loads(body))
        return httpx.Response(response.status_code, headers=response.headers, content=body)

    def close(self) -> None:
        """Close the connections."""
        self._network.close()

    def _note(self, sent: bytes, answer: dict[str, Any]) -> None:
        hits = [{name: value for name, value in hit.items() if name != "token"} for hit in answer["hits"]]
        noted: dict[str, Any] = {"hits": hits, "event_id": answer.get("event_id")}
        if "receipt" in answer:
            receipt = json.loads(base64.b64decode(answer["receipt"]["payload"]))
            refused = {row["row"] for row in answer["rejected"]}
            rows = json.loads(sent)["rows"]
            noted |= {"event_id": receipt["event_id"], "entry": receipt["entry"]}
            noted |= {"tokens": [row[0] for number, row in enumerate(rows) if number not in refused]}
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, json.dumps(noted).encode() + b"\n")
        finally:
            os.close(descriptor)
