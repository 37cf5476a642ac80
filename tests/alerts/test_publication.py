"""Releasing, withdrawing, superseding and expiring: who is told, what the log says, and who may not."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select, text
from structlog.testing import capture_logs
from werkzeug.test import TestResponse

from alerts.acts.publication import apply_due_changes
from alerts.jobs import drain_outbox
from alerts.store.alerts import StoredAlert
from exchange.gateways.request_policy import RequestPolicy
from exchange.gateways.rules import RULES, GatewayRules
from exchange.kernel.session import create_database
from exchange.log.events import LogUnavailableError
from exchange.web.context import attach_context
from keys.statements.types import GroupState
from schemas.terms import LegalGateway
from tests.alerts.factories import draft, logged, make_content, read, release, step
from tests.taskforce.founding import NEVER_SECONDS, Taskforce
from tests.taskforce.members import reasons_of

NewTaskforce = Callable[..., Taskforce]
SOON = "2026-11-22T11:00:00Z"


def notices(taskforce: Taskforce, member_id: str, kind: str) -> list[str]:
    """The events of a kind that the member has notices of."""
    drain_outbox(taskforce.database)
    found = taskforce.members[member_id].send("GET", "/v1/notices").get_json()["notices"]
    return [notice["event_id"] for notice in found if notice["kind"] == kind]


def refused(taskforce: Taskforce, alert_id: str, name: str, value: Any, as_name: str = "authoriser") -> set[str]:
    """The rules that refuse a step of the member a, each in its log."""
    answer = taskforce.members["a"].send("POST", f"/v1/alerts/{alert_id}/{name}", value, as_name=as_name)
    rules = reasons_of(answer)
    assert {reason["code"] for reason in logged(taskforce, "a", "refusal", alert_id)[-1]["reasons"]} == rules
    return rules


def reviewed(taskforce: Taskforce, **changes: Any) -> str:
    """A draft of the member a that was reviewed."""
    alert_id = draft(taskforce.members["a"], **changes)
    step(taskforce.members["a"], alert_id, "review", {})
    return alert_id


def test_a_published_alert_reaches_its_audience_alone(shared: Taskforce) -> None:
    """The log of a member outside the audience has no entry, and no entry names another member."""
    alert_id = release(shared.members["a"])
    found = read(shared.members["b"], alert_id)
    assert (found["state"], found["version"], found["steps"]) == ("published", 1, None)
    (view,) = logged(shared, "b", "alert_published", alert_id)
    common = {"event_id", "kind", "member_id", "recorded_at", "core_digest"}
    assert view.keys() - common == {"alert_id", "reference", "version", "state", "tlp", "content_sha256"}
    assert view["content_sha256"] == found["content_sha256"]
    assert (view["version"], view["state"]) == (1, "published")
    assert view["event_id"] in notices(shared, "c", "alert_published")
    assert view["event_id"] not in notices(shared, "d", "alert_published")
    assert logged(shared, "d", "alert_published", alert_id) == []
    assert len(logged(shared, "a", "alert_published", alert_id)) == 1
    assert [view["representative_id"] for view in logged(shared, "a", "alert_released", alert_id)] == ["a/authoriser"]


def test_nobody_releases_a_draft_or_twice(shared: Taskforce) -> None:
    alert_id = draft(shared.members["a"])
    assert refused(shared, alert_id, "release", {"at": None}) == {"not-reviewed"}
    step(shared.members["a"], alert_id, "review", {})
    step(shared.members["a"], alert_id, "release", {"at": None})
    assert refused(shared, alert_id, "release", {"at": None}) == {"not-reviewed"}
    assert len(logged(shared, "b", "alert_published", alert_id)) == 1


def test_the_author_does_not_release_even_with_the_role(new_taskforce: NewTaskforce) -> None:
    """The role opens the route; who wrote the alert is looked at all the same."""
    taskforce = new_taskforce("a", "b")
    alert_id = reviewed(taskforce)
    with taskforce.database.transaction() as session:
        session.get_one(StoredAlert, alert_id).author_id = "a/authoriser"
    assert refused(taskforce, alert_id, "release", {"at": None}) == {"release-by-author"}
    assert read(taskforce.members["a"], alert_id)["state"] == "reviewed"


@pytest.mark.parametrize(
    ("at", "rule"),
    [
        ("2026-11-22T09:59:59Z", "release-in-the-past"),
        ("2020-01-01", "release-in-the-past"),
        ("2027-11-02T00:00:00Z", "release-after-expiry"),
    ],
)
def test_an_alert_is_released_for_a_time_within_its_life(shared: Taskforce, at: str, rule: str) -> None:
    assert refused(shared, reviewed(shared), "release", {"at": at}) == {rule}


@pytest.mark.parametrize("at", ["tomorrow", "2026-11-22T11:00:00", "2026-11-22T11:00:00+01:00", 1, ""])
def test_a_time_that_is_none_is_refused(shared: Taskforce, at: Any) -> None:
    alert_id = reviewed(shared)
    answer = shared.members["a"].send("POST", f"/v1/alerts/{alert_id}/release", {"at": at}, as_name="authoriser")
    assert answer.status_code == 422


def test_another_member_cannot_touch_an_alert_that_it_reads(shared: Taskforce) -> None:
    alert_id, b = release(shared.members["a"]), shared.members["b"]
    for name, value in (("review", {}), ("release", {"at": None}), ("withdraw", {"reason": "mine now"})):
        assert b.send("POST", f"/v1/alerts/{alert_id}/{name}", value, as_name="authoriser").status_code == 404
    assert read(b, alert_id)["state"] == "published"


def test_a_repeated_release_publishes_once(shared: Taskforce) -> None:
    alert_id, a = reviewed(shared), shared.members["a"]
    asked = ("POST", f"/v1/alerts/{alert_id}/release", {"at": None})
    answers = [a.send(*asked, as_name="authoriser", idempotency_key=f"release-{alert_id}") for _ in range(2)]
    assert [answer.status_code for answer in answers] == [200, 200]
    assert answers[0].data == answers[1].data
    assert len(logged(shared, "b", "alert_published", alert_id)) == 1


def test_the_same_release_twice_at_the_same_time_publishes_once(new_taskforce: NewTaskforce) -> None:
    """A client that gave up waiting asks again while the first request is still at work."""
    taskforce = new_taskforce("a", "b")
    alert_id, answers = reviewed(taskforce), []

    def ask() -> None:
        asked = ("POST", f"/v1/alerts/{alert_id}/release", {"at": None})
        answers.append(taskforce.members["a"].send(*asked, as_name="authoriser", idempotency_key="impatient"))

    threads = [threading.Thread(target=ask) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {(answer.status_code, answer.data) for answer in answers} == {(200, answers[0].data)}
    assert len(logged(taskforce, "b", "alert_published", alert_id)) == 1
    assert logged(taskforce, "a", "refusal", alert_id) == []


def test_a_reviewed_alert_is_not_published_to_a_closed_group(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    alert_id = reviewed(taskforce)
    taskforce.state_group(("a", "b"), state=GroupState.CLOSED)
    assert refused(taskforce, alert_id, "release", {"at": None}) == {"group"}


def test_a_scheduled_alert_is_hidden_until_the_worker_publishes_it(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members["a"], taskforce.members["b"]
    alert_id = release(a, at=SOON)
    assert apply_due_changes(taskforce.database, taskforce.clock()) == 0
    assert read(a, alert_id)["steps"]["publish_at"] == "2026-11-22T11:00:00.000Z"
    assert b.send("GET", f"/v1/alerts/{alert_id}").status_code == 404
    assert b.send("GET", "/v1/alerts").get_json()["alerts"] == []
    assert notices(taskforce, "b", "alert_published") == []
    taskforce.clock.advance(hours=1)  # type: ignore[attr-defined]
    assert apply_due_changes(taskforce.database, taskforce.clock()) == 1
    assert read(b, alert_id)["published_at"] == "2026-11-22T11:00:00.000Z"
    assert len(notices(taskforce, "b", "alert_published")) == 1
    assert apply_due_changes(taskforce.database, taskforce.clock()) == 0


def test_an_alert_that_keeps_failing_is_told_of_once(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    alert_id = release(taskforce.members["a"], at=SOON)
    taskforce.clock.advance(hours=1)  # type: ignore[attr-defined]
    with capture_logs() as said:
        with taskforce.database.transaction() as session:
            session.execute(text("ALTER TABLE outbox RENAME TO gone"))
        assert [apply_due_changes(taskforce.database, taskforce.clock()) for _ in range(3)] == [0, 0, 0]
        with taskforce.database.transaction() as session:
            session.execute(text("ALTER TABLE gone RENAME TO outbox"))
        assert apply_due_changes(taskforce.database, taskforce.clock()) == 1
    told = [line for line in said if line.get("job") == alert_id]
    assert [line["event"] for line in told] == ["alert not changed", "alert not changed: over"]


def test_a_scheduled_alert_may_be_set_for_another_time_and_stopped(shared: Taskforce) -> None:
    a = shared.members["a"]
    alert_id = release(a, at=SOON)
    assert step(a, alert_id, "release", {"at": "2026-12-01"}) == "scheduled"
    assert read(a, alert_id)["steps"]["publish_at"] == "2026-12-01T00:00:00.000Z"
    assert step(a, alert_id, "withdraw", {"reason": "too early"}) == "reviewed"
    assert read(a, alert_id)["steps"]["publish_at"] is None
    assert len(logged(shared, "a", "alert_unscheduled", alert_id)) == 1
    assert shared.members["b"].send("GET", f"/v1/alerts/{alert_id}").status_code == 404


def test_two_workers_at_once_publish_and_expire_each_alert_once(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    ids = [release(taskforce.members["a"], at=SOON) for _ in range(8)]
    url = taskforce.settings.database_url
    others = [create_database(url, log_stale_seconds=NEVER_SECONDS) for _ in range(2)]
    try:
        for moment, state in ((timedelta(hours=1), "published"), (timedelta(days=400), "expired")):
            done = _at_once(apply_due_changes, others, taskforce.clock() + moment)
            assert sum(done) == len(ids)
            for alert_id in ids:
                (view,) = logged(taskforce, "b", f"alert_{state}", alert_id)
                assert view["state"] == state
    finally:
        for database in others:
            database.dispose()
    assert {read(taskforce.members["b"], alert_id)["version"] for alert_id in ids} == {2}


def _at_once(work: Callable[..., int], databases: list[Any], now: Any) -> list[int]:
    done, start = [0] * len(databases), threading.Barrier(len(databases))

    def run(turn: int) -> None:
        start.wait()
        done[turn] = work(databases[turn], now)

    threads = [threading.Thread(target=run, args=(turn,)) for turn in range(len(databases))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return done


def test_what_its_issuer_may_no_longer_publish_waits_for_a_new_release(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    alert_id = release(taskforce.members["a"], at=SOON)
    taskforce.state_group(("b",))
    taskforce.clock.advance(hours=2)  # type: ignore[attr-defined]
    assert apply_due_changes(taskforce.database, taskforce.clock()) == 1
    assert read(taskforce.members["a"], alert_id)["state"] == "reviewed"
    assert logged(taskforce, "a", "refusal", alert_id)[-1]["reasons"] == [{"code": "group", "field": "audience.groups"}]
    assert len(notices(taskforce, "a", "refusal")) == 1
    assert logged(taskforce, "b", "alert_published") == []


def test_a_gateway_that_counsel_closed_carries_no_alert_from_then_on(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, context = taskforce.members["a"], taskforce.app.extensions["exchange"]
    reviewed = draft(a)
    step(a, reviewed, "review", {})
    scheduled = release(a, at=SOON)
    left: GatewayRules = {gateway: rule for gateway, rule in RULES.items() if gateway is not LegalGateway.CCA2013_S7}
    attach_context(taskforce.app.extensions, replace(context, policy=RequestPolicy(left)))
    assert reasons_of(a.send("POST", "/v1/alerts", make_content())) == {"no-gateway"}
    assert refused(taskforce, reviewed, "release", {"at": None}) == {"no-gateway"}
    apply_due_changes(taskforce.database, taskforce.clock() + timedelta(hours=2), left)
    assert read(a, scheduled)["state"] == "reviewed"
    reasons = logged(taskforce, "a", "refusal", scheduled)[-1]["reasons"]
    assert reasons == [{"code": "no-gateway", "field": "legal_gateway"}]
    assert logged(taskforce, "b", "alert_published") == []


def test_what_has_expired_before_the_worker_comes_is_not_published(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    alert_id = release(taskforce.members["a"], at=SOON, review_by="2026-11-22", expires_on="2026-11-23")
    apply_due_changes(taskforce.database, taskforce.clock() + timedelta(days=2))
    assert read(taskforce.members["a"], alert_id)["state"] == "reviewed"
    assert {reason["code"] for reason in logged(taskforce, "a", "refusal", alert_id)[-1]["reasons"]} == {
        "release-after-expiry"
    }


def test_of_two_successors_at_the_same_time_one_takes_the_place(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members["a"], taskforce.members["b"]
    old = release(a)
    rivals = [reviewed(taskforce, supersedes=read(a, old)["reference"]) for _ in range(2)]
    answers: list[TestResponse] = []

    def ask(alert_id: str) -> None:
        answers.append(a.send("POST", f"/v1/alerts/{alert_id}/release", {"at": None}, as_name="authoriser"))

    threads = [threading.Thread(target=ask, args=(alert_id,)) for alert_id in rivals]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answer.status_code for answer in answers) == [200, 403]
    assert read(b, old)["version"] == 2
    assert len(logged(taskforce, "b", "alert_superseded", old)) == 1


def test_a_withdrawal_reaches_all_who_were_ever_told(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b", "c", "d")
    taskforce.state_group(("a", "b", "c"))
    a, b, c, d = (taskforce.members[name] for name in "abcd")
    alert_id = release(a)
    read(b, alert_id)
    taskforce.state_group(("a", "c", "d"))
    assert b.send("GET", f"/v1/alerts/{alert_id}").status_code == 404, "it has left the group"
    assert step(a, alert_id, "withdraw", {"reason": "The employer is genuine."}) == "withdrawn"
    for member_id in ("b", "c", "d"):
        (view,) = logged(taskforce, member_id, "alert_withdrawn", alert_id)
        assert (view["state"], view["version"]) == ("withdrawn", 2)
        assert view["event_id"] in notices(taskforce, member_id, "alert_withdrawn")
    for member in (c, d):
        found = read(member, alert_id)
        assert (found["state"], found["reason"]) == ("withdrawn", "The employer is genuine.")
    assert b.send("GET", f"/v1/alerts/{alert_id}").status_code == 404, "told of it, yet no reader"
    assert found["modified_at"] > found["published_at"]


def test_a_withdrawal_has_a_reason_and_happens_once(shared: Taskforce) -> None:
    alert_id = release(shared.members["a"])
    assert refused(shared, alert_id, "withdraw", {"reason": " "}) == {"no-reason"}
    step(shared.members["a"], alert_id, "withdraw", {"reason": "wrong"})
    assert refused(shared, alert_id, "withdraw", {"reason": "again"}) == {"withdrawn"}
    assert refused(shared, draft(shared.members["a"]), "withdraw", {"reason": "never mind"}) == {"not-published"}


def test_a_new_alert_takes_the_place_of_the_one_that_it_names(shared: Taskforce) -> None:
    a, b = shared.members["a"], shared.members["b"]
    old = release(a)
    reference = read(a, old)["reference"]
    rivals = [reviewed(shared, supersedes=reference) for _ in range(2)]
    step(a, rivals[0], "release", {"at": None})
    new = read(b, rivals[0])
    found = read(b, old)
    assert (found["state"], found["superseded_by"], found["version"]) == ("superseded", new["reference"], 2)
    assert new["content"]["supersedes"] == reference
    assert len(logged(shared, "c", "alert_superseded", old)) == 1
    assert refused(shared, rivals[1], "release", {"at": None}) == {"supersedes"}


def test_an_alert_expires_behind_its_last_day(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    alert_id = release(taskforce.members["a"], review_by="2026-11-22", expires_on="2026-11-23")
    for hours, state in ((13, "published"), (37.9, "published"), (38, "expired")):
        apply_due_changes(taskforce.database, taskforce.clock() + timedelta(hours=hours))
        assert read(taskforce.members["b"], alert_id)["state"] == state
    assert len(notices(taskforce, "b", "alert_expired")) == 1


def test_while_the_log_stands_still_nothing_is_published_or_taken_back(database_url: str, tmp_path: Path) -> None:
    taskforce = Taskforce(database_url, tmp_path, log_stale_seconds=60)
    try:
        for member_id in ("a", "b"):
            taskforce.add_member(member_id)
        taskforce.state_group(("a", "b"))
        a, b = taskforce.members["a"], taskforce.members["b"]
        published, waiting, due = release(a), reviewed(taskforce), release(a, at="2026-11-22T10:01:00Z")
        taskforce.clock.advance(minutes=5)  # type: ignore[attr-defined]
        asked = [
            ("POST", "/v1/alerts", make_content(), "analyst"),
            ("POST", f"/v1/alerts/{waiting}/release", {"at": None}, "authoriser"),
            ("POST", f"/v1/alerts/{published}/withdraw", {"reason": "wrong"}, "authoriser"),
            ("GET", f"/v1/alerts/{published}", None, "analyst"),
            ("GET", f"/v1/alerts/{published}/page", None, "analyst"),
            ("GET", f"/v1/alerts/{published}/pdf", None, "analyst"),
            ("GET", f"/v1/alerts/{published}/responses", None, "analyst"),
            ("GET", "/v1/alerts", None, "analyst"),
        ]
        for method, target, value, as_name in asked:
            answer = a.send(method, target, value, as_name=as_name)
            assert answer.status_code == 503, (target, answer.text)
            assert answer.get_json()["type"] == "urn:exchange:problem:log-unavailable"
        assert b.send("GET", f"/v1/alerts/{published}").status_code == 503
        with pytest.raises(LogUnavailableError):
            apply_due_changes(taskforce.database, taskforce.clock())
        with taskforce.database.reading() as session:
            states = {one.alert_id: one.state for one in session.scalars(select(StoredAlert))}
        assert states == {published: "published", waiting: "reviewed", due: "scheduled"}
    finally:
        taskforce.close()
