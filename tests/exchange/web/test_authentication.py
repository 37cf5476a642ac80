"""Who is let in: signatures, nonces, roles; and what hostile requests get."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from exchange.kernel.session import create_database
from keys.signatures.messages import SigningKey, new_nonce, sign_request
from schemas.values.encoding import to_base64
from tests.exchange.factories import make_token
from tests.taskforce.clock import Clock
from tests.taskforce.founding import URL, Taskforce, make_taskforce

NewTaskforce = Callable[..., Taskforce]


def test_an_unsigned_request_is_refused(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    for method, target in (("GET", "/v1/hits"), ("GET", "/v1/status"), ("GET", "/log/entries"), ("GET", "/v1/notices")):
        assert taskforce.send_unsigned(method, target).status_code == 401


def test_a_post_without_an_idempotency_key_is_refused(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    answer = taskforce.send_unsigned("POST", "/v1/submissions", b"{}", {"Content-Type": "application/json"})
    assert (answer.status_code, answer.get_json()["reason"]) == (400, "idempotency-key")


def test_a_key_that_the_registrars_did_not_state_is_refused(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    stranger = SigningKey.generate()
    for key_id in ("a/analyst", "x/analyst", "registrar/necc", "a", ""):
        answer = taskforce.send("GET", "/v1/hits", b"", key_id=key_id, key=stranger)
        assert answer.status_code == 401, key_id


def test_a_request_signed_for_another_server_is_refused(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    key = taskforce.members["a"].keys["analyst"]
    signed = sign_request(
        "GET", "https://other.test/v1/hits", {}, b"", "a/analyst", key, clock=taskforce.clock, nonce=new_nonce()
    )
    assert taskforce.send_unsigned("GET", "/v1/hits", b"", signed).get_json()["reason"] == "invalid"


def test_a_changed_query_or_body_is_refused(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    key = taskforce.members["a"].keys["analyst"]
    signed = sign_request(
        "GET", f"{URL}/v1/hits?limit=1", {}, b"", "a/analyst", key, clock=taskforce.clock, nonce=new_nonce()
    )
    assert taskforce.send_unsigned("GET", "/v1/hits?limit=2", b"", signed).status_code == 401
    headers = {"Idempotency-Key": "some-key-1", "Content-Type": "application/json"}
    signed = sign_request(
        "POST", f"{URL}/v1/submissions", headers, b"{}", "a/analyst", key, clock=taskforce.clock, nonce=new_nonce()
    )
    assert taskforce.send_unsigned("POST", "/v1/submissions", b"{ }", signed).get_json()["reason"] == "digest"


def test_an_old_signature_is_refused(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    key = taskforce.members["a"].keys["analyst"]
    old = Clock(taskforce.clock())
    old.advance(seconds=-61)
    signed = sign_request("GET", f"{URL}/v1/hits", {}, b"", "a/analyst", key, clock=old, nonce=new_nonce())
    assert taskforce.send_unsigned("GET", "/v1/hits", b"", signed).get_json()["reason"] == "window"


def test_a_nonce_is_good_once_across_all_workers(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    other_database = create_database(taskforce.settings.database_url)
    try:
        other_worker = taskforce.make_app(other_database)
        a = taskforce.members["a"]
        nonce = new_nonce()
        assert a.send("GET", "/v1/status", nonce=nonce).status_code == 200
        for app in (other_worker, taskforce.app):
            assert a.send("GET", "/v1/status", nonce=nonce, app=app).get_json()["reason"] == "replayed"
        assert a.send("GET", "/v1/status", app=other_worker).status_code == 200
    finally:
        other_database.dispose()


def test_roles_are_enforced(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    answer = taskforce.members["a"].submit([make_token()], as_name="authoriser")
    assert (answer.status_code, answer.get_json()["reason"]) == (403, "role")
    assert taskforce.members["a"].send("GET", "/v1/hits", as_name="authoriser").status_code == 200
    assert taskforce.members["a"].send("GET", "/v1/proposals").status_code == 401
    assert taskforce.send_as_registrar("necc", "GET", "/v1/hits").status_code == 401


def test_identifiers_and_secrets_show_neither_in_errors_nor_in_logs(
    new_taskforce: NewTaskforce, capsys: pytest.CaptureFixture[str]
) -> None:
    taskforce = new_taskforce("a")
    a = taskforce.members["a"]
    canary = "60161331926819"
    token = make_token()
    rows = [[canary, canary, canary, canary], [to_base64(token), canary, None, None]]
    answers = [
        a.submit([], rows=rows),
        a.submit([token], envelope={"theme": canary, canary: canary}),
        a.submit([token], fields={canary: canary}),
        a.send("GET", f"/v1/hits?{canary}={canary}"),
        a.send("GET", f"/v1/{canary}"),
        taskforce.send_unsigned("POST", f"/v1/enrolments?x={canary}", b'{"code":"%s"}' % canary.encode()),
    ]
    with taskforce.database.transaction() as session:
        session.execute(text("ALTER TABLE recent_indicators RENAME TO gone"))
    answers.append(a.submit([token]))
    assert answers[-1].status_code == 503
    said = capsys.readouterr()
    for place in (*(answer.text for answer in answers), said.out, said.err, repr(taskforce.settings)):
        assert canary not in place
        assert to_base64(token) not in place
        assert str(token) not in place
        assert taskforce.settings.database_url not in place


HOSTILE: list[bytes] = [
    b"",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b"null",
    b"[]",
    b'"text"',
    b'{"submission_id":"\\ud800"}',
    b'{"submission_id":"\\u0000"}',
    b'{"part":' + b"9" * 5000 + b"}",
    b'{"part":1e400}',
    b"\xff\xfe",
    b'{"envelope":' + b"[" * 2000 + b"]" * 2000 + b"}",
    b"NaN",
    b"{}" * 3,
]


@pytest.mark.parametrize("target", ["/v1/submissions", "/v1/enrolments", "/v1/statements"])
def test_hostile_bodies_get_a_problem_never_a_crash(new_taskforce: NewTaskforce, target: str) -> None:
    taskforce = new_taskforce("a")
    for body in HOSTILE:
        if target == "/v1/statements":
            registrar = {"key_id": "registrar/necc", "key": taskforce.registrars["necc"]}
            answer = taskforce.send("POST", target, body, **registrar)  # type: ignore[arg-type]
        else:
            answer = taskforce.members["a"].send("POST", target, body=body)
        assert 400 <= answer.status_code < 500, body[:40]
        assert answer.mimetype == "application/problem+json"


def test_hostile_targets_get_a_problem_never_a_crash(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    for target in (
        "/v1/hits?limit=" + "9" * 5000,
        "/v1/hits?limit=-1",
        "/v1/hits?cursor=%00",
        "/v1/hits?cursor=" + "a" * 3000,
        "/v1/hits?since=9999-99-99",
        "/v1/hits?since=0001-01-01",
        "/v1/hits?limit=1&limit=2",
        "/v1/hits?unknown=1",
        "/v1/statements?cursor=%ED%A0%80",
        "/v1/notices?cursor=%27",
        "/log/entries?after=%00",
        "/log/entries?after=" + "9" * 40,
        "/log/tile/0/%00",
        "/log/tile/99999999999999999999/0",
        "/v1/hits/%2e%2e",
    ):
        answer = taskforce.members["a"].send("GET", target)
        assert answer.status_code < 500, target
        assert answer.status_code >= 400 or target.endswith("0001-01-01"), target


def test_a_body_that_is_too_long_or_of_another_type_is_refused(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    headers = {"Idempotency-Key": "some-key-1", "Content-Type": "application/json"}
    assert taskforce.send_unsigned("POST", "/v1/enrolments", b"x" * (4 << 20) + b"x", headers).status_code == 413
    other = {**headers, "Content-Type": "text/plain"}
    assert taskforce.send_unsigned("POST", "/v1/enrolments", b"{}", other).status_code == 415
    assert taskforce.send_unsigned("DELETE", "/v1/enrolments").status_code == 405


_texts = st.text(st.characters(codec="utf-8"), max_size=20)
_values: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | _texts,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_texts, inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture(scope="module")
def one_member(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """A taskforce on SQLite that many examples share: none of them stores anything."""
    folder: Path = tmp_path_factory.mktemp("taskforce")
    taskforce = make_taskforce(f"sqlite:///{folder / 'test.db'}", folder, "a")
    yield taskforce
    taskforce.close()


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_json_in_place_of_any_field_gets_an_answer_that_is_no_crash(
    one_member: Taskforce, data: st.DataObject
) -> None:
    a = one_member.members["a"]
    value = a.submission([make_token()])
    place = data.draw(st.sampled_from(["whole", "field", "envelope", "row"]))
    odd = data.draw(_values)
    if place == "whole":
        value = odd
    elif place == "field":
        value[data.draw(st.sampled_from(sorted(value)))] = odd
    elif place == "envelope":
        value["envelope"][data.draw(st.sampled_from(sorted(value["envelope"])))] = odd
    else:
        value["rows"] = [[odd, odd, odd, odd], odd, *value["rows"]]
    answer = a.send("POST", "/v1/submissions", body=json.dumps(value).encode())
    assert answer.status_code < 500
    if answer.status_code >= 400:
        assert answer.mimetype == "application/problem+json"
