"""The worker: one sequencer at a time, each slot of a job once, a clean end."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import pytest
from apscheduler.events import EVENT_JOB_MAX_INSTANCES
from structlog.testing import capture_logs

from exchange.log.reading import read_status
from exchange.log.sequencer import CARRIED_TICKS
from exchange.operations.jobs import Job
from exchange.programs.late_jobs import LateJobs
from exchange.programs.worker import Worker, exchange_jobs
from tests.exchange.factories import make_token
from tests.taskforce.founding import Taskforce

NewTaskforce = Callable[..., Taskforce]


def make_worker(taskforce: Taskforce, jobs: list[Job]) -> Worker:
    """A worker on the taskforce's database."""
    sequencer = taskforce.make_sequencer()
    return Worker(taskforce.database, sequencer, tick_seconds=60, jobs=jobs, clock=taskforce.clock)


def settle(worker: Worker) -> None:
    """Ticks until every entry has its place."""
    for _ in range(CARRIED_TICKS + 1):
        assert worker.tick()


def test_of_two_workers_one_ticks_until_it_gives_its_lease_back(new_taskforce: NewTaskforce, tmp_path: Path) -> None:
    taskforce = new_taskforce("a")
    one, other = (make_worker(taskforce, []) for _ in range(2))
    assert one.tick()
    assert not other.tick()
    assert one.tick()
    one.give_back_lease()
    assert other.tick()
    assert not one.tick()


def test_a_worker_that_died_is_followed_once_its_lease_has_run_out(new_taskforce: NewTaskforce, tmp_path: Path) -> None:
    taskforce = new_taskforce("a")
    one, other = (make_worker(taskforce, []) for _ in range(2))
    assert one.tick()
    taskforce.clock.advance(seconds=181)  # type: ignore[attr-defined]
    assert other.tick()
    assert not one.tick()


def test_after_a_tick_the_members_entries_are_in_the_published_log(new_taskforce: NewTaskforce, tmp_path: Path) -> None:
    taskforce = new_taskforce("a")
    a = taskforce.members["a"]
    a.submit([make_token()])
    settle(make_worker(taskforce, []))
    page = a.send("GET", "/log/entries").get_json()
    assert page["pending"] == []
    assert [entry["number"] for entry in page["entries"]] == list(range(1, len(page["entries"]) + 1))
    assert taskforce.send_unsigned("GET", "/log/checkpoint").text.startswith(taskforce.settings.log_origin)
    assert a.send("GET", "/v1/status").get_json()["log"]["size"] >= len(page["entries"])


def test_each_slot_of_a_job_runs_once_whoever_comes(new_taskforce: NewTaskforce, tmp_path: Path) -> None:
    taskforce = new_taskforce("a")
    ran: list[datetime] = []
    job = Job("count", 60, ran.append)
    workers = [make_worker(taskforce, [job]) for _ in range(3)]
    assert sorted(worker.run_job(job) for worker in workers) == [False, False, True]
    taskforce.clock.advance(seconds=60)  # type: ignore[attr-defined]
    assert sum(worker.run_job(job) for worker in workers) == 1
    assert len(ran) == 2


def test_a_failing_job_stops_no_other(new_taskforce: NewTaskforce, tmp_path: Path) -> None:
    taskforce = new_taskforce("a")

    def fail(now: datetime) -> None:
        raise ValueError(f"at {now}")

    worker = make_worker(taskforce, [])
    assert not worker.run_job(Job("fail", 60, fail))
    assert all(worker.run_job(job) for job in exchange_jobs(taskforce.database))


def test_a_job_that_keeps_failing_is_told_once_and_when_it_is_over(new_taskforce: NewTaskforce, tmp_path: Path) -> None:
    taskforce = new_taskforce("a")
    faults: list[Exception | None] = [*[OSError("disk")] * 5, *[ValueError("other")] * 3, None, None, OSError("disk")]
    ran = iter(faults)

    def work(now: datetime) -> None:
        if fault := next(ran):
            raise fault

    worker = make_worker(taskforce, [])
    with capture_logs() as said:
        for _ in faults:
            worker.run_job(Job("work", 60, work))
            taskforce.clock.advance(seconds=60)  # type: ignore[attr-defined]
    shown = [(line["event"], line["job"], line.get("error", line.get("times"))) for line in said]
    assert shown == [
        ("job failed", "work", "OSError"),
        ("job failed", "work", "ValueError"),
        ("job failed: over", "work", 8),
        ("job failed", "work", "OSError"),
    ]


def test_a_tick_that_keeps_failing_is_told_once_and_when_it_is_over(
    new_taskforce: NewTaskforce, tmp_path: Path
) -> None:
    taskforce = new_taskforce("a")
    worker = make_worker(taskforce, [])
    head, away = taskforce.settings.head_file, tmp_path / "away"
    head.rename(away)
    with capture_logs() as said:
        assert not any(worker.tick() for _ in range(5))
        away.rename(head)
        assert worker.tick()
    assert [line["event"] for line in said if line["log_level"] == "warning"] == ["tick failed", "tick failed: over"]


def test_a_job_that_hangs_is_told_once_and_when_it_is_over(
    new_taskforce: NewTaskforce, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Due every second and stopped for three, as when the store does not answer."""
    taskforce = new_taskforce("a")
    hangs, skipped = threading.Event(), threading.Semaphore(0)
    worker = make_worker(taskforce, [])
    scheduler = worker._scheduler
    scheduler.add_listener(lambda event: skipped.release(), EVENT_JOB_MAX_INSTANCES)
    worker._add("work", lambda: hangs.wait(60), 1, "default")
    with capture_logs() as said:
        running = threading.Thread(target=scheduler.start)
        running.start()
        for _ in range(3):
            assert skipped.acquire(timeout=60)
        hangs.set()
        deadline = time.monotonic() + 60
        while len(said) < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
        worker.stop()
        running.join()
    events = [line["event"] for line in said]
    assert events == [LateJobs.EVENT, f"{LateJobs.EVENT}: over"]
    assert said[1]["times"] >= 3
    assert "skipped" not in caplog.text


def test_sigterm_ends_a_worker_after_its_tick(new_taskforce: NewTaskforce, tmp_path: Path) -> None:
    taskforce = new_taskforce("a")
    worker = make_worker(taskforce, [])
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}

    def end_once_ticked() -> None:
        waited = threading.Event()
        while True:
            with taskforce.database.reading() as session:
                if read_status(session).size > 0:
                    break
            waited.wait(0.05)
        os.kill(os.getpid(), signal.SIGTERM)

    ending = threading.Thread(target=end_once_ticked)
    ending.start()
    try:
        worker.run()
    finally:
        ending.join()
        for number, handler in before.items():
            signal.signal(number, handler)
    other = make_worker(taskforce, [])
    assert other.tick()
