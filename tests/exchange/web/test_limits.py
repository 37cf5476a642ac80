"""Requests a minute: counted for each member over all workers, refused clearly, and never by a stranger's doing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from edge.request_limits import DEFAULT_LIMIT
from exchange.configuration.settings import SettingsError, load_settings, write_config
from exchange.kernel.session import create_database
from exchange.operations.purge import purge_nonces
from keys.custody.files import write_private_file
from keys.signatures.messages import SigningKey, new_nonce
from schemas.values.canonical import canonical_json
from tests.exchange.factories import make_token
from tests.taskforce.clock import Clock
from tests.taskforce.founding import Taskforce

NewTaskforce = Callable[..., Taskforce]
LIMIT = 5


def _limited(new_taskforce: NewTaskforce, *member_ids: str) -> Taskforce:
    taskforce = new_taskforce(*member_ids)
    taskforce.change_settings(requests_per_minute=LIMIT, enrolments_per_minute=LIMIT)
    _clock(taskforce).advance(seconds=60)  # what setting up has used is past
    return taskforce


def _clock(taskforce: Taskforce) -> Clock:
    assert isinstance(taskforce.clock, Clock)
    return taskforce.clock


def test_a_member_beyond_its_limit_is_told_when_to_come_back(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce, "a", "b")
    a, b = taskforce.members.values()
    _clock(taskforce).advance(seconds=17)
    names = ["analyst", "authoriser"] * 3
    answers = [a.send("GET", "/v1/status", as_name=name) for name in names]
    assert [answer.status_code for answer in answers] == [200] * LIMIT + [429]
    refusal = answers[-1].get_json()
    assert refusal["type"] == "urn:exchange:problem:request-limit"
    assert (refusal["limit"], refusal["retry_after_seconds"], answers[-1].headers["Retry-After"]) == (LIMIT, 43, "43")
    assert refusal["detail"] == "At most 5 requests a minute are answered here; come back in 43 seconds."
    assert answers[-1].mimetype == "application/problem+json"
    assert b.send("GET", "/v1/status").status_code == 200
    _clock(taskforce).advance(seconds=43)
    assert a.send("GET", "/v1/status").status_code == 200


def test_the_limit_holds_across_workers_that_count_at_once(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce, "a")
    databases = [create_database(taskforce.settings.database_url) for _ in range(2)]
    try:
        apps = [taskforce.make_app(database) for database in databases]
        a = taskforce.members["a"]
        with ThreadPoolExecutor(6) as pool:
            answers = list(pool.map(lambda turn: a.send("GET", "/v1/status", app=apps[turn % 2]), range(12)))
        assert Counter(answer.status_code for answer in answers) == {200: LIMIT, 429: 12 - LIMIT}
    finally:
        for database in databases:
            database.dispose()


def test_an_upload_over_the_limit_is_stored_only_when_sent_again(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce, "a")
    a = taskforce.members["a"]
    for _ in range(LIMIT):
        assert a.send("GET", "/v1/status").status_code == 200
    value = a.submission([make_token()])
    assert a.send("POST", "/v1/submissions", value, idempotency_key="upload-1").status_code == 429
    with taskforce.database.reading() as session:
        assert session.execute(text("SELECT count(*) FROM submissions")).scalar_one() == 0
    _clock(taskforce).advance(seconds=60)
    assert a.send("POST", "/v1/submissions", value, idempotency_key="upload-1").status_code == 201


def test_a_stranger_cannot_use_up_a_members_limit(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce, "a")
    a, nonce = taskforce.members["a"], new_nonce()
    assert a.send("GET", "/v1/status", nonce=nonce).status_code == 200
    for _ in range(2 * LIMIT):
        # A repetition of what was overheard, another's signature, none.
        assert a.send("GET", "/v1/status", nonce=nonce).get_json()["reason"] == "replayed"
        forged = taskforce.send("GET", "/v1/status", b"", key_id="a/analyst", key=SigningKey.generate())
        assert forged.status_code == 401
        assert taskforce.send_unsigned("GET", "/v1/status").status_code == 401
    assert [a.send("GET", "/v1/status").status_code for _ in range(LIMIT)] == [200] * (LIMIT - 1) + [429]


def test_a_request_over_the_limit_cannot_be_replayed_later(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce, "a")
    a, nonce = taskforce.members["a"], new_nonce()
    for _ in range(LIMIT):
        a.send("GET", "/v1/status")
    assert a.send("GET", "/v1/status", nonce=nonce).status_code == 429
    _clock(taskforce).advance(seconds=60)
    assert a.send("GET", "/v1/status", nonce=nonce).get_json()["reason"] == "replayed"


def test_registrars_are_limited_each_for_itself(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce, "a")
    answers = [taskforce.send_as_registrar("necc", "GET", "/v1/proposals") for _ in range(LIMIT + 1)]
    assert [answer.status_code for answer in answers] == [200] * LIMIT + [429]
    assert taskforce.send_as_registrar("reviewer", "GET", "/v1/proposals").status_code == 200


def _guess(taskforce: Taskforce, address: str) -> int:
    claim = taskforce.members["a"].claim("x" * 40)
    headers = {"Idempotency-Key": new_nonce(), "Content-Type": "application/json"}
    client = taskforce.app.test_client()
    answer = client.post(
        "/v1/enrolments", data=canonical_json(claim), headers=headers, environ_base={"REMOTE_ADDR": address}
    )
    return int(answer.status_code)


def test_an_attacker_can_guess_only_so_many_codes_a_minute(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce, "a")
    assert [_guess(taskforce, "192.0.2.1") for _ in range(LIMIT + 1)] == [403] * LIMIT + [429]
    assert _guess(taskforce, "192.0.2.2") == 403
    # An IPv6 network has more addresses than anyone counts: it is one source.
    found = [_guess(taskforce, f"2001:db8::{number:x}") for number in range(LIMIT + 1)]
    assert found == [403] * LIMIT + [429]
    assert _guess(taskforce, "2001:db8:0:1::1") == 403
    assert _guess(taskforce, "not an address") == 403
    _clock(taskforce).advance(seconds=60)
    assert _guess(taskforce, "192.0.2.1") == 403


def test_the_refusal_is_logged_without_naming_anyone(
    new_taskforce: NewTaskforce, capsys: pytest.CaptureFixture[str]
) -> None:
    taskforce = _limited(new_taskforce, "a")
    for _ in range(LIMIT + 1):
        _guess(taskforce, "192.0.2.77")
    said = capsys.readouterr().out
    assert "request limit exceeded" in said
    assert "192.0.2.77" not in said


def test_counts_of_past_minutes_are_forgotten(new_taskforce: NewTaskforce) -> None:
    taskforce = _limited(new_taskforce, "a")

    def count() -> Any:
        with taskforce.database.reading() as session:
            return session.execute(text("SELECT count(*) FROM request_counts")).scalar_one()

    taskforce.members["a"].send("GET", "/v1/status")
    kept = count()
    assert kept >= 1
    _clock(taskforce).advance(seconds=240)
    purge_nonces(taskforce.database, _clock(taskforce)())
    assert count() == 0
    taskforce.members["a"].send("GET", "/v1/status")
    purge_nonces(taskforce.database, _clock(taskforce)())
    assert count() == 1


def test_the_usual_limit_lets_the_largest_upload_through() -> None:
    """1,000,000 rows in parts of 10,000 are 100 requests, and as many again for the status, statements and hits."""
    assert DEFAULT_LIMIT >= 2 * (1_000_000 // 10_000)


@pytest.mark.parametrize("value", ["0", "-1", "many", "1000001", "1.5"])
def test_a_limit_that_is_none_stops_the_start(new_taskforce: NewTaskforce, value: str) -> None:
    taskforce = new_taskforce("a")
    home = taskforce.settings.home / "home"
    home.mkdir(mode=0o700)
    write_private_file(home / "registrars.json", canonical_json(taskforce.root.to_wire()))
    named = {"exchange_id": "x", "url": "https://x", "log_origin": "x", "log_vkey": "x", "database_url": "sqlite:///x"}
    write_config(home, named)
    assert load_settings(home, {}).requests_per_minute == DEFAULT_LIMIT
    assert load_settings(home, {"EXCHANGE_REQUESTS_PER_MINUTE": "7"}).requests_per_minute == 7
    with pytest.raises(SettingsError):
        load_settings(home, {"EXCHANGE_REQUESTS_PER_MINUTE": value})
