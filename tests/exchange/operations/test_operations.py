"""Readiness, metrics and the report: right on both databases and across processes, and without a member's name."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sysconfig
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families
from sqlalchemy import text

from exchange.log.entries import View, record_event
from exchange.operations.figures import report_figures
from exchange.operations.jobs import Job
from exchange.programs.metrics_commands import make_registry
from exchange.web.measures import start_measuring
from keys.signatures.messages import SigningKey
from schemas.values.encoding import to_base64
from tests.exchange.corrections.taking_back import make_outcome
from tests.exchange.factories import make_token
from tests.exchange.operations.test_worker import make_worker, settle
from tests.ports import free_port
from tests.taskforce.founding import Taskforce

NewTaskforce = Callable[..., Taskforce]
PROGRAM = Path(sysconfig.get_path("scripts")) / "exchange"


def exposition(taskforce: Taskforce, folder: Path) -> dict[str, float]:
    """The operator's metrics, by sample."""
    registry = make_registry(folder, taskforce.database, taskforce.clock)
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in families
        for sample in family.samples
    }


def ready(taskforce: Taskforce) -> tuple[int, dict[str, Any]]:
    answer = taskforce.send_unsigned("GET", "/readyz")
    return answer.status_code, answer.get_json()


def test_ready_means_database_tables_and_log(new_taskforce: NewTaskforce, tmp_path: Path) -> None:
    taskforce = new_taskforce("a")
    assert ready(taskforce) == (200, {"status": "ready", "worker": "absent"})
    worker = make_worker(taskforce, [])
    assert worker.tick()
    assert ready(taskforce) == (200, {"status": "ready", "worker": "alive"})
    taskforce.members["a"].submit([make_token()])
    taskforce.clock.advance(seconds=taskforce.settings.log_stale_seconds + 1)  # type: ignore[attr-defined]
    status, problem = ready(taskforce)
    assert (status, problem["title"][:20]) == (503, "The log stands still")
    assert worker.tick()
    assert ready(taskforce)[0] == 200
    with taskforce.database.engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    status, problem = ready(taskforce)
    assert status == 503
    assert "another version" in problem["title"]
    assert taskforce.send_unsigned("GET", "/healthz").status_code == 200


