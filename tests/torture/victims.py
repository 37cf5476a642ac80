"""What is killed, and how: SIGKILL, which no process can see coming.

A process is killed only when its command line names this run's own folder.
"""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

EXCHANGE, EXCHANGE_WORKER, WORKER, HOLDER = "exchange", "exchange-worker", "worker", "holder"
MEMBER, POSTGRES, POSTGRES_BACKEND = "member", "postgres", "postgres-backend"
COMMON = (EXCHANGE, EXCHANGE_WORKER, WORKER, HOLDER, MEMBER)
OF_POSTGRESQL = (POSTGRES, POSTGRES_BACKEND)
_HANGS = (EXCHANGE, WORKER, HOLDER)


@dataclass(frozen=True)
class Blow:
    """One kill: after so many seconds, of which kind, which of those there are, and who hangs until then, if any."""

    delay: float
    kind: str
    pick: float
    hanging: str | None

    def choose(self, among: Sequence[int]) -> int:
        """The process id picked."""
        return among[int(self.pick * len(among))]


def make_schedule(seed: int, kills: int, kinds: Sequence[str], longest_pause: float) -> list[Blow]:
    """The same seed gives the same kills, each at most `longest_pause` seconds after the one before."""
    rng = random.Random(f"{seed}/schedule")
    return [
        Blow(
            delay=rng.uniform(0.0, longest_pause),
            kind=rng.choice(kinds),
            pick=rng.random(),
            hanging=rng.choice(_HANGS) if rng.random() < 0.1 else None,
        )
        for _ in range(kills)
    ]


def children_of(pid: int) -> list[int]:
    """The process ids of a process's children."""
    return [child for child, parent in _processes() if parent == pid]


def _processes() -> Iterator[tuple[int, int]]:
    for path in Path("/proc").iterdir():
        if path.name.isdecimal():
            with suppress(OSError, ValueError, IndexError):
                yield int(path.name), int((path / "stat").read_text().rpartition(")")[2].split()[1])


def belongs_to(pid: int, folder: Path) -> bool:
    """Whether the process runs, and its command line names the folder."""
    try:
        return os.fsencode(folder) in Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return False


def kill_group(pid: int, folder: Path) -> bool:
    """Kill a leader of a process group and all that belongs to it; False if it was gone."""
    return belongs_to(pid, folder) and _kill(os.killpg, pid, signal.SIGKILL)


def kill_one(pid: int) -> bool:
    """Kill one process; False if it was gone."""
    return _kill(os.kill, pid, signal.SIGKILL)


def hang_group(pid: int, folder: Path) -> bool:
    """Stop a process group without its notice; False if it was gone."""
    return belongs_to(pid, folder) and _kill(os.killpg, pid, signal.SIGSTOP)


def wake_group(pid: int, folder: Path) -> bool:
    """Let it go on."""
    return belongs_to(pid, folder) and _kill(os.killpg, pid, signal.SIGCONT)


def _kill(how: Callable[[int, int], None], pid: int, number: int) -> bool:
    try:
        how(pid, number)
    except ProcessLookupError:
        return False
    return True
