"""What the log costs: disclosures a second with the log on, against the same disclosures without it.

PostgreSQL, four writers in processes of their own, the sequencer ticking every second beside them, as in
production. A disclosure is one transaction: a submission with its rows, the hits that it makes, and its log
entries (one view for the submitter, one or two for others). Runs with and without the log alternate, so that a
busy machine weighs on both; the figure is the median.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import secrets
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any

from sqlalchemy import Column, LargeBinary, MetaData, String, Table, Text, insert

from exchange.kernel.base import Base
from exchange.kernel.leases import LeaseRow, acquire_lease
from exchange.kernel.session import Database, create_database
from exchange.log.entries import View, record_event
from exchange.log.head_file import HeadFile
from exchange.log.sequencer import Sequencer
from exchange.log.tables import (
    LogCheckpoint,
    LogDayHead,
    LogEntry,
    LogLane,
    LogLeaf,
    LogNumber,
    LogPending,
    LogPublication,
    LogTile,
)
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.postgresql import postgresql_server
from tlog.notes import NoteSigner

WRITERS = 4
ROWS, HITS = 20, 4
HOLD = 0.5
_TABLES = (
    *(LogEntry, LogPending, LogLane, LogLeaf, LogNumber, LogTile, LogCheckpoint, LogPublication, LogDayHead),
    LeaseRow,
)

_metadata = MetaData()
_submissions = Table(
    "bench_submissions",
    _metadata,
    Column("submission_id", String(36), primary_key=True),
    Column("member_id", String(64)),
    Column("envelope", Text),
)
_rows = Table(
    "bench_rows",
    _metadata,
    Column("token", LargeBinary(32), primary_key=True),
    Column("group_id", String(64), primary_key=True),
    Column("member_id", String(64), primary_key=True),
    Column("submission_id", String(36)),
    Column("indicator_type", String(32)),
)
_hits = Table(
    "bench_hits",
    _metadata,
    Column("token", LargeBinary(32), primary_key=True),
    Column("member_id", String(64), primary_key=True),
    Column("hit_id", String(36)),
    Column("view_json", Text),
)
_ENVELOPE = json.dumps(
    {"group": "taskforce", "theme": "mules", "purpose": "accounts of one network", "filler": "x" * 300}
)


def _hit(token: bytes) -> dict[str, Any]:
    return {
        "hit_id": uuid7(), "token": to_base64(token), "indicator_type": "bank_account", "institutions": "2-4",
        "sectors": ["banking"], "themes": ["mules"], "first_seen": "2026-11", "stage": "hit",
    }  # fmt: skip


def disclose(database: Database, member_id: str, number: int, with_log: bool) -> None:
    """One disclosure, committed."""
    tokens = [secrets.token_bytes(32) for _ in range(ROWS)]
    submission_id = uuid7()
    others = [f"member-{number % 30}", f"member-{(number + 7) % 30}"][: 1 + number % 2]
    hits = {holder: [_hit(token) for token in tokens[:HITS]] for holder in [member_id, *others]}
    row = {
        "group_id": "taskforce",
        "member_id": member_id,
        "submission_id": submission_id,
        "indicator_type": "bank_account",
    }
    with database.transaction() as session:
        envelope = {"submission_id": submission_id, "member_id": member_id, "envelope": _ENVELOPE}
        session.execute(insert(_submissions), [envelope])
        session.execute(insert(_rows), [row | {"token": token} for token in tokens])
        session.execute(
            insert(_hits),
            [
                {"token": token, "member_id": holder, "hit_id": hit["hit_id"], "view_json": json.dumps(hit)}
                for holder, theirs in hits.items()
                for token, hit in zip(tokens, theirs, strict=False)
            ],
        )
        if with_log:
            views = [View(holder, {"hits": theirs, "ended": []}) for holder, theirs in hits.items()]
            record_event(session, "match", views, datetime.now(UTC), {"submission_id": submission_id})


def _write(url: str, name: str, *, with_log: bool, start: Barrier, stop: Event, done: Any) -> None:
    database = create_database(url, pool_size=1)
    disclose(database, name, 0, with_log)  # connected, statements compiled
    start.wait()
    count = 0
    while not stop.is_set():
        disclose(database, name, count, with_log)
        count += 1
    done.put(count)
    database.dispose()


def _tick(url: str, head: Path, seed: bytes, stop: Event) -> None:
    database = create_database(url, pool_size=1)
    signer = NoteSigner("bench.example/log", seed)
    sequencer = Sequencer(database, signer, HeadFile(head, signer))
    with database.transaction() as session:
        lease = acquire_lease(session, "sequencer", "bench", datetime.now(UTC), timedelta(days=1))
    assert lease is not None
    while not stop.wait(1):
        sequencer.tick(datetime.now(UTC), lease)
    while sequencer.tick(datetime.now(UTC), lease).entries:
        pass
    database.dispose()


@contextmanager
def _sequencing(url: str, folder: Path) -> Iterator[None]:
    head, seed = folder / f"head-{secrets.token_hex(4)}", secrets.token_bytes(32)
    signer = NoteSigner("bench.example/log", seed)
    HeadFile(head, signer).create()
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    process = context.Process(target=_tick, args=(url, head, seed, stop))
    process.start()
    try:
        yield
    finally:
        stop.set()
        process.join()


def measure(url: str, folder: Path, seconds: float, with_log: bool) -> float:
    """Disclosures a second of WRITERS processes over an empty database."""
    database = create_database(url)
    log_tables = [table.__table__ for table in _TABLES]
    tables = [table for table in log_tables if isinstance(table, Table)]
    for metadata, chosen in ((_metadata, None), (Base.metadata, tables)):
        metadata.drop_all(database.engine, chosen)
        metadata.create_all(database.engine, chosen)
    database.dispose()
    if not with_log:
        return _run_writers(url, seconds, with_log=False)
    with _sequencing(url, folder):
        return _run_writers(url, seconds, with_log=True)


def _run_writers(url: str, seconds: float, with_log: bool) -> float:
    context = multiprocessing.get_context("spawn")
    start, stop, done = context.Barrier(WRITERS + 1), context.Event(), context.SimpleQueue()
    names = [f"writer-{number}" for number in range(WRITERS)]
    shared = {"with_log": with_log, "start": start, "stop": stop, "done": done}
    writers = [context.Process(target=_write, args=(url, name), kwargs=shared) for name in names]
    for writer in writers:
        writer.start()
    start.wait()
    began = time.perf_counter()
    timer = threading.Timer(seconds, stop.set)
    timer.start()
    count: int = sum(done.get() for _ in writers)
    elapsed = time.perf_counter() - began
    for writer in writers:
        writer.join()
    return count / elapsed


def run(url: str, seconds: float, runs: int) -> None:
    """Print the figure as one JSON line."""
    with tempfile.TemporaryDirectory() as folder:
        pairs = [
            (measure(url, Path(folder), seconds, with_log=True), measure(url, Path(folder), seconds, with_log=False))
            for _ in range(runs)
        ]
    # The pair in the middle, not the middle of each column: its two runs met the same machine.
    logged, unlogged = sorted(pairs, key=lambda pair: pair[0] / pair[1])[len(pairs) // 2]
    line = {
        "name": f"log: disclosures a second with the log on (PostgreSQL, {WRITERS} writers, median of {runs} runs)",
        "value": round(logged, 1),
        "unit": "disclosures/s",
        "reference": "the same without the log",
        "reference_value": round(unlogged, 1),
        "ratio": round(logged / unlogged, 3),
    }
    print(json.dumps(line))


def main() -> None:
    """Run against --database-url, or a PostgreSQL server of our own."""
    parser = argparse.ArgumentParser(description=f"What the log costs; hold a ratio of {HOLD}.")
    parser.add_argument("--database-url", help="an empty PostgreSQL database; its tables are dropped")
    parser.add_argument("--seconds", type=float, default=5.0, help="length of a run")
    parser.add_argument("--runs", type=int, default=5, help="pairs of runs")
    options = parser.parse_args()
    if options.database_url:
        run(options.database_url, options.seconds, options.runs)
        return
    with postgresql_server() as server:
        run(server.url(), options.seconds, options.runs)


if __name__ == "__main__":
    main()
