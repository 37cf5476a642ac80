"""What is the same for each form of the feed: who reads what, what is told to the log, and what is not sent twice."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import timedelta
from itertools import product
from pathlib import Path
from xml.etree.ElementTree import fromstring

import pytest
from werkzeug.http import http_date

from alerts.feeds import listing
from alerts.feeds.atom import AtomForm
from alerts.feeds.json_feed import JsonForm
from keys.statements.keyring import GroupState, MemberState
from schemas.terms import AlertState
from tests.alerts.feeds.readers import (
    ATOM,
    HASHES,
    JSON,
    LISTS,
    MANIFEST,
    FeedReader,
    change,
    publish,
    stix_id_of,
    told,
)
from tests.taskforce.founding import Taskforce

NewTaskforce = Callable[..., Taskforce]


def test_a_reader_without_a_token_is_told_what_to_show(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    for target in LISTS:
        answer = taskforce.send_unsigned("GET", target, headers={"Authorization": "Bearer feed_invented"})
        assert answer.status_code == 401
        assert [one.partition(" ")[0] for one in answer.headers.getlist("WWW-Authenticate")] == ["Basic", "Bearer"]


def test_basic_and_bearer_open_the_same_feed(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    publish(taskforce)
    reader = FeedReader(taskforce, "b")
    client = taskforce.app.test_client()
    assert (
        client.get(ATOM, auth=("anyone", reader.token), base_url=taskforce.settings.url).data == reader.read(ATOM).data
    )


def test_a_reader_over_its_limit_is_refused_with_retry_after(new_taskforce: NewTaskforce) -> None:
    """The limit is the member's, over all its tokens; other members are served as before."""
    taskforce = new_taskforce("a", "b", "c")
    taskforce.change_settings(feed_requests_per_minute=3)
    reader, another = FeedReader(taskforce, "b"), FeedReader(taskforce, "b")
    statuses = [one.get(ATOM).status_code for one in (reader, another, reader, another)]
    assert statuses == [200, 200, 200, 429], "the limit is a member's, whichever token it shows"
    refused = reader.get(ATOM)
    assert int(refused.headers["Retry-After"]) == 60 - taskforce.clock().second
    assert refused.get_json()["status"] == 429
    assert FeedReader(taskforce, "c").get(ATOM).status_code == 200
    taskforce.clock.advance(seconds=60)  # type: ignore[attr-defined]
    assert reader.get(ATOM).status_code == 200


