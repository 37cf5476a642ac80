"""One member's file of a million rows, end to end: `python -m tests.million [--database-url URL]`.

A sandbox with as many generated rows stored already runs on this machine. Member `b` submits a small file; member `a`
submits the large one with the real program, while the memory of every process is watched. On the way the upload is
killed (SIGKILL), and goes on; the budget at the key holders runs out, and after a grant it goes on. In the end every
row is accounted for, and both members are told exactly the overlap that was planted. Before and after, batches of
10,000 random tokens are submitted to time submitting and matching alone.

`--database-url postgresql` brings a PostgreSQL of its own. Progress goes to standard error, one JSON document to
standard output. Exit status 1 if a check fails or any process held 1 GiB.
"""

from __future__ import annotations

import argparse
import json
import re
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

from tests.load.checks import Checks, tell
from tests.load.connected import Connected, connect, submission_body
from tests.load.processes import Watch, children_of, read_sample, size_of, with_children
from tests.load.rows import Indicator, make_indicator, with_repeats, write_file
from tests.postgresql import PostgresqlServer, postgresql_server
from tests.sandbox_process import SCRIPTS, RunningSandbox, run, sandbox_process

LIMIT_MIB = 1024
BATCH = 10_000
BATCHES = 5
AT_ONCE = 16
REPEATED_EVERY = 100
PLANTED = 500
_PROGRESS = re.compile(r"submitting: ([\d,]+) of")


@dataclass
class Upload:
    """One call of `member submit`: how it ended, and how far it was when (its processor seconds, rows)."""

    status: int
    document: dict[str, Any]
    seconds: float
    progress: list[tuple[float, int]]
    processor_seconds: float


@dataclass
class Uploader:
    """Calls `member submit` for one member; `pid` is that of the call under way."""

    sandbox: RunningSandbox
    member: str
    pid: int | None = None

    def submit(self, path: Path, stop_at: Callable[[int], bool] = lambda rows: False) -> Upload:
        """Submit a file; killed as soon as `stop_at` says so of the rows done."""
        command = [str(SCRIPTS / "member"), "--home", self.sandbox.home(self.member), "submit", str(path), "--json"]
        started = time.monotonic()
        progress: list[tuple[float, int]] = []
        with (
            tempfile.TemporaryFile("w+") as printed,
            subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=printed, stderr=subprocess.PIPE, text=True
            ) as process,
        ):
            self.pid = process.pid
            for line in process.stderr or ():
                tell(f"{self.member}: {line.rstrip()}")
                found, sample = _PROGRESS.match(line), read_sample(process.pid)
                if found and sample:
                    progress.append((sample.processor, int(found.group(1).replace(",", ""))))
                    if stop_at(progress[-1][1]):
                        process.send_signal(signal.SIGKILL)
            status = process.wait()
            self.pid = None
            printed.seek(0)
            text = printed.read()
        processor = progress[-1][0] if progress else 0.0
        return Upload(status, json.loads(text) if text else {}, time.monotonic() - started, progress, processor)