def test_readiness_does_not_show_an_act_while_the_worker_is_down(new_taskforce: NewTaskforce, tmp_path: Path) -> None:
    """The attacker sees only /readyz: it answers the same, whether and whenever an agency acts under cover."""
    taskforce = new_taskforce("a")
    stale = taskforce.settings.log_stale_seconds

    def seen(acts_after: int | None) -> list[int]:
        settle(make_worker(taskforce, []))
        statuses = []
        for second in range(0, 4 * stale, stale // 4):
            if acts_after == second:
                with taskforce.database.transaction() as session:
                    record_event(session, "le_query_read", [View("a", {})], taskforce.clock())
            statuses.append(ready(taskforce)[0])
            taskforce.clock.advance(seconds=stale // 4)  # type: ignore[attr-defined]
        return statuses

    nobody = seen(None)
    assert {200, 503} == set(nobody)
    assert all(seen(after) == nobody for after in (0, stale, 2 * stale))


def test_the_public_metrics_say_nothing_of_what_happens_between_two_ticks(
    new_taskforce: NewTaskforce, tmp_path: Path
) -> None:
    taskforce = new_taskforce("a")
    assert make_worker(taskforce, []).tick()
    before = taskforce.send_unsigned("GET", "/metrics").text
    for _ in range(3):
        assert taskforce.members["a"].submit([make_token()]).status_code == 201
    taskforce.send_unsigned("GET", "/v1/hits")
    assert taskforce.send_unsigned("GET", "/metrics").text == before


def test_the_operators_metrics_count_what_waits_and_name_nobody(new_taskforce: NewTaskforce, tmp_path: Path) -> None:
    taskforce = new_taskforce("bank-canary")
    member = taskforce.members["bank-canary"]
    worker = make_worker(taskforce, [])
    found = exposition(taskforce, tmp_path / "none")
    assert (found["exchange_up"], found["exchange_worker_alive"]) == (1, 0)
    assert "exchange_log_head_age_seconds" not in found  # nothing was signed yet: missing, not zero
    waiting = found["exchange_log_pending"]
    assert member.submit([make_token()]).status_code == 201
    taskforce.clock.advance(seconds=30)  # type: ignore[attr-defined]
    found = exposition(taskforce, tmp_path / "none")
    assert found["exchange_log_pending"] == waiting + 1
    assert found["exchange_log_oldest_wait_seconds"] >= 30
    assert found["exchange_database_bytes"] > 10_000
    settle(worker)
    taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
    found = exposition(taskforce, tmp_path / "none")
    assert (found["exchange_log_pending"], found["exchange_log_head_age_seconds"]) == (0, 5)
    assert found["exchange_worker_alive"] == 1
    assert not [name for name in found if "canary" in name]


def test_a_job_that_only_fails_never_counts_as_done(new_taskforce: NewTaskforce, tmp_path: Path) -> None:
    taskforce = new_taskforce("a")

    def fail(now: Any) -> None:
        raise ValueError(now)

    worker = make_worker(taskforce, [])
    assert not worker.run_job(Job("broken", 60, fail))
    assert worker.run_job(Job("sound", 60, lambda now: None))
    taskforce.clock.advance(seconds=7)  # type: ignore[attr-defined]
    found = exposition(taskforce, tmp_path / "none")
    assert (found["exchange_job_never_succeeded broken"], found["exchange_job_never_succeeded sound"]) == (1, 0)
    assert found["exchange_job_success_age_seconds sound"] == 7
    assert "exchange_job_success_age_seconds broken" not in found


def test_requests_are_counted_by_route_and_rule_not_client_input(
    new_taskforce: NewTaskforce,
) -> None:
    taskforce = new_taskforce("bank-canary")
    app = taskforce.make_app(taskforce.database)
    measures = start_measuring(app)
    member = taskforce.members["bank-canary"]
    token = make_token()
    assert member.submit([token], app=app).status_code == 201
    assert member.submit([token], envelope={"purpose": ""}, app=app).status_code == 403
    assert taskforce.send_unsigned("GET", "/v1/hits", app=app).status_code == 401
    assert taskforce.send_unsigned("GET", "/log/tile/0/canary", app=app).status_code == 404
    assert taskforce.send_unsigned("GET", "/canary/secret?canary=1", app=app).status_code in (400, 404)
    assert taskforce.send_unsigned("CANARY", "/healthz", app=app).status_code in (400, 405)
    shown = generate_latest(measures.registry).decode()
    assert 'exchange_requests_total{method="POST",route="/v1/submissions",status="2xx"} 1.0' in shown
    assert 'exchange_requests_total{method="POST",route="/v1/submissions",status="4xx"} 1.0' in shown
    assert 'route="/log/tile/<path:path>"' in shown
    assert re.search(r'exchange_refusals_total\{problem="refused",reason="[a-z_-]+"\} 1\.0', shown)
    assert re.search(r'exchange_refusals_total\{problem="unauthenticated",reason="[a-z_-]+"\} 1\.0', shown)
    lowered = shown.lower()
    assert "canary" not in lowered
    assert to_base64(token).lower() not in lowered


@pytest.fixture
def served(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A real exchange of two serving processes: its address and home."""
    registrars = {"registrar_id": "necc", "public_key": to_base64(SigningKey.generate().public_bytes)}
    (tmp_path / "registrars.json").write_text(json.dumps({"quorum": 1, "registrars": [registrars]}))
    (tmp_path / "passphrase").write_text("a passphrase of the tests\n")
    (tmp_path / "passphrase").chmod(0o600)
    home = tmp_path / "home"
    command = [str(PROGRAM), "--home", str(home)]
    arguments = ["--registrars", str(tmp_path / "registrars.json"), "--url", "https://exchange.test"]
    arguments += ["--exchange-id", "uk", "--passphrase-file", str(tmp_path / "passphrase")]
    subprocess.run([*command, "init", *arguments], check=True, capture_output=True)
    port = free_port()
    with (tmp_path / "log").open("wb") as log:
        process = subprocess.Popen([*command, "serve", "--port", str(port), "--workers", "2"], stdout=log, stderr=log)
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_healthy(url, process)
        yield url, home
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def wait_until_healthy(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        assert process.poll() is None
        try:
            httpx.get(f"{url}/healthz").raise_for_status()
        except httpx.TransportError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError("the exchange did not start")


def counted(home: Path) -> dict[str, float]:
    """What `exchange metrics` prints of requests, by route and status class."""
    done = subprocess.run([str(PROGRAM), "--home", str(home), "metrics"], check=True, capture_output=True, text=True)
    pattern = re.compile(r'^exchange_requests_total\{method="GET",route="(.*)",status="(.*)"\} (.*)$', re.MULTILINE)
    return {f"{route} {status}": float(value) for route, status, value in pattern.findall(done.stdout)}


def test_counts_of_several_serving_processes_add_up(served: tuple[str, Path]) -> None:
    url, home = served
    before = counted(home)["/healthz 2xx"]
    for number in range(40):
        assert httpx.get(f"{url}/healthz").status_code == 200  # a new connection each, so that both serve
        if number % 4 == 0:
            assert httpx.get(f"{url}/v1/hits").status_code == 401
    found = counted(home)
    assert found["/healthz 2xx"] == before + 40
    assert found["/v1/hits 4xx"] == 10
    files = {path.name for path in (home / "run" / "measures").iterdir()}
    assert len({name.rpartition("_")[2] for name in files}) == 2  # one set of files for each process


def test_the_operators_metrics_have_a_listener_of_their_own(served: tuple[str, Path]) -> None:
    url, home = served
    command = [str(PROGRAM), "--home", str(home), "metrics", "--port", "0", "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        own = json.loads(process.stdout.readline())["url"]
        shown = httpx.get(own).text
    finally:
        process.terminate()
        process.wait(timeout=30)
    assert "exchange_requests_total" in shown
    assert "exchange_log_pending" in shown
    public = httpx.get(f"{url}/metrics").text
    assert "exchange_requests" not in public
    assert "pending" not in public


def test_the_report_counts_by_month_and_shows_what_is_missing_as_missing(
    new_taskforce: NewTaskforce, tmp_path: Path
) -> None:
    taskforce = new_taskforce("bank-canary", "other-canary")
    a, b = taskforce.members.values()
    with taskforce.database.reading() as session:
        first = report_figures(session)
    assert (first.rows_live, first.hits_live, first.log_signed_at) == (0, 0, None)
    tokens = [make_token() for _ in range(3)]
    assert a.submit(tokens).status_code == 201
    assert a.submit(tokens[:1], envelope={"purpose": ""}).status_code == 403
    assert first.outcomes == {}
    taskforce.clock.advance(days=40)  # type: ignore[attr-defined]
    submitted = b.submit(tokens[:2])
    assert submitted.status_code == 201
    make_worker(taskforce, []).tick()
    for hit, worth in zip(submitted.get_json()["hits"], ("useful", None), strict=True):
        outcome = make_outcome("hit", hit["hit_id"], usefulness=worth, arrests=1)
        assert b.send("POST", "/v1/outcomes", outcome).status_code == 201
    with taskforce.database.reading() as session:
        found = report_figures(session)
    assert (found.members, found.rows_live, found.hits_live) == ({"active": 2}, 5, 4)
    assert sum(found.refusals.values()) == 1
    assert found.outcomes == {"not_said": 1, "useful": 1}
    assert [month.month for month in found.months] == ["2026-11", "2027-01"]
    november, january = found.months
    assert (november.submissions, november.rows_accepted) == (1, 3)
    assert (january.submissions, january.rows_accepted) == (1, 2)
    assert november.events["refusal"] == 1
    assert "refusal" not in january.events
    assert january.events["match"] == 1
    assert found.log_signed_at == taskforce.clock()
    with taskforce.database.transaction() as session:
        session.execute(text("UPDATE log_entries SET view = NULL, salt = NULL WHERE kind = 'refusal'"))
    with taskforce.database.reading() as session:
        erased = report_figures(session)
    assert (erased.refusals, erased.refusals_unreadable) == ({}, 1)
    assert "canary" not in repr(found)