def test_a_group_of_others_is_answered_as_one_that_does_not_exist(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b", "c")
    taskforce.state_group({"a", "c"}, "cell")
    taskforce.state_group({"a", "b"}, "closed", state=GroupState.CLOSED)
    publish(taskforce, audience={"groups": ["cell"], "kinds": []})
    reader = FeedReader(taskforce, "b")
    for target in (*LISTS, "/feeds/misp/taskforce/01938f3c-7b1e-7c55-9d3a-0a4c1f6b2d10.json"):
        answers = [reader.get(target.replace("taskforce", group)) for group in ("cell", "closed", "nowhere", "0")]
        assert {answer.status_code for answer in answers} == {404}
        assert len({answer.data for answer in answers}) == 1
        kept = [{name: value for name, value in answer.headers if name != "X-Request-Id"} for answer in answers]
        assert all(one == kept[0] for one in kept)


def test_rights_follow_present_membership(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    publish(taskforce)
    reader = FeedReader(taskforce, "b")
    etag = reader.read(ATOM).headers["ETag"]
    taskforce.state_group({"a"})
    assert reader.get(ATOM, If_None_Match=etag).status_code == 404
    taskforce.state_group({"a", "b"})
    taskforce.state_member(taskforce.members["b"], MemberState.SUSPENDED)
    assert reader.get(ATOM, If_None_Match=etag).status_code == 403


def test_a_reader_is_not_sent_again_what_it_holds(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    reader = FeedReader(taskforce, "b")
    empty = {target: reader.read(target).headers["ETag"] for target in LISTS}
    alert_id = publish(taskforce)
    held: dict[str, str] = {}
    for target in LISTS:
        first = reader.get(target, If_None_Match=empty[target])
        assert first.status_code == 200
        held[target] = first.headers["ETag"]
        assert not held[target].startswith("W/")
        again = reader.get(target, If_None_Match=held[target])
        assert (again.status_code, again.data, again.headers["ETag"]) == (304, b"", held[target])
        assert {answer.headers["Cache-Control"] for answer in (first, again)} == {"private, no-cache"}
    change(taskforce, alert_id, AlertState.EXPIRED)
    assert {reader.get(target, If_None_Match=held[target]).status_code for target in LISTS} == {200}


def test_last_modified_is_given_once_no_earlier_change_can_follow(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    publish(taskforce)
    reader = FeedReader(taskforce, "b")
    changed = taskforce.clock()
    assert "Last-Modified" not in reader.read(ATOM).headers
    assert reader.get(ATOM, If_Modified_Since=http_date(changed)).status_code == 200
    taskforce.clock.advance(minutes=1)  # type: ignore[attr-defined]
    assert reader.read(ATOM).headers["Last-Modified"] == http_date(changed)
    assert reader.get(ATOM, If_Modified_Since=http_date(changed)).status_code == 304
    assert reader.get(ATOM, If_Modified_Since=http_date(changed - timedelta(seconds=1))).status_code == 200
    # If-None-Match decides where both are sent (RFC 9110 section 13.1.3).
    assert reader.get(ATOM, If_Modified_Since=http_date(changed), If_None_Match='"other"').status_code == 200


def test_each_version_is_in_the_log_once_for_each_channel(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    first, second = sorted((publish(taskforce), publish(taskforce)))
    reader = FeedReader(taskforce, "b")
    targets = (ATOM, JSON, MANIFEST, HASHES, f"/feeds/misp/taskforce/{stix_id_of(taskforce, first)}.json")
    for target in (*targets, *targets):
        reader.read(target)
    channels = ("atom", "json", "misp")
    assert told(taskforce, "b") == [(channel, one, 1) for channel in channels for one in (first, second)]
    change(taskforce, first, AlertState.WITHDRAWN, reason="wrong")
    for target in targets:
        reader.read(target)
    assert told(taskforce, "b")[6:] == [(channel, first, 2) for channel in channels]
    assert told(taskforce, "a") == []


def test_nothing_new_is_told_while_the_log_stands_still(database_url: str, tmp_path: Path) -> None:
    taskforce = Taskforce(database_url, tmp_path, log_stale_seconds=60)
    try:
        for member_id in ("a", "b"):
            taskforce.add_member(member_id)
        taskforce.state_group({"a", "b"})
        alert_id = publish(taskforce)
        reader = FeedReader(taskforce, "b")
        reader.read(ATOM)
        taskforce.clock.advance(minutes=2)  # type: ignore[attr-defined]
        event = f"/feeds/misp/taskforce/{stix_id_of(taskforce, alert_id)}.json"
        for target in (JSON, MANIFEST, event):
            answer = reader.get(target)
            assert answer.status_code == 503
            assert "Mule accounts" not in answer.text
        assert "Mule accounts" in reader.read(ATOM).text
    finally:
        taskforce.close()


def test_red_alerts_and_drafts_are_in_no_feed(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    red = publish(taskforce, tlp="RED", title="Eyes only")
    reader = FeedReader(taskforce, "b")
    assert reader.get(f"/feeds/misp/taskforce/{stix_id_of(taskforce, red)}.json").status_code == 404
    empty = [reader.read(target) for target in LISTS]
    assert all("Eyes only" not in answer.text for answer in empty)
    assert json.loads(empty[1].data)["items"] == []
    assert told(taskforce, "b") == []


def test_pages_hold_each_alert_once_the_last_changed_first(
    new_taskforce: NewTaskforce, monkeypatch: pytest.MonkeyPatch
) -> None:
    taskforce = new_taskforce("a", "b")
    monkeypatch.setattr(AtomForm, "limit", 2)
    monkeypatch.setattr(JsonForm, "limit", 2)
    kinds: list[list[str]] = [[], ["financial_institution"], ["telecom"]]
    made = [
        publish(taskforce, title=f"Number {number}", audience={"groups": ["taskforce"], "kinds": kinds[number % 3]})
        for number in range(9)
    ]
    reader = FeedReader(taskforce, "b")
    wanted = [f"Number {number}" for number in reversed(range(9)) if number % 3 != 2]
    items: list[str] = []
    url: str | None = JSON
    while url is not None:
        page = reader.read(url.removeprefix(taskforce.settings.url)).get_json()
        items += [item["_alert"]["title"] for item in page["items"]]
        # What changes meanwhile comes first on the next reading; it does not push others out of this one.
        change(taskforce, made[2], AlertState.EXPIRED)
        url = page.get("next_url")
    assert items == wanted
    entries: list[str] = []
    link: str | None = ATOM
    while link is not None:
        feed = fromstring(reader.read(link.removeprefix(taskforce.settings.url)).data)  # noqa: S314 - ours
        entries += [str(one.text) for one in feed.iterfind("{*}entry/{*}title")]
        links = {one.get("rel"): one.get("href") for one in feed.iterfind("{*}link")}
        assert links["first"] == taskforce.settings.url + ATOM
        link = links.get("next")
    assert [re.sub(".*: ", "", title) for title in entries] == wanted


def test_a_broken_cursor_is_refused_by_its_name(new_taskforce: NewTaskforce) -> None:
    reader = FeedReader(new_taskforce("a", "b"), "b")
    broken = ("", "1", "x.y", "1.0", "-1.01938f3c-7b1e-7c55-9d3a-0a4c1f6b2d10", "1" * 400)
    for target, cursor in product((ATOM, JSON), broken):
        answer = reader.get(f"{target}?cursor={cursor}")
        assert answer.status_code == 422
        assert "cursor" in answer.get_json()["errors"]["query"]


def test_a_cursor_reaches_nothing_of_another_audience(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b", "c")
    taskforce.state_group({"a", "c"}, "cell")
    hidden = publish(taskforce, audience={"groups": ["cell"], "kinds": []})
    reader = FeedReader(taskforce, "b")
    page = reader.read(f"{JSON}?cursor=99999999999999.{hidden}").get_json()
    assert page["items"] == []
    assert "next_url" not in page


def test_large_alerts_are_dealt_over_more_pages(new_taskforce: NewTaskforce, monkeypatch: pytest.MonkeyPatch) -> None:
    taskforce = new_taskforce("a", "b")
    monkeypatch.setattr(listing, "_MAX_TEXT", 100_000)
    for _ in range(5):
        publish(taskforce, body="word " * 8_000)
    page = FeedReader(taskforce, "b").read(JSON).get_json()
    assert len(page["items"]) == 3
    assert "next_url" in page
