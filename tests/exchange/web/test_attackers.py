"""Whoever changes a signed request, repeats one, or states what no registrar signed: at the exchange, over HTTP."""

from __future__ import annotations

import base64
import dataclasses
import json
import re
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from sqlalchemy import text

from exchange.kernel.nonces import delete_expired_nonces
from exchange.registrars.accept import accept_statement
from keys.signatures.messages import SigningKey, content_digest, new_nonce, sign_request
from keys.statements.envelopes import Registrar, Root, StatementError, merge, sign_statement
from keys.statements.keyring import MemberState, to_payload
from tests.exchange.factories import make_token
from tests.taskforce.clock import Clock
from tests.taskforce.founding import URL, Taskforce

NewTaskforce = Callable[..., Taskforce]
TARGET = "/v1/submissions"


class Intercepted:
    """A member's signed submission in an attacker's hands; `send` delivers it as he has changed it."""

    def __init__(self, taskforce: Taskforce) -> None:
        self.taskforce = taskforce
        self.member = taskforce.members["a"]
        self.body = json.dumps(self.member.submission([make_token()])).encode()
        self.method, self.target = "POST", TARGET
        given = {"Idempotency-Key": "key-of-the-member", "Content-Type": "application/json"}
        self.headers = sign_request(
            *("POST", URL + TARGET, given, self.body),
            *("a/analyst", self.member.keys["analyst"], taskforce.clock, new_nonce()),
        )

    def put(self, name: str, pattern: str, replacement: str) -> None:
        """Change a header; it must really change."""
        changed = re.sub(pattern, replacement, self.headers[name])
        assert changed != self.headers[name]
        self.headers[name] = changed

    def send(self) -> tuple[int, str]:
        answer = self.taskforce.send_unsigned(self.method, self.target, self.body, self.headers)
        return answer.status_code, str((answer.get_json(silent=True) or {}).get("reason", ""))

    def stored(self) -> int:
        with self.taskforce.database.reading() as session:
            return int(session.execute(text("SELECT count(*) FROM submissions")).scalar_one())


def _other_body(request: Intercepted) -> None:
    request.body = json.dumps(request.member.submission([make_token()])).encode()


def _other_body_and_digest(request: Intercepted) -> None:
    _other_body(request)
    request.headers["Content-Digest"] = content_digest(request.body)


def _signed_by_another(request: Intercepted) -> None:
    """A right signature of b's key over everything, in a's name."""
    key = request.taskforce.members["b"].keys["analyst"]
    given = {"Idempotency-Key": "key-of-the-member", "Content-Type": "application/json"}
    clock = request.taskforce.clock
    request.headers = sign_request("POST", URL + TARGET, given, request.body, "a/analyst", key, clock, new_nonce())


def _no_digest(request: Intercepted) -> None:
    del request.headers["Content-Digest"]


def _to(target: str) -> Callable[[Intercepted], None]:
    return lambda request: setattr(request, "target", target)


def _input(pattern: str, replacement: str) -> Callable[[Intercepted], None]:
    return lambda request: request.put("Signature-Input", pattern, replacement)


def _header(name: str, pattern: str, replacement: str) -> Callable[[Intercepted], None]:
    return lambda request: request.put(name, pattern, replacement)


CHANGES: dict[str, Callable[[Intercepted], None]] = {
    "another target": _to("/v1/statements"),
    "a query": _to(TARGET + "?"),
    "an encoded path": _to("/v1/%73ubmissions"),
    "another body": _other_body,
    "another body with its digest": _other_body_and_digest,
    "no digest": _no_digest,
    "a digest more": _header("Content-Digest", "^", "sha-512=:AAAA:, "),
    "another idempotency key": _header("Idempotency-Key", "member", "memb3r"),
    "another time": _input(r"created=\d+", "created=1795341601"),
    "another nonce": _input(r'nonce="\w+"', f'nonce="{"0" * 32}"'),
    "another name": _input("a/analyst", "b/analyst"),
    "a colleague's name": _input("a/analyst", "a/authoriser"),
    "another's key": _signed_by_another,
    "another algorithm": _input('alg="ed25519"', 'alg="hmac-sha256"'),
    "no algorithm": _input(';alg="ed25519"', ""),
    "a parameter more": _input("$", ";tag=1"),
    "parameters in another order": _input(r"(;created=\d+)(.*)$", r"\2\1"),
    "a component less": _input(' "idempotency-key"', ""),
    "components in another order": _input('"@method" "@target-uri"', '"@target-uri" "@method"'),
    "another label in one header": _input("sig1=", "sig2="),
    "another signature": _header("Signature", r":(..)", ":AA"),
}


