"""Half an hour of mixed traffic on a real sandbox: `python -m tests.soak --minutes 30 [--database-url postgresql]`.

Uploads and re-uploads by the real program, submissions, hits, status, log, tiles, evaluations and hostile requests by
several members at once, and now and then a burst beyond the limit of requests. Meanwhile memory, open files and threads
of every process are sampled. Progress goes to standard error, one JSON document to standard output. Exit status 1 if:

1. anything was answered with a 5xx (a 503 with Retry-After is an answer, not a fault), or a program failed or died;
2. a process's memory is not flat. Judged is its private memory in the second half of the time: the line of least
   squares through the samples may rise by at most `--slope` MiB an hour, unless it rises by less than 6 MiB in all (so
   coarse are the allocator's steps). Pages of the database file, which the system lends and takes back, do not count;
3. open files or threads rose by more than 16 from the first half to the end.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.load.processes import Sample, Watch, size_of, with_children
from tests.load.traffic import Traffic
from tests.postgresql import postgresql_server
from tests.sandbox_process import RunningSandbox, sandbox_process

MEMBERS = ("a", "b", "c", "d")
SLOPE = 40.0
_STEPS_MIB = 6.0
_MORE_FILES = 16
_SAMPLE_SECONDS = 3.0
_TELL_SECONDS = 30.0


def slope(samples: Sequence[tuple[float, float]]) -> float:
    """By how much the second value rises for each unit of the first, by least squares."""
    middle_x = statistics.fmean(x for x, _ in samples)
    middle_y = statistics.fmean(y for _, y in samples)
    spread = sum((x - middle_x) ** 2 for x, _ in samples)
    return sum((x - middle_x) * (y - middle_y) for x, y in samples) / spread if spread else 0.0


def judge(samples: Sequence[Sample], most: float) -> dict[str, Any]:
    """One process's memory over the time, and whether it is flat."""
    half = samples[len(samples) // 2 :]
    an_hour = slope([(sample.at / 3600, sample.private) for sample in half])
    rise = an_hour * (half[-1].at - half[0].at) / 3600
    first, last = samples[: len(samples) // 2], half[-10:]
    files = max(one.open_files for one in last) - max(one.open_files for one in first)
    threads = max(one.threads for one in last) - max(one.threads for one in first)
    return {
        "start_mib": round(half[0].private, 1),
        "end_mib": round(half[-1].private, 1),
        "peak_mib": round(max(sample.highest for sample in samples), 1),
        "slope_mib_per_hour": round(an_hour, 1),
        "open_files": half[-1].open_files,
        "threads": half[-1].threads,
        "flat": (an_hour <= most or rise < _STEPS_MIB) and files <= _MORE_FILES and threads <= _MORE_FILES,
    }


def processes(sandbox: RunningSandbox) -> Mapping[str, int]:
    """Every process of the sandbox, by name."""
    try:
        return with_children(sandbox.pids()) | {"sandbox": sandbox.process.pid}
    except (OSError, ValueError):
        return {}


def soak(folder: Path, minutes: float, most: float, url: str | None) -> dict[str, Any]:
    """The traffic on one database; the document to print."""
    options = ["--banks", ",".join(MEMBERS), *(["--database-url", url] if url else [])]
    with sandbox_process(folder / "sandbox", *options, seconds=600) as sandbox:
        traffic = Traffic(sandbox, MEMBERS, folder)
        before, ends_at = processes(sandbox), time.monotonic() + minutes * 60
        with Watch(lambda: processes(sandbox), _SAMPLE_SECONDS) as watch:
            traffic.start()
            while time.monotonic() < ends_at:
                time.sleep(min(_TELL_SECONDS, max(0.0, ends_at - time.monotonic())))
                _print_progress(traffic, watch, ends_at)
            traffic.stop()
        if processes(sandbox) != before:
            traffic.tally.fail("a process died and was started again")
        size = size_of(sandbox.folder / "exchange")
    memory = {name: judge(samples, most) for name, samples in sorted(watch.samples.items())}
    tally = traffic.tally
    errors = {status: count for status, count in tally.by_status.items() if status.startswith("5") and status != "503"}
    return {
        "minutes": minutes,
        "database": "PostgreSQL" if url else "SQLite",
        "requests": sum(tally.by_status.values()),
        "by_status": dict(sorted(tally.by_status.items())),
        "by_kind": dict(sorted(tally.by_kind.items())),
        "server_errors": sum(errors.values()),
        "faults": tally.faults[:20],
        "exchange_mib": round(size, 1),
        "memory": memory,
        "open_files": {name: found["open_files"] for name, found in memory.items()},
        "allowed_slope_mib_per_hour": most,
        "flat": all(found["flat"] for found in memory.values()),
    }


def _print_progress(traffic: Traffic, watch: Watch, ends_at: float) -> None:
    private = {name: f"{taken[-1].private:.0f}" for name, taken in watch.samples.items()}
    statuses = dict(sorted(traffic.tally.by_status.items()))
    left = max(0.0, ends_at - time.monotonic()) / 60
    sys.stderr.write(f"{datetime.now(UTC):%H:%M:%S} {left:.1f} min left; {statuses}; MiB {private}\n")
    for fault in traffic.tally.faults[-3:]:
        sys.stderr.write(f"  fault: {fault}\n")
    sys.stderr.flush()


def main() -> int:
    """Exit status 0 when there was no fault and everything stayed flat."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=30.0)
    parser.add_argument("--slope", type=float, default=SLOPE, help="MiB an hour that private memory may rise")
    parser.add_argument("--database-url", help="a PostgreSQL URL, or the word postgresql")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="soak-") as folder:
        if arguments.database_url == "postgresql":
            with postgresql_server() as server:
                found = soak(Path(folder), arguments.minutes, arguments.slope, server.url())
        else:
            found = soak(Path(folder), arguments.minutes, arguments.slope, arguments.database_url)
    print(json.dumps(found, indent=2))  # noqa: T201
    return int(bool(found["faults"]) or not found["flat"])


if __name__ == "__main__":
    sys.exit(main())
