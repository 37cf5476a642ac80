"""Run several programs together: start, wait until each is ready, start again what died, stop all.

Each child leads a process group of its own, so that what it leaves behind when it is killed goes with it, and on Linux
it is signalled to stop when this process dies. A child's output goes to a log file of its own.
"""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import httpx

_PR_SET_PDEATHSIG = 1
_WATCH_SECONDS = 0.2
_READY_SECONDS = 180.0
"""A program that ends while starting is noticed at once; one that lives may be slow on a busy machine."""
_STOP_SECONDS = 20.0


class ProgramNotReadyError(RuntimeError):
    """A program ended, or did not answer in time; the message names it and its log."""


@dataclass(frozen=True)
class SupervisedProgram:
    """What to run: its name, its command, where its output goes, and the URL that answers 200 when it is ready."""

    name: str
    command: Sequence[str]
    log: Path
    ready_url: str | None = None


def _stop_with_parent() -> None:
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


def _kill_group(process: subprocess.Popen[bytes], signal_number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal_number)


class Supervisor:
    """Keeps its programs running between `start` and `stop`; `changed` is called after a child was started again."""

    def __init__(self, environment: Mapping[str, str], changed: Callable[[], None] = lambda: None) -> None:
        self._environment = dict(environment)
        self._changed = changed
        self._programs: dict[str, SupervisedProgram] = {}
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._stopping = False

    @property
    def pids(self) -> dict[str, int]:
        """The process id of each program, by name."""
        return {name: child.pid for name, child in self._children.items()}

    def start(self, *programs: SupervisedProgram, seconds: float = _READY_SECONDS) -> None:
        """Start the programs and wait until each is ready. Raises ProgramNotReadyError."""
        for program in programs:
            self._programs[program.name] = program
            self._children[program.name] = self._spawn(program)
        for program in programs:
            self._wait_until_ready(program, seconds)

    def _spawn(self, program: SupervisedProgram) -> subprocess.Popen[bytes]:
        with program.log.open("ab") as output:
            return subprocess.Popen(  # noqa: S603 - the command is made by this package
                list(program.command),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=self._environment,
                start_new_session=True,
                preexec_fn=_stop_with_parent,  # noqa: PLW1509 - called before any thread of this process holds a lock
            )

    def _wait_until_ready(self, program: SupervisedProgram, seconds: float) -> None:
        if program.ready_url is None:
            return
        deadline = time.monotonic() + seconds
        with httpx.Client(timeout=2.0, trust_env=False) as client:  # one: each loads all certificates anew
            while time.monotonic() < deadline:
                if self._children[program.name].poll() is not None:
                    raise ProgramNotReadyError(f"{program.name} ended while starting; see {program.log}")
                with suppress(httpx.HTTPError):
                    if client.get(program.ready_url).status_code == httpx.codes.OK:
                        return
                time.sleep(0.05)
        raise ProgramNotReadyError(f"{program.name} was not ready after {seconds:.0f} s; see {program.log}")

    def handle_signals(self, *, raising: bool) -> None:
        """Let SIGTERM and SIGINT end `watch`, at once or once it begins; `raising` ends what comes before it too.

        `watch` itself may not raise: one that is raised in what runs at a fork is thrown away, and locks of the
        logging module stay taken.
        """

        def interrupt(_number: int, _frame: object) -> None:
            self._stopping = True  # no Event: its lock may be held by what the signal interrupts
            if raising:
                raise KeyboardInterrupt

        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, interrupt)

    def watch(self) -> None:
        """Start again whatever dies, until a signal that is heeded, or `stop`."""
        while not self._stopping:
            time.sleep(_WATCH_SECONDS)
            dead = [name for name, child in self._children.items() if child.poll() is not None]
            for name in dead:
                _kill_group(self._children[name], signal.SIGKILL)
                self._children[name] = self._spawn(self._programs[name])
            if dead:
                self._changed()

    def stop(self) -> None:
        """Stop every program: politely first, then by force. Safe to call twice."""
        self._stopping = True
        for child in self._children.values():
            if child.poll() is None:
                child.terminate()
        deadline = time.monotonic() + _STOP_SECONDS
        for child in self._children.values():
            with suppress(subprocess.TimeoutExpired):
                child.wait(timeout=max(0.0, deadline - time.monotonic()))
            _kill_group(child, signal.SIGKILL)
            child.wait()
