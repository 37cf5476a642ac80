"""TAXII 2.1 from outside, requirement by requirement."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import delete, select
from werkzeug.test import TestResponse

from alerts.feeds.fixed_objects import FIRST_ADDED_MS, TLP_MARKINGS
from alerts.feeds.storing import open_collections
from alerts.store.feed_objects import FeedObject
from edge.request_limits import LARGEST_LIMIT
from exchange.kernel.session import create_database
from exchange.log.tables import LogEntry
from exchange.membership.feed_tokens import FeedToken
from keys.statements.types import GroupState, MemberState
from schemas.terms import MemberKind, TrafficLight
from tests.alerts.factories import release, step
from tests.alerts.feeds.readers import ACCOUNT, told
from tests.alerts.feeds.taxii_reader import API, TAXII, TaxiiReader
from tests.filled_databases import create_postgresql_database
from tests.postgresql import PostgresqlServer
from tests.taskforce.founding import URL, Taskforce, make_taskforce

NewTaskforce = Callable[..., Taskforce]
ADDED = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{3}000Z")
FIRST, LAST = "X-TAXII-Date-Added-First", "X-TAXII-Date-Added-Last"
LATER = "2099-01-01T00:00:00Z"


class Feed:
    """Bank `a` has published three alerts, the second of which is withdrawn; `b` reads them."""

    def __init__(self, taskforce: Taskforce) -> None:
        self.taskforce = taskforce
        bank = taskforce.members["a"]
        self.alerts = [release(bank, accounts=[ACCOUNT]) for _ in range(3)]
        step(bank, self.alerts[1], "withdraw", {"reason": "a mistake"})
        self.reader = TaxiiReader(taskforce, "b")
        self.id = self.reader.collections()["taskforce"]
        self.path = f"collections/{self.id}/objects/"

    def send(self, method: str, path: str, headers: dict[str, str], body: bytes = b"") -> TestResponse:
        """A request with its own headers only."""
        return self.taskforce.send_unsigned(method, f"{API}/{path}", body, headers)


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def feed(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Feed]:
    """One for all tests that only read."""
    folder = tmp_path_factory.mktemp("feed")
    if request.param == "sqlite":
        url = f"sqlite:///{folder / 'test.db'}"
    else:
        server: PostgresqlServer = request.getfixturevalue("postgresql")
        url = server.url(create_postgresql_database(server))
    taskforce = make_taskforce(url, folder, "a", "b")
    taskforce.change_settings(feed_requests_per_minute=LARGEST_LIMIT)
    yield Feed(taskforce)
    taskforce.close()


@pytest.fixture
def own_feed(new_taskforce: NewTaskforce) -> Feed:
    """One for a test that changes what is read, or who reads."""
    return Feed(new_taskforce("a", "b"))


def test_discovery_names_the_api_root_by_absolute_addresses(feed: Feed) -> None:
    answer = feed.reader.reader.get("/taxii2/", Accept=TAXII)
    found = answer.get_json(force=True)
    assert answer.headers["Content-Type"] == TAXII
    assert found["api_roots"] == [found["default"]] == [f"{URL}/taxii2/api/"]
    root = feed.reader.read("")
    assert root["versions"] == [TAXII]
    assert root["max_content_length"] > 0
    assert feed.reader.ask("status/1/").status_code == 404


def test_a_collection_is_described_alike_alone_and_in_the_list(feed: Feed) -> None:
    (listed,) = feed.reader.read("collections/")["collections"]
    assert feed.reader.read(f"collections/{feed.id}/") == listed
    assert (listed["can_read"], listed["can_write"]) == (True, False)
    assert listed["media_types"] == ["application/stix+json;version=2.1"]


def test_a_member_of_no_open_group_has_no_collections(own_feed: Feed) -> None:
    feed = own_feed
    feed.taskforce.state_group(["a", "b"], state=GroupState.CLOSED)
    assert feed.reader.read("collections/") == {}
    assert feed.reader.ask(feed.path).status_code == 404


def test_only_what_takes_taxii_is_answered(feed: Feed) -> None:
    good = (TAXII, "application/taxii+json", "application/taxii+json; version=2.1", "*/*", "", "application/*;q=0.5")
    bad = (
        *("application/json", "text/html", "nonsense", "application/taxii+json;version=2.0"),
        *("application/vnd.oasis.taxii+json; version=2.0", "application/taxii+json;q=x"),
        "application/taxii+json;q=0, */*",
    )
    for path in ("", "collections/", f"collections/{feed.id}/", feed.path, f"collections/{feed.id}/manifest/"):
        for accept in (*good, "text/html, application/taxii+json;q=0.1"):
            assert feed.reader.ask(path, accept=accept).status_code == 200, accept
        for accept in bad:
            assert feed.reader.ask(path, accept=accept).status_code == 406, accept


def test_basic_bearer_and_token_are_taken_in_any_case_and_nothing_else(feed: Feed) -> None:
    token = feed.reader.reader.token
    basic = base64.b64encode(f"anybody:{token}".encode()).decode()
    for shown in (f"Basic {basic}", f"bAsIc {basic}", f"Bearer {token}", f"bearer {token}", f"Token {token}"):
        assert feed.send("GET", feed.path, {"Authorization": shown, "Accept": TAXII}).status_code == 200, shown[:6]
    wrong = base64.b64encode(f"{token}:anything".encode()).decode()
    for shown in ("", "Bearer", "Bearer x", f"Basic {wrong}", "Basic !", f"Digest {token}", f"Bearer {token}x"):
        answer = feed.send("GET", feed.path, {"Authorization": shown, "Accept": TAXII})
        assert answer.status_code == 401, shown[:6]
        assert "Basic" in answer.headers["WWW-Authenticate"]
        assert token not in answer.text


def test_a_revoked_token_and_a_suspended_member_read_nothing_from_then_on(own_feed: Feed) -> None:
    feed = own_feed
    taskforce = feed.taskforce
    taskforce.state_member(taskforce.members["b"], MemberState.SUSPENDED)
    assert feed.reader.ask(feed.path).status_code == 403
    taskforce.state_member(taskforce.members["b"])
    assert feed.reader.ask(feed.path).status_code == 200
    with taskforce.database.transaction() as session:
        session.execute(delete(FeedToken))
    assert feed.reader.ask(feed.path).status_code == 401


def test_a_refusal_is_a_problem_and_a_taxii_error_message_at_once(feed: Feed) -> None:
    for accept, content_type in ((TAXII, TAXII), ("*/*", "application/problem+json")):
        answer = feed.reader.ask(f"collections/{uuid4()}/objects/", accept=accept)
        assert answer.headers["Content-Type"] == content_type
        found = answer.get_json(force=True)
        assert (found["status"], found["http_status"]) == (404, "404")
        assert found["title"]
        assert found["type"].endswith(found["error_code"])
        assert found["error_id"] == answer.headers["X-Request-Id"]


def test_objects_come_oldest_first_with_the_first_and_last_added_date(feed: Feed) -> None:
    records = feed.reader.walk(f"collections/{feed.id}/manifest/")
    added = [record["date_added"] for record in records]
    assert added == sorted(set(added))
    assert all(ADDED.fullmatch(moment) for moment in added)
    answer = feed.reader.ask(feed.path, limit=5)
    assert (answer.headers[FIRST], answer.headers[LAST]) == (added[0], added[4])
    assert [one["id"] for one in feed.reader.objects()] == [record["id"] for record in records]
    assert all(record["media_type"] == "application/stix+json;version=2.1" for record in records)
    versions = {record["id"]: record["version"] for record in records}
    for one in feed.reader.objects():
        stamp = one.get("modified", one.get("created"))
        assert stamp is None or stamp == versions[one["id"]]


def test_an_empty_answer_is_an_empty_object_without_moments(feed: Feed) -> None:
    one_object = f"{feed.path}{TLP_MARKINGS[TrafficLight.AMBER]}/"
    for path in (feed.path, f"collections/{feed.id}/manifest/", one_object, f"{one_object}versions/"):
        answer = feed.reader.ask(path, added_after=LATER)
        assert (answer.status_code, answer.data) == (200, b"{}")
        assert FIRST not in answer.headers
        assert LAST not in answer.headers


def test_pages_of_any_size_and_of_changing_size_hold_every_object_once(feed: Feed) -> None:
    for path in (feed.path, f"collections/{feed.id}/manifest/"):
        whole = feed.reader.walk(path)
        for limit in (1, 2, 3, 7, len(whole) - 1, len(whole), len(whole) + 1, 10**18 - 1):
            assert feed.reader.walk(path, limit=limit) == whole, limit
        found, query, limit = [], dict[str, Any](), 1
        while query is not None:
            page = feed.reader.read(path, limit=limit, **query)
            found += page["objects"]
            assert page["more"] == ("next" in page)
            query, limit = ({"next": page["next"]} if page["more"] else None), limit + 1  # type: ignore[assignment]
        assert found == whole


def test_a_cursor_holds_again_and_without_or_with_another_added_after(feed: Feed) -> None:
    first = feed.reader.ask(feed.path, limit=4, added_after="2000-01-01T00:00:00Z")
    cursor, last = first.get_json(force=True)["next"], first.headers[LAST]
    for more in (
        {},
        {"added_after": "2000-01-01T00:00:00Z"},
        {"added_after": last},
        {"added_after": "1999-01-01T00:00:00Z"},
    ):
        again = feed.reader.read(feed.path, limit=4, next=cursor, **more)
        assert again == feed.reader.read(feed.path, limit=4, added_after=last)
    beyond = feed.reader.ask(feed.path, limit=4, added_after=last).headers[LAST]
    assert feed.reader.read(feed.path, next=cursor, added_after=beyond) == feed.reader.read(
        feed.path, added_after=beyond
    )


def test_added_after_is_strict_and_exact_to_the_millisecond(feed: Feed) -> None:
    records = feed.reader.walk(f"collections/{feed.id}/manifest/")
    for index in (0, 20, len(records) - 1):
        moment = records[index]["date_added"]
        for text in (moment, moment.replace("000Z", "Z"), moment.replace("000Z", "999999Z")):
            after = feed.reader.walk(f"collections/{feed.id}/manifest/", added_after=text)
            assert after == records[index + 1 :], text


def test_match_filters_choose_by_id_type_version_and_spec_version(feed: Feed) -> None:
    every = feed.reader.objects(match_version="all")
    last = feed.reader.objects()
    reports = [one for one in last if one["type"] == "report"]
    assert feed.reader.objects(match_type="report") == reports
    both = [one for one in last if one["type"] in ("report", "bank-account")]
    assert feed.reader.objects(match_type="report,bank-account", limit=2) == both
    wanted = [reports[0]["id"], reports[2]["id"]]
    assert [one["id"] for one in feed.reader.objects(match_id=",".join([*wanted, "report--x"]))] == wanted
    assert feed.reader.objects(match_id=wanted[0], match_type="identity") == []
    assert feed.reader.objects(match_type="no-such-type") == []
    assert feed.reader.objects(match_version="last") == last
    first = feed.reader.objects(match_version="first")
    assert {one["id"] for one in first} == {one["id"] for one in last}
    assert not any(one.get("revoked") for one in first)
    assert len(every) == len(last) + 3  # the withdrawn report, its red flag, its account
    assert feed.reader.objects(match_version="first,last") == every
    stamp = reports[0]["modified"]
    assert reports[0] in feed.reader.objects(match_version=stamp, match_type="report")
    assert feed.reader.objects(match_version="2001-01-01T00:00:00.000Z") == []
    assert feed.reader.objects(match_version=stamp.replace("Z", "5Z")) == []
    assert feed.reader.objects(match_spec_version="2.1") == last
    assert feed.reader.objects(match_spec_version="2.0,2.1") == last
    assert feed.reader.objects(match_spec_version="2.0") == []


def test_one_object_and_its_versions(feed: Feed) -> None:
    (withdrawn,) = [one for one in feed.reader.objects(match_type="report") if one.get("revoked")]
    path = f"{feed.path}{withdrawn['id']}/"
    assert feed.reader.read(path)["objects"] == [withdrawn]
    every = feed.reader.walk(path, match_version="all", limit=1)
    assert [one.get("revoked", False) for one in every] == [False, True]
    assert feed.reader.walk(f"{path}versions/") == [one["modified"] for one in every]
    assert feed.reader.walk(f"{path}versions/", limit=1) == [one["modified"] for one in every]
    assert feed.reader.read(path, match_version=every[0]["modified"])["objects"] == every[:1]
    for unknown in (f"report--{uuid4()}", "x", "%00x"[3:], "report--", "' OR 1=1 --"):
        for suffix in ("", "versions/"):
            assert feed.reader.ask(f"{feed.path}{unknown}/{suffix}").status_code == 404


_BROKEN: list[dict[str, str]] = [
    *({"next": bad} for bad in ("x", "-1", "1.5", "9" * 16, "1 ", "", "٣", "bm9wZQ==")),
    *({"limit": bad} for bad in ("0", "-1", "x", "", "1e3", "9" * 30)),
    *({"added_after": bad} for bad in ("yesterday", "2026-11-22", "2026-11-22T10:00:00", "2026-99-22T10:00:00Z", "")),
    *({"match_version": bad} for bad in ("newest", "", "last,", "2026-13-01T00:00:00.000Z")),
    *({name: ",".join(map(str, range(101)))} for name in ("match_id", "match_type")),
    *({name: ""} for name in ("match_id", "match_type", "match_spec_version")),
]


def test_a_broken_query_is_refused_with_the_field_and_its_cure(feed: Feed) -> None:
    for query in _BROKEN:
        field = next(iter(query)).replace("match_", "match[")
        for path in (feed.path, f"collections/{feed.id}/manifest/"):
            answer = feed.reader.ask(path, **query)
            assert answer.status_code == 400, query
            assert field in answer.get_json(force=True)["detail"]


def test_a_query_field_that_is_not_known_or_comes_twice_is_refused(feed: Feed) -> None:
    assert feed.reader.ask(feed.path, match_colour="red").status_code == 422
    assert feed.reader.reader.get(f"{API}/{feed.path}?limit=1&limit=2", Accept=TAXII).status_code == 400


def test_a_collection_for_reading_refuses_to_be_written(feed: Feed) -> None:
    token = {"Authorization": f"Bearer {feed.reader.reader.token}", "Accept": TAXII}
    body = {**token, "Content-Type": TAXII}
    known = f"{feed.path}{TLP_MARKINGS[TrafficLight.AMBER]}/"
    assert feed.send("POST", feed.path, body, b'{"objects":[]}').status_code == 403
    assert feed.send("DELETE", known, token).status_code == 403
    assert feed.send("DELETE", f"{feed.path}x/", token).status_code == 403
    assert feed.send("POST", f"collections/{uuid4()}/objects/", body, b"{}").status_code == 404
    assert feed.send("DELETE", f"collections/{uuid4()}/objects/x/", token).status_code == 404
    assert feed.send("POST", feed.path, {**token, "Content-Type": "application/json"}, b"{}").status_code == 415
    for method in ("PUT", "PATCH", "OPTIONS"):
        answer = feed.send(method, feed.path, token)
        assert answer.status_code == 405
        assert {"GET", "POST"} <= set(answer.headers["Allow"].split(", "))
    assert len(feed.reader.objects(match_id=TLP_MARKINGS[TrafficLight.AMBER])) == 1


def test_a_path_without_its_last_stroke_is_another_path(feed: Feed) -> None:
    for path in ("collections", f"collections/{feed.id}", feed.path[:-1]):
        assert feed.reader.ask(path).status_code == 404
    assert feed.reader.reader.get("/taxii2", Accept=TAXII).status_code == 404


def test_a_head_has_the_headers_of_a_get_and_no_body(feed: Feed) -> None:
    headers = {"Authorization": f"Bearer {feed.reader.reader.token}", "Accept": TAXII}
    head, got = (feed.send(method, feed.path, headers) for method in ("HEAD", "GET"))
    assert head.data == b""
    kept = [[pair for pair in answer.headers if pair[0] != "X-Request-Id"] for answer in (head, got)]
    assert kept[0] == kept[1]


def test_each_version_served_is_in_the_log_once_however_often_it_is_polled(own_feed: Feed) -> None:
    feed = own_feed
    for _ in range(2):
        feed.reader.objects()
        feed.reader.walk(f"collections/{feed.id}/manifest/", limit=3)
    expected = [("taxii", feed.alerts[0], 1), ("taxii", feed.alerts[1], 2), ("taxii", feed.alerts[2], 1)]
    assert sorted(told(feed.taskforce, "b")) == sorted(expected)
    feed.reader.objects(match_version="all")
    assert sorted(told(feed.taskforce, "b")) == sorted([*expected, ("taxii", feed.alerts[1], 1)])


def test_each_version_is_logged_with_its_digest_at_publication(own_feed: Feed) -> None:
    """Whoever reads the first version after the withdrawal must not look to its member as if it had been changed."""
    bank = own_feed.taskforce.members["a"]
    alert_id = release(bank)
    step(bank, alert_id, "withdraw", {"reason": "a mistake"})
    own_feed.reader.objects(match_version="all")
    with own_feed.taskforce.database.reading() as session:
        kinds = ("alert_published", "alert_withdrawn", "alert_told")
        rows = select(LogEntry.view).where(LogEntry.member_id == "b", LogEntry.kind.in_(kinds))
        views = [json.loads(view or b"{}") for view in session.scalars(rows)]
    stated = [one for view in views for one in view.get("alerts", [view]) if one["alert_id"] == alert_id]
    digests = {version: {one["content_sha256"] for one in stated if one["version"] == version} for version in (1, 2)}
    assert len(stated) == 4
    assert all(len(found) == 1 for found in digests.values())
    assert digests[1] != digests[2]


def test_without_the_log_nothing_new_is_served_and_what_was_told_still_is(own_feed: Feed) -> None:
    feed = own_feed
    taskforce = feed.taskforce
    stale = create_database(taskforce.settings.database_url, log_stale_seconds=1)
    app = taskforce.make_app(stale)
    try:
        taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
        headers = {"Authorization": f"Bearer {feed.reader.reader.token}", "Accept": TAXII}
        for method, path in (("GET", feed.path), ("HEAD", feed.path), ("GET", f"collections/{feed.id}/manifest/")):
            answer = taskforce.send_unsigned(method, f"{API}/{path}", headers=headers, app=app)
            assert answer.status_code == 503
            assert b"report" not in answer.data
        feed.reader.objects()
        again = taskforce.send_unsigned("GET", f"{API}/{feed.path}", headers=headers, app=app)
        assert again.status_code == 200
    finally:
        stale.dispose()


def test_membership_counts_when_reading(own_feed: Feed) -> None:
    feed = own_feed
    taskforce = feed.taskforce
    taskforce.state_group(["a"])
    assert feed.reader.collections() == {}
    for path in (feed.path, f"collections/{feed.id}/", f"collections/{feed.id}/manifest/", f"{feed.path}x/"):
        assert feed.reader.ask(path).data.replace(b" ", b"").count(b"not-found") >= 1
    taskforce.state_group(["a", "b"])
    assert feed.reader.alert_objects()


def test_added_dates_rise_and_a_new_collection_begins_before_them(feed: Feed) -> None:
    with feed.taskforce.database.transaction() as session:
        open_collections(session, ["another"])
        rows = session.execute(select(FeedObject.added_ms, FeedObject.audience_id)).all()
    moments = [row.added_ms for row in rows if row.audience_id]
    assert len(moments) == len(set(moments))
    own = {row.added_ms for row in rows if not row.audience_id}
    assert own == set(range(FIRST_ADDED_MS, FIRST_ADDED_MS + len(own)))
    assert max(own) < min(moments)


def test_what_is_addressed_to_a_kind_reaches_that_kind_alone(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    taskforce.add_member("police", kind=MemberKind.LAW_ENFORCEMENT)
    taskforce.state_group(["a", "b", "police"])
    release(taskforce.members["a"], audience={"groups": ["taskforce"], "kinds": ["law_enforcement"]})
    assert TaxiiReader(taskforce, "b").alert_objects() == []
    (report,) = [one for one in TaxiiReader(taskforce, "police").objects() if one["type"] == "report"]
    collection = TaxiiReader(taskforce, "b").collections()["taskforce"]
    answer = TaxiiReader(taskforce, "b").ask(f"collections/{collection}/objects/{report['id']}/")
    assert answer.status_code == 404
