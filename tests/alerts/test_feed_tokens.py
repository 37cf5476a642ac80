"""Feed tokens: made and revoked by a member's people, told once, in the log, and good for reading feeds alone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy import text

from tests.taskforce.founding import Taskforce
from tests.taskforce.members import MemberSimulator

NewTaskforce = Callable[..., Taskforce]
PATH, FEED = "/v1/feed-tokens", "/feeds/taskforce.atom"


def make(member: MemberSimulator, name: str = "reader", **options: Any) -> dict[str, Any]:
    """A new token."""
    answer = member.send("POST", PATH, {"name": name}, **options)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.get_json()
    return made


def status_of(taskforce: Taskforce, token: str, target: str = FEED) -> int:
    """How a request with a token is answered."""
    return taskforce.send_unsigned("GET", target, headers={"Authorization": f"Bearer {token}"}).status_code


def views(taskforce: Taskforce, member_id: str) -> list[tuple[str, dict[str, Any]]]:
    """The member's log entries about feed tokens."""
    found = taskforce.views(member_id)
    return [(view["kind"], view) for view in found if view["kind"].startswith("feed_token")]


def test_a_token_reads_feeds_until_it_is_revoked(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a = taskforce.members["a"]
    made, other = make(a, "platform"), make(a, as_name="authoriser")
    assert status_of(taskforce, made["token"]) == 200
    assert status_of(taskforce, made["token"], "/v1/alerts") == 401
    for _ in range(2):
        answer = a.send("POST", f"{PATH}/{made['token_id']}/revoke", {}, as_name="authoriser")
        assert answer.status_code == 200
        assert answer.get_json()["revoked_at"] is not None
    assert status_of(taskforce, made["token"]) == 401
    assert status_of(taskforce, other["token"]) == 200
    listed = a.send("GET", PATH).get_json()
    assert {one["token_id"]: one["revoked_at"] is None for one in listed["feed_tokens"]} == {
        made["token_id"]: False,
        other["token_id"]: True,
    }
    assert made["token"] not in str(listed)
    wanted = [
        ("feed_token_made", "a/analyst"),
        ("feed_token_made", "a/authoriser"),
        ("feed_token_revoked", "a/authoriser"),
    ]
    assert [(kind, view["representative_id"]) for kind, view in views(taskforce, "a")] == wanted
    assert views(taskforce, "b") == []


def test_a_token_is_told_once_and_kept_nowhere(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a = taskforce.members["a"]
    first = make(a, idempotency_key="the-same-key")
    again = make(a, idempotency_key="the-same-key")
    assert again == {**first, "token": None}
    assert a.send("POST", PATH, {"name": "other"}, idempotency_key="the-same-key").status_code == 422
    with taskforce.database.reading() as session:
        for table in ("idempotent_answers", "log_entries", "feed_tokens"):
            assert first["token"] not in str(session.execute(text(f"SELECT * FROM {table}")).all())


def test_a_token_of_another_member_is_unknown(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    made = make(taskforce.members["a"])
    b = taskforce.members["b"]
    answers = [
        b.send("POST", f"{PATH}/{token_id}/revoke", {})
        for token_id in (made["token_id"], "01938f3c-7b1e-7c55-9d3a-0a4c1f6b2d10", "x")
    ]
    assert {(answer.status_code, answer.data) for answer in answers} == {(404, answers[0].data)}
    assert b.send("GET", PATH).get_json() == {"feed_tokens": [], "next": None}
    assert status_of(taskforce, made["token"]) == 200


def test_a_member_has_so_many_tokens_and_no_more(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    a = taskforce.members["a"]
    made = [make(a, f"number {number}")["token_id"] for number in range(20)]
    answer = a.send("POST", PATH, {"name": "one more"})
    assert (answer.status_code, answer.get_json()["reasons"][0]["code"]) == (403, "too-many-feed-tokens")
    assert a.send("POST", f"{PATH}/{made[0]}/revoke", {}).status_code == 200
    make(a)
    found: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = a.send("GET", f"{PATH}?limit=6{cursor}").get_json()
        found += [one["token_id"] for one in page["feed_tokens"]]
        cursor = None if page["next"] is None else f"&cursor={page['next']}"
    assert found[:20] == made
    assert len(found) == 21


def test_bad_names_are_refused_by_field(new_taskforce: NewTaskforce) -> None:
    a = new_taskforce("a").members["a"]
    for value in ({}, {"name": ""}, {"name": "x" * 65}, {"name": "a\nb"}, {"name": 1}, {"name": "a", "more": 1}):
        assert a.send("POST", PATH, value).status_code == 422


def test_no_token_is_made_but_one_is_revoked_while_the_log_stands_still(database_url: str, tmp_path: Path) -> None:
    taskforce = Taskforce(database_url, tmp_path, log_stale_seconds=60)
    try:
        a = taskforce.add_member("a")
        taskforce.state_group({"a"})
        made = make(a)
        taskforce.clock.advance(minutes=2)  # type: ignore[attr-defined]
        assert a.send("POST", PATH, {"name": "more"}).status_code == 503
        assert a.send("POST", f"{PATH}/{made['token_id']}/revoke", {}).status_code == 200
        assert status_of(taskforce, made["token"]) == 401
    finally:
        taskforce.close()
