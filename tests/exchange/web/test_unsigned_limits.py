"""What strangers ask costs little: counted by address, refused before anything is read, verified or looked up."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import event

from edge.caller_address import parse_proxies
from exchange.web.access import LIMITED
from keys.signatures.messages import SigningKey, new_nonce
from keys.statements.envelopes import sign_statement
from keys.statements.types import MemberState, to_payload
from schemas.values.encoding import from_base64
from tests.taskforce.clock import Clock
from tests.taskforce.founding import URL, Taskforce

NewTaskforce = Callable[..., Taskforce]
LIMIT = 4
STRANGER = "192.0.2.66"


@contextmanager
def statements_of(taskforce: Taskforce) -> Iterator[list[str]]:
    """Every statement that the database is given within the block."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    event.listen(taskforce.database.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(taskforce.database.engine, "before_cursor_execute", note)


def _limited(new_taskforce: NewTaskforce, proxies: str = "") -> Taskforce:
    taskforce = new_taskforce("a")
    taskforce.change_settings(unsigned_requests_per_minute=LIMIT, trusted_proxies=parse_proxies(proxies))
    return taskforce


def _ask(taskforce: Taskforce, route: str, address: str = STRANGER, **headers: str) -> int:
    method, target = route.split(" ")
    target = target.replace("<path:path>", "0/000")
    body = b"{}" if method == "POST" else b""
    content = {"Content-Type": "application/json", "Idempotency-Key": new_nonce()} if method == "POST" else {}
    client = taskforce.app.test_client()
    given = {**content, **{name.replace("_", "-"): value for name, value in headers.items()}}
    answer = client.open(
        target, base_url=URL, method=method, data=body, headers=given, environ_base={"REMOTE_ADDR": address}
    )
    return int(answer.status_code)


def _flood(taskforce: Taskforce, address: str = "127.0.0.1") -> None:
    """What a stranger sends from there: without a proof, and with one that it made up."""
    signature = {"Signature": "sig1=:AAAA:", "Signature_Input": 'sig1=();keyid="a/analyst"'}
    for _ in range(3 * LIMIT):
        _ask(taskforce, "GET /healthz", address)
        _ask(taskforce, "GET /v1/hits", address)
        _ask(taskforce, "GET /v1/hits", address, **signature)


@pytest.mark.parametrize("route", sorted(LIMITED))
def test_an_open_route_costs_nothing_beyond_the_limit(new_taskforce: NewTaskforce, route: str) -> None:
    taskforce = _limited(new_taskforce)
    assert 429 not in [_ask(taskforce, route) for _ in range(LIMIT)]
    with statements_of(taskforce) as seen:
        assert [_ask(taskforce, route) for _ in range(3)] == [429] * 3
    assert seen == []
    assert _ask(taskforce, route, "192.0.2.67") != 429


@pytest.mark.parametrize(
    ("route", "headers"),
    [
        ("GET /v1/hits", {}),
        ("POST /v1/statements", {}),
        ("POST /v1/submissions", {"Signature": "sig1=:AAAA:", "Signature_Input": 'sig1=("@method")'}),
        ("GET /feeds/group.atom", {"Authorization": "Bearer wrong"}),
        ("GET /taxii2/", {"Authorization": "Basic eDp5"}),
    ],
)
def test_failing_to_authenticate_is_limited(new_taskforce: NewTaskforce, route: str, headers: dict[str, str]) -> None:
    taskforce = _limited(new_taskforce)
    assert [_ask(taskforce, route, **headers) for _ in range(LIMIT)] == [401] * LIMIT
    with statements_of(taskforce) as seen:
        assert _ask(taskforce, route, **headers) == 429
    assert seen == []


def test_a_forged_signature_of_a_members_is_limited_at_its_source(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce)
    forged = [
        taskforce.send("GET", "/v1/status", b"", key_id="a/analyst", key=SigningKey.generate()).status_code
        for _ in range(LIMIT + 1)
    ]
    assert forged == [401] * LIMIT + [429]


def test_a_member_beside_a_stranger_behind_one_address_is_served(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce)
    member = taskforce.members["a"]
    assert member.send("GET", "/v1/status").status_code == 200
    for _ in range(3 * LIMIT):
        assert taskforce.send_unsigned("GET", "/v1/status").status_code == 401
    assert member.send("GET", "/v1/status").status_code == 200


@pytest.mark.parametrize("quiet", [timedelta(minutes=5, seconds=1), timedelta(days=6)])
def test_a_stranger_beside_a_quiet_member_does_not_shut_it_out(new_taskforce: NewTaskforce, quiet: timedelta) -> None:
    taskforce = _limited(new_taskforce)
    member = taskforce.members["a"]
    assert member.send("GET", "/v1/status").status_code == 200
    assert isinstance(taskforce.clock, Clock)
    taskforce.clock.advance(seconds=quiet.total_seconds())
    _flood(taskforce)
    assert member.send("GET", "/v1/status").status_code == 200


