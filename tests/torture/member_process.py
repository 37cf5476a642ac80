"""One command of the program `member` in a process of its own, which may be killed at any moment.

The processes are forked from a server that has imported the program already: importing takes longer than the work. In
each, a tap (tests.torture.tap) writes down what the exchange's answers tell.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import multiprocessing
import os
import threading
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import member.indicators.acts
from member.commands.cli import cli
from member.commands.shared.session import Session
from member.indicators.submit import SubmissionContext
from member.transport.channel import RuntimeEnvironment
from tests.torture.tap import Note, Tap, read_tap
from tests.torture.victims import kill_one

PART_ROWS = 8
"""Few, so that a small file has several parts to be killed between."""

_PATIENCE_SECONDS = 120.0
_LONGEST_NAP = 0.5
_context = multiprocessing.get_context("forkserver")
_context.set_forkserver_preload([__name__])


@dataclass(frozen=True)
class Ended:
    """How a command ended: its exit status and document, both None if it was killed; and what it was shown."""

    status: int | None
    document: dict[str, Any] | None
    tapped: list[Note]

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
        self._tap.touch()  # its name is never given again
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

    def tapped(self) -> list[Note]:
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


def _run(home: str, arguments: list[str], tap: Path, result: Path) -> None:
    """In the process: the program's own main, printing into memory."""
    threading.Thread(target=_end_with_the_run, daemon=True).start()
    setattr(member.indicators.acts, "SubmissionContext", functools.partial(SubmissionContext, part_rows=PART_ROWS))  # noqa: B010
    around = RuntimeEnvironment(
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


def _end_with_the_run() -> None:
    """When a run is killed and resumed, the command under way is given again, and must not go on beside itself."""
    run = multiprocessing.parent_process()
    if run is not None:
        run.join()
        kill_one(os.getpid())
