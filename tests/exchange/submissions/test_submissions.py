"""Submitting rows: what is stored, what is kept out, what is answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import text

from keys.signatures.ed25519 import verify_signature
from keys.statements.types import EpochState, GroupState
from schemas.values.encoding import from_base64, to_base64
from schemas.values.identifiers import uuid7
from tests.exchange.factories import make_rows, make_token
from tests.taskforce.founding import Taskforce

NewTaskforce = Callable[..., Taskforce]


def count(taskforce: Taskforce, table: str) -> int:
    """Rows of a table."""
    with taskforce.database.reading() as session:
        return int(session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def refusals(taskforce: Taskforce) -> list[dict[str, Any]]:
    """The views of all refusals in the log."""
    with taskforce.database.reading() as session:
        rows = session.execute(text("SELECT view FROM log_entries WHERE kind = 'refusal' ORDER BY entry_id"))
        return [json.loads(row.view) for row in rows]


def test_two_members_with_one_token_see_a_hit_each_and_no_name(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    shared = make_token()
    assert a.submit([shared, make_token()]).get_json()["hits"] == []
    answer = b.submit([shared, make_token()])
    assert answer.status_code == 201, answer.text
    (hit,) = answer.get_json()["hits"]
    assert hit["institutions"] == "1"
    assert a.hits()[0]["token"] == hit["token"] == to_base64(shared)
    assert a.hits()[0]["hit_id"] != hit["hit_id"]


def test_the_receipt_is_signed_and_names_the_entry_in_the_log(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    answer = taskforce.members["a"].submit([make_token()]).get_json()
    payload = from_base64(answer["receipt"]["payload"])
    signature = from_base64(answer["receipt"]["signature"], 64)
    verify_signature(taskforce.receipt_key.public_bytes, b"exchange-receipt-v1\0" + payload, signature)
    receipt = json.loads(payload)
    assert (receipt["member_id"], receipt["accepted"], receipt["part"]) == ("a", 1, 0)
    with taskforce.database.reading() as session:
        entry = session.execute(text("SELECT entry FROM log_entries WHERE kind = 'match'")).scalar_one()
    assert from_base64(receipt["entry"], 33) == bytes(entry)


def test_rows_already_there_are_duplicates_and_change_nothing(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    a = taskforce.members["a"]
    old, new = make_token(), make_token()
    assert a.submit([old]).get_json()["accepted"] == 1
    answer = a.submit([new, old, new]).get_json()
    assert (answer["accepted"], answer["duplicates"]) == (1, [1, 2])
    assert count(taskforce, "recent_indicators") == 2


def test_a_repeated_request_gets_the_same_receipt_and_present_hits(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    token = make_token()
    value = a.submission([token])
    first = a.send("POST", "/v1/submissions", value, idempotency_key="key-of-mine")
    assert b.submit([token]).status_code == 201
    again = a.send("POST", "/v1/submissions", value, idempotency_key="key-of-mine")
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.get_json()["receipt"] == first.get_json()["receipt"]
    assert (first.get_json()["hits"], len(again.get_json()["hits"])) == ([], 1)
    assert count(taskforce, "recent_indicators") == 2


def test_another_request_under_a_used_key_is_refused(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    a = taskforce.members["a"]
    assert a.submit([make_token()], idempotency_key="key-of-mine").status_code == 201
    answer = a.submit([make_token()], idempotency_key="key-of-mine")
    assert (answer.status_code, answer.get_json()["type"]) == (422, "urn:exchange:problem:idempotency-key-reused")
    assert count(taskforce, "recent_indicators") == 1


def test_a_member_cannot_add_to_another_members_submission(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    value = a.submission([make_token()])
    assert a.send("POST", "/v1/submissions", value).status_code == 201
    stolen = {**value, "part": 1, "rows": make_rows([make_token()])}
    answer = b.send("POST", "/v1/submissions", stolen)
    assert (answer.status_code, answer.get_json()["type"]) == (409, "urn:exchange:problem:submission-conflict")
    assert a.send("POST", "/v1/submissions", stolen).status_code == 201
    assert a.send("POST", "/v1/submissions", stolen).status_code == 409
    assert count(taskforce, "recent_indicators") == 2


def test_rows_that_break_a_rule_are_named_and_the_others_kept(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    good = to_base64(make_token())
    not_canonical = (
        good[:42] + {"A": "B"}.get(good[42], chr(ord(good[42]) + 1) if good[42] not in "Zz9+/" else "B") + "="
    )
    rows: list[Any] = [
        [good, "iban", "2026-10-05", "2026-10-06"],
        ["AAAA", "iban", None, None],
        [to_base64(make_token()), "horoscope", None, None],
        [to_base64(make_token()), "iban", "05/10/2026", None],
        [to_base64(make_token()), "iban", "2027-10-05", None],
        [to_base64(make_token()), "iban", "2026-10-05", "2026-10-04"],
        [to_base64(make_token()), "iban", "2026-02-30", None],
        [7, None, {}, []],
        "row",
        [not_canonical, "iban", None, None],
        [to_base64(make_token()), "wallet", None, None],
    ]
    answer = taskforce.members["a"].submit([], rows=rows).get_json()
    assert answer["accepted"] == 2
    assert [(row["row"], row["field"]) for row in answer["rejected"]] == [
        (1, "token"),
        (2, "indicator_type"),
        (3, "first_seen"),
        (4, "first_seen"),
        (5, "last_seen"),
        (6, "first_seen"),
        (7, "token"),
        (8, "row"),
        (9, "token"),
    ]
    assert all(row["reason"] for row in answer["rejected"])


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"purpose": ""}, "no-purpose"),
        ({"purpose": "  "}, "no-purpose"),
        ({"legal_gateway": ""}, "no-gateway"),
        ({"group": "cell-of-others"}, "group"),
        ({"epoch": 2}, "epoch"),
        ({"normalisation": "n2"}, "normalisation"),
        ({"expires_on": "2026-11-21", "review_by": "2026-11-21"}, "expired"),
        ({"expires_on": "2032-11-23"}, "expiry-too-late"),
        ({"review_by": "2027-11-02"}, "review-too-late"),
        ({"legal_gateway": "TACT2000_s21CA"}, "gateway-theme"),
        ({"handling": "C"}, "no-conditions"),
        ({"classification": "SECRET"}, "classification"),
        ({"purpose": "we filed a SAR on him"}, "tipping-off"),
        ({"conditions": "a SAR was filed, consent is pending"}, "tipping-off"),
    ],
)
def test_an_envelope_against_the_rules_is_refused_and_the_refusal_logged(
    new_taskforce: NewTaskforce, changes: dict[str, Any], code: str
) -> None:
    taskforce = new_taskforce("a")
    answer = taskforce.members["a"].submit([make_token()], envelope=changes)
    assert answer.status_code == 403
    assert code in [reason["code"] for reason in answer.get_json()["reasons"]]
    (view,) = refusals(taskforce)
    assert view["member_id"] == "a"
    assert code in [reason["code"] for reason in view["reasons"]]
    assert count(taskforce, "recent_indicators") + count(taskforce, "submissions") == 0


def test_without_a_purpose_field_the_refusal_is_logged_too(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    a = taskforce.members["a"]
    value = a.submission([make_token()])
    del value["envelope"]["purpose"]
    assert a.send("POST", "/v1/submissions", value).status_code == 403
    assert len(refusals(taskforce)) == 1


def test_a_closed_group_takes_nothing_and_neither_does_one_past_its_sunset(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a = taskforce.members["a"]
    taskforce.state_group(["a", "b"], state=GroupState.CLOSED)
    assert a.submit([make_token()]).get_json()["reasons"][0]["code"] == "group"
    taskforce.state_group(["a", "b"], "cell", sunset=datetime(2026, 12, 1, tzinfo=UTC))
    assert a.submit([make_token()], envelope={"group": "cell"}).status_code == 201
    taskforce.clock.advance(days=9)  # type: ignore[attr-defined]
    assert a.submit([make_token()], envelope={"group": "cell"}).status_code == 403


def test_a_retired_epoch_takes_nothing(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    taskforce.state_epoch(2)
    taskforce.state_epoch(3, EpochState.RETIRED)
    a = taskforce.members["a"]
    assert a.submit([make_token()], envelope={"epoch": 2}).status_code == 201
    assert a.submit([make_token()], envelope={"epoch": 3}).status_code == 403


@pytest.mark.parametrize(
    "fields",
    [
        {"submission_id": "7"},
        {"part": -1},
        {"part": 10**30},
        {"rows": []},
        {"rows": {}},
        {"more": 1},
        {"envelope": []},
        {"submission_id": uuid7().upper()},
    ],
)
def test_a_request_of_another_form_is_refused(new_taskforce: NewTaskforce, fields: dict[str, Any]) -> None:
    taskforce = new_taskforce("a")
    assert taskforce.members["a"].submit([make_token()], fields=fields).status_code == 422


def test_unknown_envelope_fields_are_refused_without_repeating_them(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    answer = taskforce.members["a"].submit([make_token()], envelope={"canary-60161331926819": 1})
    assert answer.status_code == 422
    assert "canary" not in answer.text


def test_when_the_log_takes_no_entry_nothing_is_stored_and_nothing_told(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    a, b = taskforce.members.values()
    token = make_token()
    assert a.submit([token]).status_code == 201
    with taskforce.database.transaction() as session:
        session.execute(text("ALTER TABLE log_pending RENAME TO gone"))
    answer = b.submit([token])
    assert (answer.status_code, answer.get_json()["type"]) == (503, "urn:exchange:problem:log-unavailable")
    assert to_base64(token) not in answer.text
    assert a.send("GET", "/v1/hits").status_code == 503
    assert b.submit([token], envelope={"purpose": ""}).status_code == 503
    assert count(taskforce, "recent_indicators") == 1
    with taskforce.database.transaction() as session:
        session.execute(text("ALTER TABLE gone RENAME TO log_pending"))
    assert len(b.submit([token]).get_json()["hits"]) == 1