def test_a_member_that_never_called_is_not_shut_out_by_calls_without_proof(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce)
    assert 429 in [_ask(taskforce, "GET /v1/hits", "127.0.0.1") for _ in range(3 * LIMIT)]
    signature = {"Signature": "sig1=:AAAA:", "Signature_Input": 'sig1=();keyid="a/analyst"'}
    asked = [_ask(taskforce, "GET /healthz", "127.0.0.1", **signature) for _ in range(LIMIT)]
    assert asked == [429] * LIMIT  # a proof opens nothing where none is looked at
    assert taskforce.members["a"].send("GET", "/v1/status").status_code == 200


def test_a_suspended_members_calls_are_limited_wherever_it_called_before(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce)
    member, other = taskforce.members["a"], taskforce.add_member("b")
    for one in (member, other):
        assert one.send("GET", "/v1/status").status_code == 200
    taskforce.state_member(member, MemberState.SUSPENDED)
    assert [member.send("GET", "/v1/status").status_code for _ in range(LIMIT)] == [403] * LIMIT
    with statements_of(taskforce) as seen:
        assert member.send("POST", "/v1/submissions", {}).status_code == 429
    assert seen == []
    assert other.send("GET", "/v1/status").status_code == 200
    assert member.send("GET", "/v1/status", as_name="authoriser").status_code == 403


def test_a_suspended_members_calls_are_limited_at_their_source(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce)
    taskforce.state_member(taskforce.members["a"], MemberState.SUSPENDED)
    names = ["analyst", "authoriser"] * LIMIT
    asked = [taskforce.members["a"].send("GET", "/v1/status", as_name=name).status_code for name in names]
    assert asked == [403] * LIMIT + [429] * LIMIT


def test_a_suspended_members_feed_token_is_limited_however_shown(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce)
    member = taskforce.members["a"]
    token = member.send("POST", "/v1/feed-tokens", {"name": "reader"}).get_json()["token"]
    taskforce.state_member(member, MemberState.SUSPENDED)
    basic = [base64.b64encode(f"reader-{number}:{token}".encode()).decode() for number in range(LIMIT)]
    shown = [f"Bearer {token}", f"Token {token}", *(f"Basic {one}" for one in basic)]
    asked = [
        taskforce.send_unsigned("GET", "/feeds/taskforce.atom", headers={"Authorization": one}).status_code
        for one in shown
    ]
    assert asked == [403] * LIMIT + [429] * 2


def test_signed_calls_are_never_counted_by_address(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce)
    member = taskforce.members["a"]
    assert {member.send("GET", "/v1/status").status_code for _ in range(5 * LIMIT)} == {200}


def test_an_invented_forwarded_address_does_not_escape_the_limit(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce, proxies="127.0.0.1")
    asked = [_ask(taskforce, "GET /healthz", X_Forwarded_For=f"198.51.100.{number}") for number in range(LIMIT + 1)]
    assert asked == [200] * LIMIT + [429]


def test_behind_a_named_proxy_each_caller_is_limited_for_itself(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce, proxies="127.0.0.1")
    for caller in ("198.51.100.1", "198.51.100.2"):
        asked = [
            _ask(taskforce, "GET /healthz", "127.0.0.1", X_Forwarded_For=f"203.0.113.{number}, {caller}")
            for number in range(LIMIT + 1)
        ]
        assert asked == [200] * LIMIT + [429]


def test_a_known_statement_is_answered_before_any_lock_or_write(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce)
    envelope = taskforce.send_as_registrar("necc", "GET", "/v1/statements").get_json()["statements"][0]
    with statements_of(taskforce) as seen:
        answer = taskforce.send_as_registrar("necc", "POST", "/v1/statements", envelope)
    assert answer.get_json() == {"state": "effective", "signatures": 2, "quorum": 2}
    written = [one for one in seen if one.startswith(("INSERT", "UPDATE", "DELETE", "SELECT pg_advisory"))]
    assert not [one for one in written if not any(name in one for name in ("nonces", "request_counts", "idempotent"))]


def test_an_overtaken_statement_is_refused_before_any_signature_or_lock(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce)
    a = taskforce.members["a"]
    old, newer = taskforce.member_statement(a, 2), taskforce.member_statement(a, 3)
    for name, key in taskforce.registrars.items():
        envelope = sign_statement(to_payload(newer), name, key)
        assert taskforce.send_as_registrar(name, "POST", "/v1/statements", envelope).status_code == 200
    for key in (taskforce.registrars["necc"], SigningKey.generate()):
        with statements_of(taskforce) as seen:
            envelope = sign_statement(to_payload(old), "necc", key)
            answer = taskforce.send_as_registrar("necc", "POST", "/v1/statements", envelope)
        assert (answer.status_code, answer.get_json()["reason"]) == (409, "stale")
        assert not [one for one in seen if "named_locks" in one]


def test_a_known_statement_under_a_wrong_signature_is_refused_still(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce)
    envelope = taskforce.send_as_registrar("necc", "GET", "/v1/statements").get_json()["statements"][0]
    forged = sign_statement(from_base64(envelope["payload"]), "necc", SigningKey.generate())
    answer = taskforce.send_as_registrar("necc", "POST", "/v1/statements", forged)
    assert (answer.status_code, answer.get_json()["reason"]) == (422, "quorum")
