"""TAXII: pages of 100 objects a second, first and deep in a feed of many; and a thousand subscribers that poll.

Prints one JSON line a figure:
1. first and deep pages of our feed, and how deep pages stand to first ones. The reference is a bare Flask + sqlite3
   handler that returns the same stored bytes by primary key, without tokens, rights, log or description. Both are
   served by the same server, one gunicorn worker, and asked by one client on loopback; rounds alternate, medians count.
2. The first reading of pages, each of which also records its disclosure in the log.
3. medallion, the reference server of OASIS, at a size that it survives, if `--medallion` names a Python that has it
   (`pip install medallion` in an environment of its own); beside it our feed of the same size.
4. `--subscribers` members that poll for what is new, by a few connections at once: requests a second, and how long
   answers take.

A quarter of the alerts is for others than the reader, so that its pages leave something out.
"""

from __future__ import annotations

import argparse
import base64
import json
import sqlite3
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from statistics import median, quantiles
from uuid import uuid4

from flask import Flask, Response, request
from sqlalchemy import select

from alerts.feeds.filters import write_time
from alerts.feeds.taxii import CONTENT_TYPE, STIX_TYPE
from alerts.store.alerts import StoredAudience
from alerts.store.feed_objects import FeedObject
from bench.feed_store import feed_store, tell_all, token_of
from edge.logs import configure_logs
from edge.serving import Server
from tests.load.served import serve
from tests.ports import free_port
from tests.taskforce.founding import Taskforce

OBJECTS = 100_000
SMALL = 1_000
SUBSCRIBERS = 1_000
CONNECTIONS = 8
ROUNDS = 7
PAGES = 100
WARM_UP = 5
HOLD = 0.5
DEEP = 0.9
ACCEPT = {"Accept": CONTENT_TYPE}


@dataclass
class Feed:
    """A served feed: how to ask for a page of it, and where a deep one begins."""

    port: int
    path: str
    headers: dict[str, str]
    deep: str

    def ask(self, query: str, times: int) -> float:
        """Seconds that so many requests for the same page took, on one connection."""
        connection = HTTPConnection("127.0.0.1", self.port)
        took = 0.0
        for number in range(times + WARM_UP):
            began = time.perf_counter()
            connection.request("GET", f"{self.path}?{query}", headers=self.headers)
            answer = connection.getresponse()
            body = answer.read()
            if answer.status != 200 or not body:
                raise RuntimeError(f"{self.path}: {answer.status} {body[:200]!r}")
            took += time.perf_counter() - began if number >= WARM_UP else 0.0
        connection.close()
        return took

    def rate(self, query: str) -> float:
        """Pages a second."""
        return PAGES / self.ask(query, PAGES)

    def first(self) -> float:
        """First pages a second."""
        return self.rate("limit=100")

    def deeper(self) -> float:
        """Deep pages a second."""
        return self.rate(f"limit=100&{self.deep}")


