"""A member's commands, each in a process that may be killed: given again, the same, until one comes to its end."""

from __future__ import annotations

import threading
import time
from pathlib import Path

from tests.torture.member_process import Ended, MemberProcess
from tests.torture.records import Records
from tests.torture.victims import kill_one

_PASSING = frozenset({"unreachable", "unavailable", "log-unavailable", "no_quorum"})
_STUCK_SECONDS = 600.0


class GivenUpError(Exception):
    """The run is over."""


class Commands:
    """The commands of one member, one at a time. `folder` takes their taps."""

    def __init__(self, member: str, home: str, folder: Path, records: Records) -> None:
        self.member = member
        self._home = home
        self._folder = folder
        self._records = records
        self._giving_up = threading.Event()
        self._current: MemberProcess | None = None
        self._answers = 0
        folder.mkdir(parents=True, exist_ok=True)
        self._given = max((int(path.stem) for path in folder.glob("*.tap")), default=0)
        for left_behind in folder.glob("*.result"):
            left_behind.unlink()
        records.read_taps(member, folder)

    def run(self, *arguments: str) -> tuple[Ended, int]:
        """How the command ended when nothing cut it short any more, and how often something had."""
        cuts, started_at = 0, time.monotonic()
        while True:
            if self._giving_up.is_set():
                raise GivenUpError
            self._given += 1
            self._current = MemberProcess(self._home, list(arguments), self._folder, f"{self._given:06}")
            ended = self._current.wait()
            self._answers += len(ended.tapped)
            self._current = None
            self._records.show(self.member, ended.tapped)
            if not ended.was_killed and ended.problem not in _PASSING:
                return ended, cuts
            cuts += 1
            if time.monotonic() - started_at > _STUCK_SECONDS:
                raise TimeoutError(f"{arguments} does not come to an end")

    def running_pid(self) -> int | None:
        """The process of the command that runs now."""
        current = self._current
        return current.pid if current is not None and current.is_running() else None

    def answers(self) -> int:
        """How many answers told this member something until now."""
        current = self._current
        return self._answers + (0 if current is None else current.answers())

    def note_answers(self) -> None:
        """Put on record what the command that runs now was told so far."""
        current = self._current
        if current is not None:
            self._records.show(self.member, current.tapped())

    def give_up(self) -> None:
        """Let no further command begin, and end the one that runs."""
        self._giving_up.set()
        if (pid := self.running_pid()) is not None:
            kill_one(pid)