def large_file(folder: Path, rows: int) -> Path:
    """A file of that many rows, one in a hundred standing twice."""
    distinct = -(-rows * REPEATED_EVERY // (REPEATED_EVERY + 1))
    indicators = with_repeats((make_indicator(number) for number in range(distinct)), REPEATED_EVERY)
    path = write_file(folder / "large.csv", (one for one, _ in zip(indicators, range(rows), strict=False)))
    return path


def planted(rows: int) -> list[Indicator]:
    """Indicators of the large file, spread over it."""
    distinct = rows * REPEATED_EVERY // (REPEATED_EVERY + 1)
    return [make_indicator(number * (distinct // PLANTED) + number % 10) for number in range(PLANTED)]


def keyholders(sandbox: RunningSandbox, *arguments: str) -> None:
    """One command at every key holder."""
    for home in sorted((sandbox.folder / "holders").iterdir()):
        done = run("keyholder", "--home", str(home), *arguments)
        assert done.status == 0, (done.document, done.said)


def upload_all(sandbox: RunningSandbox, uploader: Uploader, path: Path, rows: int, checks: Checks) -> dict[str, Any]:
    """The large file: killed at a third, short of budget on the way, granted, finished."""
    share = -(-rows * 2 // 3)  # t of n holders answer each row
    keyholders(sandbox, "allow", uploader.member, "--evaluations", str(share // 2))
    first = uploader.submit(path, lambda done: done * 3 >= rows)
    checks.check("the upload was killed", first.status == -signal.SIGKILL, first.status)
    second = uploader.submit(path)
    error = second.document.get("error", {})
    checks.check(
        "without budget the upload stops and says why",
        second.status == 1 and error.get("type") == "budget_exhausted" and "grant" in str(error.get("hint")),
        error,
    )
    until = (datetime.now(UTC) + timedelta(days=7)).date().isoformat()
    keyholders(sandbox, "grant", uploader.member, "--evaluations", str(share), "--until", until)
    third = uploader.submit(path)
    found = third.document
    checks.check("after a grant it goes on to the end", third.status == 0, found.get("error"))
    accepted, duplicates = found.get("accepted", 0), found.get("duplicates", 0)
    counts = (accepted, duplicates, len(found.get("rejected", ())))
    distinct = rows - rows // (REPEATED_EVERY + 1)
    checks.check("every row is accounted for", counts == (distinct, rows - distinct, 0), counts)
    checks.check("the uploader is told the planted overlap", found.get("hits") == PLANTED, found.get("hits"))
    runs = (first, second, third)
    return {
        "seconds": round(sum(one.seconds for one in runs), 1),
        "seconds_of_runs": [round(one.seconds, 1) for one in runs],
        "rows_per_second": round(rows / sum(one.seconds for one in runs)),
        "processor_seconds": round(sum(one.processor_seconds for one in runs), 1),
        "milliseconds_a_row_by_tenth": tenths(third.progress),
        "accepted": accepted,
        "duplicates": duplicates,
        "message_without_budget": error,
    }


def tenths(progress: list[tuple[float, int]]) -> list[float]:
    """The member's processor time for each row, in ten stretches of a call: it must not rise with what is stored.

    The first is cheap where the call passes over what an earlier one has sent.
    """
    if len(progress) < 11:
        return []
    step = (len(progress) - 1) / 10
    marks = [progress[round(number * step)] for number in range(11)]
    return [round(1000 * (end[0] - start[0]) / (end[1] - start[1]), 3) for start, end in pairwise(marks)]


def time_batches(sandbox: RunningSandbox, client: Connected) -> dict[str, float]:
    """What a batch of 10,000 random tokens costs, over HTTP, from request to receipt."""
    seconds, before = [], exchange_processor_seconds(sandbox)
    for _ in range(BATCHES):
        seconds.append(send_batch(client))
    middle = statistics.median(seconds)
    return {
        "median_seconds": round(middle, 3),
        "worst_seconds": round(max(seconds), 3),
        "rows_per_second": round(BATCH / middle),
        "processor_seconds_each": round((exchange_processor_seconds(sandbox) - before) / BATCHES, 3),
    }


def send_batch(client: Connected) -> float:
    """Seconds that one batch took."""
    body = submission_body([secrets.token_bytes(32) for _ in range(BATCH)])
    started = time.perf_counter()
    answer = client.submit(body)
    assert answer.status_code == 201, (answer.status_code, answer.text[:500])
    return time.perf_counter() - started


def exchange_processor_seconds(sandbox: RunningSandbox) -> float:
    """What the exchange's worker processes have used so far."""
    samples = [read_sample(pid) for pid in children_of(sandbox.pids()["exchange"])]
    return sum(sample.processor for sample in samples if sample is not None)


def send_at_once(client: Connected) -> dict[str, float]:
    """Sixteen batches of 10,000 rows at once, so that every thread of the exchange has one in its hands."""
    started = time.perf_counter()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        seconds = list(pool.map(lambda _: send_batch(client), range(AT_ONCE)))
    total = time.perf_counter() - started
    return {"worst_seconds": round(max(seconds), 1), "rows_per_second": round(AT_ONCE * BATCH / total)}


def check_hits(sandbox: RunningSandbox, rows: int, checks: Checks) -> None:
    """Both members are told the planted overlap and nothing else."""
    expected = {(one.indicator_type, one.canonical) for one in planted(rows)}
    for member in ("a", "b"):
        hits = sandbox.member(member, "hits").document.get("hits", [])
        found = {(hit["indicator_type"], value) for hit in hits for value in hit["values"]}
        checks.check(f"{member} is told exactly what was planted", found == expected, (len(found), len(expected)))


def verify_logs(sandbox: RunningSandbox, checks: Checks) -> None:
    """The log verifies for both members."""
    for member in ("a", "b"):
        done = sandbox.member(member, "log", "verify")
        checks.check(f"the log verifies for {member}", done.status == 0, done.document.get("entries"))


def processes(sandbox: RunningSandbox, uploader: Uploader, server: PostgresqlServer | None) -> Mapping[str, int]:
    """Every process that takes part, by name."""
    try:
        roots = {"sandbox": sandbox.process.pid} | sandbox.pids()
    except (OSError, ValueError):
        return {}
    found = with_children({name: pid for name, pid in roots.items() if name != "sandbox"})
    found["sandbox"] = roots["sandbox"]
    if uploader.pid is not None:
        found["member"] = uploader.pid
    if server is not None:
        found |= {f"postgresql/{number}": pid for number, pid in enumerate(children_of(server.process.pid))}
    return found


def measure(folder: Path, rows: int, stored: int, server: PostgresqlServer | None, url: str | None) -> dict[str, Any]:
    """Everything on one database; the document to print."""
    checks = Checks()
    figures: dict[str, Any] = {"rows": rows, "stored": stored, "database": "PostgreSQL" if url else "SQLite"}
    path, small = large_file(folder, rows), folder / "small.csv"
    others = [make_indicator(2 * rows + number) for number in range(BATCH - PLANTED)]
    write_file(small, [*planted(rows), *others])
    tell(f"{path.name}: {size_of(folder):.0f} MiB")
    options = ["--banks", "a,b", "--indicators", str(stored), *(["--database-url", url] if url else [])]
    started = time.monotonic()
    with sandbox_process(folder / "sandbox", *options, seconds=900) as sandbox:
        figures["ready_seconds"] = round(time.monotonic() - started, 1)
        tell(f"the sandbox is ready after {figures['ready_seconds']} s")
        uploader = Uploader(sandbox, "a")
        client = connect(Path(sandbox.home("b")), sandbox.description["exchange_url"])
        with Watch(lambda: processes(sandbox, uploader, server)) as watch:
            figures["batch_at_stored"] = time_batches(sandbox, client)
            figures["sixteen_at_once"] = send_at_once(client)
            figures["memory_before_upload"] = watch.peaks()
            done = sandbox.member("b", "submit", str(small))
            checks.check("b submits its file", done.document.get("accepted") == BATCH, done.document.get("error"))
            figures["upload"] = upload_all(sandbox, uploader, path, rows, checks)
            figures["batch_after_upload"] = time_batches(sandbox, client)
            check_hits(sandbox, rows, checks)
            verify_logs(sandbox, checks)
        client.close()
        figures["vault_mib"] = round(size_of(Path(sandbox.home("a"))))
        figures["exchange_mib"] = round(size_of(sandbox.folder / "exchange"))
    figures["memory"] = watch.peaks()
    over = {name: peak["peak_mib"] for name, peak in watch.peaks().items() if peak["peak_mib"] >= LIMIT_MIB}
    checks.check(f"every process stayed under {LIMIT_MIB} MiB", not over, over or None)
    return figures | {"failed": checks.failed}


def run_on(folder: Path, rows: int, stored: int, database_url: str | None) -> dict[str, Any]:
    """The measurement on the database that was asked for."""
    if database_url != "postgresql":
        return measure(folder, rows, stored, None, database_url)
    with postgresql_server("shared_buffers=256MB", "max_wal_size=4GB") as server:
        return measure(folder, rows, stored, server, server.url())


def main() -> int:
    """Exit status 0 when every check holds."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=1_000_000, help="rows of the file (default 1,000,000)")
    parser.add_argument("--stored", type=int, default=1_000_000, help="generated rows stored before")
    parser.add_argument("--database-url", help="a PostgreSQL URL, or the word postgresql")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="million-") as folder:
        figures = run_on(Path(folder), arguments.rows, arguments.stored, arguments.database_url)
    print(json.dumps(figures, indent=2))  # noqa: T201
    return int(bool(figures["failed"]))


if __name__ == "__main__":
    sys.exit(main())