def main() -> None:
    """Run all of it."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--objects", type=int, default=OBJECTS, help=f"objects stored (default {OBJECTS:,})")
    parser.add_argument("--subscribers", type=int, default=SUBSCRIBERS, help=f"default {SUBSCRIBERS:,}")
    parser.add_argument("--medallion", metavar="PYTHON", help="a Python interpreter that has medallion installed")
    parser.add_argument("--serve-bare", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.serve_bare:
        serve_bare(Path(chosen.serve_bare[0]), int(chosen.serve_bare[1]))
        return
    configure_logs()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-taxii-")))
        taskforce = stack.enter_context(feed_store(f"sqlite:///{folder / 'large.db'}", folder, chosen.objects))
        compare_pages(taskforce, folder, chosen.objects)
        compare_first_readings(taskforce, folder)
        measure_subscribers(taskforce, folder, chosen.subscribers)
    if chosen.medallion:
        compare_medallion(chosen.medallion)


def compare_pages(taskforce: Taskforce, folder: Path, objects: int) -> None:
    """Figure 1."""
    tell_all(taskforce, "bank-b")
    rows = visible(taskforce)
    with ours(taskforce, folder) as feed, bare(rows, folder) as reference:
        rounds = [(feed.first(), reference.first(), feed.deeper(), reference.deeper()) for _ in range(ROUNDS + 1)][
            1:
        ]  # the first round warms up
    first, bare_first, deep, bare_deep = (median(column) for column in zip(*rounds, strict=True))
    stored = f"of 100 objects at {objects:,} stored"
    report(f"TAXII: first pages {stored}", first, "pages/s", "bare Flask + sqlite3", bare_first)
    report(f"TAXII: deep pages {stored}", deep, "pages/s", "bare Flask + sqlite3", bare_deep)
    report(f"TAXII: deep pages beside first ones, {stored}", deep, "pages/s", "first pages", first)


def compare_first_readings(taskforce: Taskforce, folder: Path) -> None:
    """Figure 2: a member that never read walks some pages, each new to it."""
    with ours(taskforce, folder, "agency") as feed:
        connection = HTTPConnection("127.0.0.1", feed.port)
        rates = []
        for _ in range(2):
            began, query, pages = time.perf_counter(), "limit=100", 0
            while pages < PAGES and query:
                connection.request("GET", f"{feed.path}?{query}", headers=feed.headers)
                page = json.loads(connection.getresponse().read())
                query = f"limit=100&next={page['next']}" if page.get("more") else ""
                pages += 1
            rates.append(pages / (time.perf_counter() - began))
    report("TAXII: pages read for the first time, each logged", rates[0], "pages/s", "the same pages again", rates[1])


def measure_subscribers(taskforce: Taskforce, folder: Path, subscribers: int) -> None:
    """Figure 4."""
    members = [f"subscriber-{number}" for number in range(min(subscribers, 20))]
    for member_id in members:
        taskforce.add_member(member_id)
    taskforce.state_group(["bank-a", "bank-b", "agency", *members])
    tokens = [token_of(taskforce, members[number % len(members)]) for number in range(subscribers)]
    with ours(taskforce, folder) as feed:
        alone = feed.rate("added_after=2099-01-01T00:00:00Z")
        turn, took = count(), list[float]()

        def poll() -> None:
            connection = HTTPConnection("127.0.0.1", feed.port)
            while (number := next(turn)) < 3 * subscribers:
                headers = {**ACCEPT, "Authorization": f"Bearer {tokens[number % subscribers]}"}
                began = time.perf_counter()
                connection.request("GET", f"{feed.path}?added_after=2099-01-01T00:00:00Z", headers=headers)
                answer = connection.getresponse()
                if answer.read() != b"{}" or answer.status != 200:
                    raise RuntimeError(f"a poll was answered {answer.status}")
                took.append(time.perf_counter() - began)

        threads = [threading.Thread(target=poll) for _ in range(CONNECTIONS)]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        rate = len(took) / (time.perf_counter() - began)
    if len(took) != 3 * subscribers:
        raise RuntimeError("polls were lost")
    name = f"TAXII: {subscribers:,} subscribers polling, {CONNECTIONS} at once"
    report(name, rate, "requests/s", "one subscriber", alone)
    report(f"{name}: p50", median(took) * 1000, "ms", "one subscriber", 1000 / alone)
    report(f"{name}: p95", quantiles(took, n=20)[-1] * 1000, "ms", "one subscriber", 1000 / alone)


def compare_medallion(python: str) -> None:
    """Figure 3."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-taxii-")))
        taskforce = stack.enter_context(feed_store(f"sqlite:///{folder / 'small.db'}", folder, SMALL))
        tell_all(taskforce, "bank-b")
        rows = visible(taskforce)
        feed = stack.enter_context(ours(taskforce, folder))
        other = stack.enter_context(medallion(python, rows, folder))
        mine, theirs = PAGES / feed.ask("limit=100", PAGES), 5 / other.ask("limit=100", 5)
    report(f"TAXII: first pages of 100 objects at {len(rows):,} stored", mine, "pages/s", "medallion", theirs)


def visible(taskforce: Taskforce) -> list[tuple[int, bytes]]:
    """Moment and bytes of what bank-b reads."""
    with taskforce.database.reading() as session:
        others = [stored.audience_id for stored in session.scalars(select(StoredAudience)) if stored.audience.kinds]
        wanted = select(FeedObject.added_ms, FeedObject.body).where(FeedObject.audience_id.not_in(others))
        return [(row.added_ms, row.body) for row in session.execute(wanted.order_by(FeedObject.added_ms))]


@contextmanager
def ours(taskforce: Taskforce, folder: Path, member_id: str = "bank-b") -> Iterator[Feed]:
    """Our feed, served to a member."""
    headers = {**ACCEPT, "Authorization": f"Bearer {token_of(taskforce, member_id)}"}
    rows = visible(taskforce)
    with serve(taskforce, Path(tempfile.mkdtemp(dir=folder)), workers=1, threads=CONNECTIONS) as served:
        port = int(served.url.rpartition(":")[2])
        connection = HTTPConnection("127.0.0.1", port)
        connection.request("GET", "/taxii2/api/collections/", headers=headers)
        collection = json.loads(connection.getresponse().read())["collections"][0]["id"]
        connection.close()
        deep = f"next={rows[int(len(rows) * DEEP)][0]}"
        yield Feed(port, f"/taxii2/api/collections/{collection}/objects/", headers, deep)


