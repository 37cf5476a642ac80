"""The feed as JSON Feed 1.1 (jsonfeed.org/version/1.1)."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest

from schemas.terms import AlertState
from tests.alerts.feeds.readers import ACCOUNT, JSON, FeedReader, change, publish
from tests.taskforce.founding import URL, Taskforce

NewTaskforce = Callable[..., Taskforce]
_TOP = {"version", "title", "language", "feed_url", "next_url", "items"}
_ITEM = {
    "id",
    "title",
    "summary",
    "content_html",
    "date_published",
    "date_modified",
    "authors",
    "tags",
    "language",
    "url",
}


@pytest.fixture
def database_kind() -> str:
    """What an alert looks like in this form is the same on each database: one will do."""
    return "sqlite"


def check_json_feed(feed: dict[str, Any]) -> list[dict[str, Any]]:
    """The items of a feed that keeps the specification; AssertionError otherwise."""
    assert set(feed) <= _TOP
    assert feed["version"] == "https://jsonfeed.org/version/1.1"
    assert isinstance(feed["title"], str)
    for item in feed["items"]:
        assert set(item) == _ITEM | {"_alert"}
        assert isinstance(item["id"], str)
        assert isinstance(item["content_html"], str)
        assert all(datetime.fromisoformat(item[name]).tzinfo for name in ("date_published", "date_modified"))
        assert all(isinstance(tag, str) for tag in item["tags"])
        assert all(set(author) == {"name"} for author in item["authors"])
    assert len({item["id"] for item in feed["items"]}) == len(feed["items"])
    items: list[dict[str, Any]] = feed["items"]
    return items


def test_the_feed_holds_what_programs_and_people_want(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    publish(taskforce, accounts=[ACCOUNT])
    answer = FeedReader(taskforce, "b").read(JSON)
    assert answer.headers["Content-Type"] == "application/feed+json"
    feed = answer.get_json()
    assert feed["feed_url"] == taskforce.settings.url + JSON
    item = check_json_feed(feed)[0]
    assert item["_alert"]["accounts"] == [ACCOUNT]
    assert item["_alert"]["legal_gateway"] == "CCA2013_s7"
    assert "audience" not in item["_alert"]
    assert "theme:money_mules" in item["tags"]
    page = FeedReader(taskforce, "b").read(item["url"].removeprefix(URL))
    assert (item["url"].startswith(f"{URL}/feeds/taskforce/"), page.status_code) == (True, 200)
    assert "GB33 BUKB 2020 1555 5555 55" in item["content_html"]


def test_states_are_marked_and_what_was_withdrawn_is_gone(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    expired, withdrawn = publish(taskforce, accounts=[ACCOUNT]), publish(taskforce, accounts=[ACCOUNT])
    change(taskforce, expired, AlertState.EXPIRED)
    change(taskforce, withdrawn, AlertState.WITHDRAWN, reason="A victim's account")
    gone, old = check_json_feed(FeedReader(taskforce, "b").read(JSON).get_json())
    assert old["title"].startswith("EXPIRED: ")
    assert "state:expired" in old["tags"]
    assert gone["title"].startswith("WITHDRAWN: ")
    marking = {"classification", "tlp", "conditions"}
    standing = {"alert_id", "reference", "version", "state", "reason", "superseded_by"}
    assert set(gone["_alert"]) == marking | standing
    assert gone["_alert"]["reason"] == "A victim's account"
    for text in ("GB33", "55555555", "Mule accounts", "forged", "money_mules"):
        assert text not in str(gone)
