"""A poller that misses nothing while two workers publish at once."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from sqlalchemy import select

from alerts.acts.publication import apply_due_changes
from alerts.store.alerts import StoredAlert
from alerts.store.feed_objects import FeedObject
from edge.request_limits import LARGEST_LIMIT
from exchange.kernel.session import create_database
from schemas.terms import AlertState
from tests.alerts.factories import plant_alert
from tests.alerts.feeds.readers import ACCOUNT, told
from tests.alerts.feeds.taxii_reader import TaxiiReader
from tests.taskforce.founding import Taskforce

NewTaskforce = Callable[..., Taskforce]
ALERTS = 40


def test_a_poller_misses_nothing_while_two_workers_publish(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    taskforce.change_settings(feed_requests_per_minute=LARGEST_LIMIT)
    due = [plant_alert(taskforce, "a", AlertState.SCHEDULED, accounts=[ACCOUNT]) for _ in range(ALERTS)]
    with taskforce.database.transaction() as session:
        for alert_id in due:
            stored = session.get_one(StoredAlert, alert_id)
            stored.due_at, stored.releaser_id = taskforce.clock(), "a/authoriser"
    reader, done = TaxiiReader(taskforce, "b"), threading.Event()
    path = f"collections/{reader.collections()['taskforce']}/objects/"

    with ThreadPoolExecutor(4) as pool:
        pollers = [pool.submit(_poll, reader, path, done, by_cursor) for by_cursor in (True, False)]
        workers = [pool.submit(_work, taskforce) for _ in range(2)]
        published = sum(worker.result() for worker in workers)
        done.set()
        polled = [poller.result() for poller in pollers]

    assert published == ALERTS
    with taskforce.database.reading() as session:
        stored_ids = list(session.scalars(select(FeedObject.object_id).order_by(FeedObject.added_ms)))
    for seen in polled:
        # Each once, and in the order in which they were committed.
        assert seen == stored_ids
    assert sorted(told(taskforce, "b")) == sorted(("taxii", alert_id, 1) for alert_id in due)


def _work(taskforce: Taskforce) -> int:
    """A worker process with a database of its own."""
    database = create_database(taskforce.settings.database_url, log_stale_seconds=10**9)
    try:
        return apply_due_changes(database, taskforce.clock())
    finally:
        database.dispose()


def _poll(reader: TaxiiReader, path: str, done: threading.Event, by_cursor: bool) -> list[str]:
    """Poll from where the last answer ended, until nothing comes after the last publication."""
    seen: list[str] = []
    query: dict[str, Any] = {"limit": 7}
    while True:
        is_last = done.is_set()
        answer = reader.ask(path, **query)
        assert answer.status_code == 200, answer.text
        page = answer.get_json(force=True)
        seen += [one["id"] for one in page.get("objects", [])]
        query.pop("next", None)
        if page:
            query["added_after"] = answer.headers["X-TAXII-Date-Added-Last"]
        if by_cursor and page.get("more"):
            query["next"] = page["next"]
        if is_last and not page.get("more"):
            return seen