def _two_signatures(request: Intercepted) -> None:
    for name in ("Signature", "Signature-Input"):
        request.headers[name] += ", " + request.headers[name].replace("sig1", "sig2")


CHANGES["two signatures"] = _two_signatures


def test_no_signed_component_can_be_changed(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    for name, change in CHANGES.items():
        request = Intercepted(taskforce)
        change(request)
        status, _ = request.send()
        assert status in {400, 401, 422}, name
        assert status == 401 or "query" in name, name
        assert request.stored() == 0, name
    honest = Intercepted(taskforce)
    assert honest.send() == (201, "")


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS"])
def test_a_signed_request_is_worth_nothing_under_another_method(new_taskforce: NewTaskforce, method: str) -> None:
    taskforce = new_taskforce("a")
    request = Intercepted(taskforce)
    request.method = method
    assert request.send()[0] in {400, 401, 405}
    statuses = sign_request(
        "GET", f"{URL}/v1/hits", {}, b"", "a/analyst", request.member.keys["analyst"], taskforce.clock, new_nonce()
    )
    if method in {"HEAD", "OPTIONS"}:
        assert taskforce.send_unsigned(method, "/v1/hits", b"", statuses).status_code in {401, 405}


def test_other_spellings_of_a_request_that_was_taken_are_replays(new_taskforce: NewTaskforce) -> None:
    """Headers can be written in more than one way that means the same; the nonce is what counts."""
    taskforce = new_taskforce("a")
    request = Intercepted(taskforce)
    assert request.send() == (201, "")
    spaced = dict(request.headers)
    spaced["Signature-Input"] = spaced["Signature-Input"].replace("sig1=(", "sig1=( ").replace(";", "; ")
    renamed = {name.upper(): value for name, value in request.headers.items()}
    for headers in (request.headers, spaced, renamed):
        request.headers = headers
        status, reason = request.send()
        assert (status, reason) in {(401, "replayed"), (401, "invalid")}
    assert request.stored() == 1


@pytest.mark.parametrize("skew", [-60, 60])
def test_a_request_at_the_edge_of_the_window_is_accepted_once(new_taskforce: NewTaskforce, skew: int) -> None:
    """A nonce must outlive its signature, also that of a clock ahead of ours, however often old ones are purged."""
    taskforce = new_taskforce("a")
    signer, start = Clock(taskforce.clock()), taskforce.clock()
    signer.advance(seconds=skew)
    key = taskforce.members["a"].keys["analyst"]
    headers = sign_request("GET", f"{URL}/v1/status", {}, b"", "a/analyst", key, signer, new_nonce())
    assert taskforce.send_unsigned("GET", "/v1/status", b"", headers).status_code == 200
    for _ in range(14):
        taskforce.clock.advance(seconds=10)  # type: ignore[attr-defined]
        with taskforce.database.transaction() as session:
            delete_expired_nonces(session, taskforce.clock())
        answer = taskforce.send_unsigned("GET", "/v1/status", b"", headers)
        assert answer.status_code == 401, taskforce.clock() - start


@pytest.mark.parametrize("seconds", [-61, 61, -86_400, 86_400, -(10**9), 10**9])
def test_a_clock_outside_the_window_is_refused(new_taskforce: NewTaskforce, seconds: int) -> None:
    taskforce = new_taskforce("a")
    signer = Clock(taskforce.clock())
    signer.advance(seconds=seconds)
    key = taskforce.members["a"].keys["analyst"]
    headers = sign_request("GET", f"{URL}/v1/status", {}, b"", "a/analyst", key, signer, new_nonce())
    answer = taskforce.send_unsigned("GET", "/v1/status", b"", headers)
    assert (answer.status_code, answer.get_json()["reason"]) == (401, "window")


# -- authority that nobody signed


def _envelope(taskforce: Taskforce, payload: bytes, *names: str) -> dict[str, Any]:
    signed = [sign_statement(payload, name, taskforce.registrars[name]) for name in names]
    envelope: dict[str, Any] = msgspec.to_builtins(signed[0] if len(signed) == 1 else merge(*signed))
    return envelope


def _status(taskforce: Taskforce, envelope: object, by: str = "necc") -> tuple[int, str]:
    answer = taskforce.send_as_registrar(by, "POST", "/v1/statements", envelope)
    document = answer.get_json()
    return answer.status_code, document.get("state") or document.get("reason", "")


def test_a_registrar_who_signs_twice_is_no_quorum(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    suspension = to_payload(taskforce.member_statement(taskforce.members["a"], 2, MemberState.SUSPENDED))
    one = _envelope(taskforce, suspension, "necc")
    twice = {**one, "signatures": one["signatures"] * 2}
    renamed = {**one, "signatures": [*one["signatures"], {**one["signatures"][0], "keyid": "registrar/reviewer"}]}
    for envelope in (one, twice, renamed, one):
        assert _status(taskforce, envelope) == (200, "collecting")
    assert taskforce.members["a"].send("GET", "/v1/status").status_code == 200
    assert _status(taskforce, _envelope(taskforce, suspension, "reviewer"), "reviewer") == (200, "effective")
    assert taskforce.members["a"].send("GET", "/v1/status").status_code == 403


def test_older_and_other_statements_do_not_lift_a_suspension(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    a = taskforce.members["a"]
    first = next(
        envelope
        for envelope in a.send("GET", "/v1/statements").get_json()["statements"]
        if b'"member_id":"a"' in base64.b64decode(envelope["payload"])
    )
    taskforce.state_member(a, MemberState.SUSPENDED)
    assert _status(taskforce, first) == (409, "stale")
    rival = to_payload(dataclasses.replace(taskforce.member_statement(a, 2), declared_book=7))
    assert _status(taskforce, _envelope(taskforce, rival, "necc", "reviewer")) == (409, "conflict")
    assert a.send("GET", "/v1/status").status_code == 403


def test_a_forged_statement_is_refused_in_every_part(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    payload = to_payload(taskforce.member_statement(taskforce.members["a"], 2))
    stranger = SigningKey.generate()
    good = _envelope(taskforce, payload, "necc", "reviewer")
    other = to_payload(dataclasses.replace(taskforce.member_statement(taskforce.members["a"], 2), declared_book=7))
    for forged in (
        sign_statement(payload, "necc", stranger),
        sign_statement(payload, "mallory", stranger),
        {**good, "payload": base64.b64encode(other).decode()},
        {**good, "payloadType": "application/json"},
        {**good, "signatures": []},
    ):
        assert _status(taskforce, forged)[0] == 422
    assert _status(taskforce, good) == (200, "effective")


def test_a_removed_registrar_counts_for_nothing(new_taskforce: NewTaskforce) -> None:
    """The exchange is restarted with a root that has one of them replaced."""
    taskforce = new_taskforce("a")
    suspension = to_payload(taskforce.member_statement(taskforce.members["a"], 2, MemberState.SUSPENDED))
    successor = SigningKey.generate()
    root = Root(
        2,
        (
            Registrar("necc", taskforce.registrars["necc"].public_bytes),
            Registrar("successor", successor.public_bytes),
        ),
    )
    envelope = _envelope(taskforce, suspension, "necc", "reviewer")
    assert accept_statement(taskforce.database, root, envelope, taskforce.clock()).state == "collecting"
    only = _envelope(taskforce, suspension, "reviewer")
    with pytest.raises(StatementError, match="no registrar"):
        accept_statement(taskforce.database, root, only, taskforce.clock())
    by_successor = sign_statement(suspension, "successor", successor)
    with pytest.raises(StatementError, match="1 of the registrars signed"):  # what it follows counts no longer either
        accept_statement(taskforce.database, root, by_successor, taskforce.clock())
    assert taskforce.members["a"].send("GET", "/v1/status").status_code == 200


def test_a_registrars_key_serves_no_member_and_a_members_no_registrar(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    registrar, analyst = taskforce.registrars["necc"], taskforce.members["a"].keys["analyst"]
    for key_id, key in (("a/analyst", registrar), ("registrar/necc", analyst), ("registrar/a", analyst)):
        assert taskforce.send("GET", "/v1/statements", b"", key_id=key_id, key=key).status_code == 401