@contextmanager
def bare(rows: list[tuple[int, bytes]], folder: Path) -> Iterator[Feed]:
    """The bare handler over the same bytes."""
    database, port = folder / "bare.db", free_port()
    connection = sqlite3.connect(database)
    connection.execute("CREATE TABLE items (added INTEGER PRIMARY KEY, body BLOB NOT NULL)")
    connection.executemany("INSERT INTO items VALUES (?, ?)", rows)
    connection.commit()
    connection.close()
    command = [sys.executable, "-m", "bench.taxii", "--serve-bare", str(database), str(port)]
    with running(command, port):
        yield Feed(port, "/page", ACCEPT, f"next={rows[int(len(rows) * DEEP)][0]}")


def serve_bare(database: Path, port: int) -> None:
    """In a process of its own."""
    app = Flask("bare")
    local = threading.local()

    @app.get("/page")
    def page() -> Response:
        if not hasattr(local, "connection"):
            local.connection = sqlite3.connect(database)
        asked = (int(request.args.get("next", "-1")), int(request.args["limit"]))
        found = local.connection.execute(
            "SELECT added, body FROM items WHERE added > ? ORDER BY added LIMIT ?", asked
        ).fetchall()
        body = b'{"more":true,"next":"%d","objects":[%b]}' % (found[-1][0], b",".join([row[1] for row in found]))
        return Response(body, content_type=CONTENT_TYPE)

    Server(lambda: app, host="127.0.0.1", port=port, workers=1, threads=CONNECTIONS).run()


@contextmanager
def medallion(python: str, rows: list[tuple[int, bytes]], folder: Path) -> Iterator[Feed]:
    """medallion as it comes, from memory, on the server it comes with, over the same objects but for observables, which
    it cannot give a version, and extension definitions, whose own property `version` it takes for a time.
    """
    read = [(added_ms, json.loads(body)) for added_ms, body in rows]
    objects = [(added_ms, one) for added_ms, one in read if "created" in one and "version" not in one]
    manifest = [
        {
            "id": one["id"],
            "date_added": write_time(added_ms),
            "version": one.get("modified", one["created"]),
            "media_type": STIX_TYPE,
        }
        for added_ms, one in objects
    ]
    about = {"title": "medallion", "versions": [CONTENT_TYPE], "max_content_length": 10**7}
    collection = {"id": str(uuid4()), "title": "one", "can_read": True, "can_write": False}
    collection |= {"media_types": [STIX_TYPE], "objects": [one for _, one in objects], "manifest": manifest}
    data, config, port = folder / "data.json", folder / "medallion.json", free_port()
    data.write_text(json.dumps({"api": {"information": about, "status": [], "collections": [collection]}}))
    backend = {"module": "medallion.backends.memory_backend", "module_class": "MemoryBackend", "filename": str(data)}
    config.write_text(json.dumps({"backend": backend, "users": {"u": "p"}, "taxii": {"max_page_size": 1000}}))
    command = [python, "-m", "medallion.scripts.run", "--log-level", "ERROR", "--port", str(port), str(config)]
    login = {"Authorization": f"Basic {base64.b64encode(b'u:p').decode()}"}
    with running(command, port):
        yield Feed(port, f"/api/collections/{collection['id']}/objects/", {**ACCEPT, **login}, "")


@contextmanager
def running(command: list[str], port: int) -> Iterator[None]:
    """A server process, from when it answers until the block ends."""
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        wait(lambda: HTTPConnection("127.0.0.1", port).connect())
        yield
    finally:
        process.terminate()
        process.wait(60)


def wait(attempt: Callable[[], object], seconds: float = 60.0) -> None:
    """Until it raises no OSError."""
    give_up_at = time.monotonic() + seconds
    while True:
        try:
            attempt()
        except OSError:
            if time.monotonic() > give_up_at:
                raise
            time.sleep(0.1)
        else:
            return


def report(name: str, value: float, unit: str, reference: str, reference_value: float) -> None:
    """One JSON line."""
    line = {
        "name": name,
        "value": round(value, 2),
        "unit": unit,
        "reference": reference,
        "reference_value": round(reference_value, 2),
        "ratio": round(value / reference_value, 3),
    }
    print(json.dumps(line), flush=True)


if __name__ == "__main__":
    main()
