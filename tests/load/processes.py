"""What running processes take: memory, open files and threads, read from /proc every few seconds."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

MIB_OF_KIB = 1 / 1024


@dataclass(frozen=True, slots=True)
class Sample:
    """One process at one moment: MiB, and seconds of processor time. `resident` counts mapped pages too."""

    at: float
    resident: float
    private: float
    highest: float
    open_files: int
    threads: int
    processor: float


def read_sample(pid: int) -> Sample | None:
    """A process now; None if it is gone."""
    try:
        status = dict(
            line.split(":", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines() if ":" in line
        )
        open_files = len(list(Path(f"/proc/{pid}/fd").iterdir()))
        ticks = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[11:13]
        sizes = {name: int(status[name].split()[0]) * MIB_OF_KIB for name in ("VmRSS", "RssAnon", "VmHWM")}
    except (OSError, KeyError, ValueError):
        return None
    return Sample(
        time.monotonic(),
        resident=sizes["VmRSS"],
        private=sizes["RssAnon"],
        highest=sizes["VmHWM"],
        open_files=open_files,
        threads=int(status["Threads"]),
        processor=sum(map(int, ticks)) / os.sysconf("SC_CLK_TCK"),
    )


def children_of(pid: int) -> list[int]:
    """The ids of a process's children, oldest first; none if it is gone."""
    try:
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    except OSError:
        return []


def with_children(roots: Mapping[str, int]) -> dict[str, int]:
    """The processes by name, and each one's children as `name/1`, `name/2` …"""
    found = dict(roots)
    for name, pid in roots.items():
        found |= {f"{name}/{number}": child for number, child in enumerate(children_of(pid), start=1)}
    return found


@dataclass
class Watch:
    """Samples processes in the background while the block lasts. `find` names the processes of the moment."""

    find: Callable[[], Mapping[str, int]]
    seconds: float = 2.0
    samples: dict[str, list[Sample]] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="watch", daemon=True)
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._stop.wait(self.seconds):
            self.take()

    def take(self) -> None:
        """One sample of every process that is there."""
        for name, pid in self.find().items():
            sample = read_sample(pid)
            if sample is not None:
                self.samples.setdefault(name, []).append(sample)

    def peaks(self) -> dict[str, dict[str, float]]:
        """The most that each process ever held resident (the kernel's own mark), and its private part when sampled."""
        return {
            name: {
                "peak_mib": round(max(sample.highest for sample in taken), 1),
                "peak_private_mib": round(max(sample.private for sample in taken), 1),
            }
            for name, taken in sorted(self.samples.items())
        }


def size_of(folder: Path) -> float:
    """MiB of all files in a folder, files that vanish meanwhile left out."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except OSError:
            continue
    return total / 1024 / 1024
