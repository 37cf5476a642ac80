"""The holder over its HTTP interface: right answers, and every refusal."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

import msgspec
import pytest

from keys.holder import store
from keys.holder.settings import HolderHomeError
from keys.holder.web import MAX_OPEN_BODY_BYTES
from keys.oprf import group
from keys.oprf import protocol as oprf
from keys.oprf.group import multiply_base, scalar_from_int
from keys.oprf.threshold import Dealing, combine, scaled_commitment
from keys.signatures.messages import SigningKey
from keys.statements.envelopes import PAYLOAD_TYPE, read_payload
from keys.statements.keyring import EpochState, MemberState, to_payload
from schemas.terms import Role
from schemas.values.canonical import canonical_json
from schemas.values.encoding import from_base64, to_base64
from tests.keys.factories import Member, make_epoch, make_member, sign
from tests.keys.holder.simulator import (
    EVALUATIONS,
    HolderSimulator,
    element_bytes,
    make_elements,
    make_settings,
    migrate,
    problem_of,
)
from tests.taskforce.clock import Clock

ELEMENTS = make_elements(3)
TARGET = f"{EVALUATIONS}?epoch=1&quorum=1,2"


# -- answers


def test_a_quorums_answers_add_up_to_the_prf_and_each_is_proved(
    tmp_path_factory: pytest.TempPathFactory, dealing: Dealing, member: Member
) -> None:
    answers = []
    blinded = oprf.blind_batch([b"n1|phone|+447700900001"])
    for index in (1, 3):
        database = migrate(f"sqlite:///{tmp_path_factory.mktemp('holder') / 'holder.db'}")
        holder = HolderSimulator(make_settings(dealing, index), database, Clock())
        holder.state(sign(make_epoch(dealing)), sign(member.statement))
        holder.allow("a")
        answer = holder.ask(member, blinded.elements, quorum=(1, 3), proof=True)
        assert answer.status_code == 200
        assert answer.mimetype == "application/octet-stream"
        commitment = scaled_commitment(dealing.commitments[index], index, (1, 3))
        proof = from_base64(answer.headers["Evaluation-Proof"], 64)
        oprf.verify_proof(commitment, blinded.elements, answer.data, proof)
        answers.append(answer.data)
        database.dispose()
    assert oprf.unblind_batch(blinded.blinds, combine(answers)) == _prf_element(dealing, b"n1|phone|+447700900001")


def _prf_element(dealing: Dealing, text: bytes) -> bytes:
    """k * H(text), k put together from the shares: only a test may do this."""
    first, second, _ = (group.scalar_to_int(share.scalar) for share in dealing.shares)
    key = scalar_from_int(2 * first - second)
    assert multiply_base(key) == dealing.group_public_key
    return group.multiply(key, oprf.hash_batch([text]))


def test_an_answer_without_a_proof_has_no_proof_header(holder: HolderSimulator, member: Member) -> None:
    answer = holder.ask(member, ELEMENTS, proof=False)
    assert answer.status_code == 200
    assert len(answer.data) == len(ELEMENTS)
    assert "Evaluation-Proof" not in answer.headers
    assert "Signature" in answer.headers


# -- budget


def test_an_exhausted_budget_is_told_with_what_is_left_and_when_it_renews(
    holder: HolderSimulator, member: Member
) -> None:
    assert holder.ask(member, make_elements(8)).status_code == 200
    answer = holder.ask(member, ELEMENTS, key="key-2")
    assert (answer.status_code, problem_of(answer)) == (429, "budget-exhausted")
    document = answer.get_json(force=True)
    assert (document["wanted"], document["remaining"]) == (3, 2)
    assert document["renews_at"] == "2026-12-22T10:00:00.000Z"
    assert int(answer.headers["Retry-After"]) == 30 * 86_400
    assert "Signature" in answer.headers
    assert holder.ask(member, make_elements(2), key="key-3").status_code == 200
    assert holder.budget(member)["remaining"] == 0


def test_the_budget_renews_after_thirty_days_and_a_grant_ends_with_its_day(
    holder: HolderSimulator, member: Member
) -> None:
    holder.grant("a", 5, days=40)
    assert holder.ask(member, make_elements(12)).status_code == 200
    assert holder.budget(member)["remaining"] == 3
    holder.clock.advance(days=30)
    assert holder.budget(member)["remaining"] == 13
    holder.clock.advance(days=10)
    assert holder.budget(member)["remaining"] == 10
    assert holder.budget(member)["grants"] == []


def test_a_member_without_a_set_budget_has_that_of_its_declared_book(holder: HolderSimulator) -> None:
    holder.allow("b")
    assert holder.budget(make_member("b"))["standing"]["evaluations"] == 6667


def test_a_retry_is_answered_again_and_charged_once(holder: HolderSimulator, member: Member) -> None:
    first = holder.ask(member, ELEMENTS)
    again = holder.ask(member, ELEMENTS)
    assert (first.status_code, again.status_code) == (200, 200)
    assert first.data == again.data
    assert holder.budget(member)["standing"]["used"] == 3


def test_a_retry_is_answered_even_when_nothing_is_left(holder: HolderSimulator, member: Member) -> None:
    assert holder.ask(member, make_elements(10)).status_code == 200
    assert holder.ask(member, ELEMENTS, key="key-2").status_code == 429
    assert holder.ask(member, ELEMENTS).status_code == 422


@pytest.mark.parametrize("change", [{"quorum": (1, 3)}, {"proof": False}, {"elements": ELEMENTS[:64]}])
def test_a_key_used_for_another_request_is_refused(
    holder: HolderSimulator, member: Member, change: dict[str, Any]
) -> None:
    assert holder.ask(member, ELEMENTS).status_code == 200
    answer = holder.ask(member, **({"elements": ELEMENTS} | change))
    assert (answer.status_code, problem_of(answer)) == (422, "idempotency-conflict")
    assert holder.budget(member)["standing"]["used"] == 3


def test_two_members_keys_are_apart(holder: HolderSimulator, member: Member) -> None:
    holder.allow("b", 5)
    assert holder.ask(member, ELEMENTS).status_code == 200
    assert holder.ask(make_member("b"), ELEMENTS).status_code == 200
    assert holder.budget(make_member("b"))["standing"]["used"] == 3


# -- who may ask


def test_a_suspended_member_is_refused_on_its_next_request(holder: HolderSimulator, member: Member) -> None:
    assert holder.ask(member, ELEMENTS).status_code == 200
    holder.state(sign(member.changed(state=MemberState.SUSPENDED)))
    answer = holder.ask(member, ELEMENTS)
    assert (answer.status_code, problem_of(answer)) == (403, "member-suspended")


def test_a_revoked_key_is_refused_on_its_next_request(holder: HolderSimulator, member: Member) -> None:
    holder.state(sign(member.revoked()))
    answer = holder.ask(member, ELEMENTS)
    assert (answer.status_code, problem_of(answer)) == (403, "key-revoked")


def test_another_worker_knows_of_a_suspension_at_once(holder: HolderSimulator, member: Member) -> None:
    other = HolderSimulator(holder.settings, holder.database, holder.clock)
    assert other.ask(member, ELEMENTS).status_code == 200
    holder.state(sign(member.changed(state=MemberState.SUSPENDED)))
    assert problem_of(other.ask(member, ELEMENTS)) == "member-suspended"


def test_a_member_that_the_holder_does_not_allow_is_refused(holder: HolderSimulator) -> None:
    answer = holder.ask(make_member("b"), ELEMENTS)
    assert (answer.status_code, problem_of(answer)) == (403, "member-not-allowed")


def test_a_member_that_the_registrars_do_not_state_is_refused(holder: HolderSimulator) -> None:
    holder.allow("c", 100)
    answer = holder.ask(make_member("c"), ELEMENTS)
    assert (answer.status_code, problem_of(answer)) == (403, "unknown-key")
    assert "Signature" not in answer.headers


def test_a_member_cannot_ask_with_anothers_name(holder: HolderSimulator, member: Member) -> None:
    impostor = dataclasses.replace(member, key=SigningKey.generate())
    answer = holder.ask(impostor, ELEMENTS)
    assert (answer.status_code, problem_of(answer)) == (401, "request-signature")


def test_a_reviewer_gets_no_evaluations(holder: HolderSimulator) -> None:
    reviewer = make_member("r", roles=frozenset({Role.REVIEWER, Role.AUTHOR}))
    holder.state(sign(reviewer.statement))
    holder.allow("r", 100)
    answer = holder.ask(reviewer, ELEMENTS)
    assert (answer.status_code, problem_of(answer)) == (403, "role-missing")


def test_an_unsigned_request_is_refused(light_holder: HolderSimulator) -> None:
    for answer in (
        light_holder.client.post(TARGET, data=ELEMENTS, content_type="application/octet-stream"),
        light_holder.client.get("/v1/budget"),
    ):
        assert (answer.status_code, problem_of(answer)) == (401, "request-signature")


# -- replays


def test_a_request_cannot_be_replayed_at_another_worker(holder: HolderSimulator, member: Member) -> None:
    other = HolderSimulator(holder.settings, holder.database, holder.clock)
    headers = holder.sign(member, "POST", TARGET, ELEMENTS)
    assert holder.send(TARGET, ELEMENTS, headers).status_code == 200
    for worker in (other, holder):
        answer = worker.send(TARGET, ELEMENTS, headers)
        assert (answer.status_code, problem_of(answer)) == (401, "replayed-request")


def test_a_request_cannot_be_replayed_when_its_nonce_is_forgotten(holder: HolderSimulator, member: Member) -> None:
    holder.clock.advance(seconds=60)
    headers = holder.sign(member, "POST", TARGET, ELEMENTS)
    holder.clock.advance(seconds=-60)
    assert holder.send(TARGET, ELEMENTS, headers).status_code == 200
    for _ in range(13):
        holder.clock.advance(seconds=10)
        holder.budget(member)  # each request drops nonces past use
        assert holder.send(TARGET, ELEMENTS, headers).status_code == 401


def test_a_holder_cannot_replay_a_request_at_another_holder(holder: HolderSimulator, member: Member) -> None:
    headers = holder.sign(member, "POST", TARGET, ELEMENTS, url="https://holder-2.example")
    answer = holder.client.post(TARGET, data=ELEMENTS, headers={**headers, "Host": "holder-2.example"})
    assert (answer.status_code, problem_of(answer)) == (401, "request-signature")


# -- what is asked


@pytest.mark.parametrize(
    ("epoch", "quorum", "slug"),
    [
        (2, (1, 2), "unknown-epoch"),
        (1, (2, 3), "wrong-quorum"),
        (1, (1,), "wrong-quorum"),
        (1, (1, 2, 3), "wrong-quorum"),
        (1, (1, 1), "wrong-quorum"),
        (1, (1, 4), "wrong-quorum"),
    ],
)
def test_a_quorum_is_exactly_t_distinct_holders_of_a_stated_epoch(
    light_holder: HolderSimulator, member: Member, epoch: int, quorum: tuple[int, ...], slug: str
) -> None:
    answer = light_holder.ask(member, ELEMENTS, epoch=epoch, quorum=quorum)
    assert (answer.status_code, problem_of(answer)) == (409, slug)
    assert light_holder.budget(member)["standing"]["used"] == 0


def test_nothing_is_evaluated_before_the_epoch_is_stated(database_url: str, dealing: Dealing, member: Member) -> None:
    holder = HolderSimulator(make_settings(dealing), migrate(database_url), Clock())
    holder.state(sign(member.statement))
    holder.allow("a", 10)
    assert holder.client.get("/readyz").status_code == 503
    assert problem_of(holder.ask(member, ELEMENTS)) == "unknown-epoch"
    holder.state(sign(make_epoch(dealing)))
    assert holder.client.get("/readyz").status_code == 200
    assert holder.ask(member, ELEMENTS).status_code == 200
    holder.database.dispose()


def test_nothing_is_evaluated_after_the_epoch_is_retired(
    holder: HolderSimulator, member: Member, dealing: Dealing
) -> None:
    retired = dataclasses.replace(make_epoch(dealing), sequence=2, state=EpochState.RETIRED)
    holder.state(sign(retired))
    assert problem_of(holder.ask(member, ELEMENTS)) == "unknown-epoch"


@pytest.mark.parametrize(
    ("bad", "charged"),
    [
        (bytes(32), 0),
        (element_bytes(7)[:31] + bytes([element_bytes(7)[31] | 0x80]), 0),
        (b"\xed" + b"\xff" * 30 + b"\x7f", 3),
        (b"\xff" * 32, 0),
        (b"\x01" + bytes(31), 3),
    ],
    ids=["identity", "bit 255", "not reduced", "all ones", "negative"],
)
def test_a_bad_element_is_named_and_is_free_only_where_it_makes_no_work(
    light_holder: HolderSimulator, member: Member, bad: bytes, charged: int
) -> None:
    answer = light_holder.ask(member, ELEMENTS[:64] + bad)
    assert (answer.status_code, problem_of(answer)) == (400, "bad-element")
    assert answer.get_json(force=True)["position"] == 2
    assert light_holder.budget(member)["standing"]["used"] == charged


@pytest.mark.parametrize("body", [b"", ELEMENTS[:-1], b"x"], ids=["empty", "short", "one byte"])
def test_a_body_of_another_length_is_refused(light_holder: HolderSimulator, member: Member, body: bytes) -> None:
    answer = light_holder.ask(member, body)
    assert (answer.status_code, problem_of(answer)) == (400, "bad-length")


def test_a_body_too_large_is_refused_before_it_is_read(light_holder: HolderSimulator, member: Member) -> None:
    body = bytes(65_536 * 32)
    answer = light_holder.client.post(TARGET, data=body, headers=light_holder.sign(member, "POST", TARGET, body))
    assert answer.status_code == 413
    assert problem_of(answer) == "request-entity-too-large"


@pytest.mark.parametrize(
    "query",
    [
        "",
        "?epoch=1",
        "?quorum=1,2",
        "?epoch=0&quorum=1,2",
        "?epoch=65536&quorum=1,2",
        "?epoch=1_0&quorum=1,2",
        "?epoch=01&quorum=1,2",
        "?epoch=1&quorum=01,2",
        "?epoch=1&quorum=2,1",
        "?epoch=-1&quorum=1,2",
        "?epoch=%EF%BC%91&quorum=1,2",
        "?epoch=" + "9" * 3000 + "&quorum=1,2",
        "?epoch=1&quorum=",
        "?epoch=1&quorum=1,,2",
        "?epoch=1&quorum=1,99999",
        "?epoch=1&quorum=" + "1," * 500,
        "?epoch=1&quorum=1,2&proof=maybe",
        "?epoch=1&quorum=1,2&extra=1",
        "?epoch=1&epoch=1&quorum=1,2",
        "?epoch=%00&quorum=%ff",
    ],
)
def test_a_malformed_query_is_refused(light_holder: HolderSimulator, member: Member, query: str) -> None:
    target = EVALUATIONS + query
    answer = light_holder.send(target, ELEMENTS, light_holder.sign(member, "POST", target, ELEMENTS))
    assert answer.status_code in {400, 422}
    problem_of(answer)


@pytest.mark.parametrize("key", ["", " ", "x" * 129, "k k"])
def test_an_unfit_idempotency_key_is_refused(light_holder: HolderSimulator, member: Member, key: str) -> None:
    answer = light_holder.ask(member, ELEMENTS, key=key)
    assert (answer.status_code, problem_of(answer)) == (400, "idempotency-key")


def test_another_content_type_is_refused(light_holder: HolderSimulator, member: Member) -> None:
    headers = light_holder.sign(member, "POST", TARGET, ELEMENTS) | {"Content-Type": "application/json"}
    assert light_holder.send(TARGET, ELEMENTS, headers).status_code == 415


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_other_methods_are_refused(light_holder: HolderSimulator, method: str) -> None:
    answer = light_holder.client.open(EVALUATIONS, method=method)
    assert (answer.status_code, problem_of(answer)) == (405, "method-not-allowed")


# -- statements


def test_statements_need_the_quorum(holder: HolderSimulator, member: Member) -> None:
    suspension = member.changed(state=MemberState.SUSPENDED)
    (answer,) = holder.state(sign(suspension, by=("necc", "stranger")))
    assert (answer.status_code, problem_of(answer)) == (403, "statement-quorum")
    assert holder.ask(member, ELEMENTS).status_code == 200


def test_statements_do_not_go_back(holder: HolderSimulator, member: Member) -> None:
    suspension = member.changed(state=MemberState.SUSPENDED)
    answers = holder.state(sign(suspension), sign(suspension, by=("necc", "bank")), sign(member.statement))
    assert [answer.status_code for answer in answers] == [200, 200, 409]
    assert [answer.json["state"] for answer in answers[:2] if answer.json] == ["stored", "known"]
    (answer,) = holder.state(sign(dataclasses.replace(suspension, state=MemberState.ACTIVE)))
    assert (answer.status_code, problem_of(answer)) == (409, "statement-conflict")
    assert problem_of(holder.ask(member, ELEMENTS)) == "member-suspended"


def test_a_statement_brought_again_is_answered_before_any_signature(
    holder: HolderSimulator, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    suspension = sign(member.changed(state=MemberState.SUSPENDED))
    holder.state(suspension)
    holder.client.get("/v1/epochs")  # what is in force is read, and verified, once after each change

    def verify(*_: object) -> None:
        raise AssertionError("a signature was verified")

    monkeypatch.setattr("keys.statements.roots.valid_signers", verify)
    again, replaced = holder.state(suspension, sign(member.statement))
    assert (again.status_code, again.json and again.json["state"]) == (200, "known")
    assert problem_of(replaced) == "statement-stale"


def test_an_older_statement_is_refused_before_any_signature_check(holder: HolderSimulator, member: Member) -> None:
    """Anyone has old ones, or makes them up: each made the holder verify its whole history under the lock."""
    third = dataclasses.replace(member.changed(state=MemberState.SUSPENDED), sequence=3)
    assert holder.state(sign(third))[0].status_code == 200
    second, rival = dataclasses.replace(third, sequence=2), dataclasses.replace(third, name="Bank of Elsewhere")
    for statement, slug in ((second, "statement-stale"), (rival, "statement-conflict")):
        for by in (("necc", "reviewer"), ("stranger",)):
            (answer,) = holder.state(sign(statement, by=by))
            assert (answer.status_code, problem_of(answer)) == (409, slug)


def test_what_nobody_signed_is_not_read_whole(
    light_holder: HolderSimulator, member: Member, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A made-up statement of the largest size took 170 ms of a core, 600 times a minute from each address."""
    made_up = {**member.changed(state=MemberState.SUSPENDED).to_wire(), "junk": [[0]] * 60_000}
    signatures = [{"keyid": f"registrar/{name}", "sig": to_base64(bytes(64))} for name in ("necc", "reviewer")]
    envelope = {"payloadType": PAYLOAD_TYPE, "payload": to_base64(canonical_json(made_up)), "signatures": signatures}
    light_holder.client.get("/v1/epochs")  # what is in force is read, and verified, once after each change

    def read(*_: object) -> None:
        raise AssertionError("it was read whole")

    monkeypatch.setattr("keys.statements.envelopes.parse_canonical_json", read)
    (answer,) = light_holder.state(envelope)
    assert (answer.status_code, problem_of(answer)) == (403, "statement-quorum")


def test_a_statement_beyond_the_largest_size_is_refused_by_its_length(light_holder: HolderSimulator) -> None:
    body = b"[" + b"{}," * (MAX_OPEN_BODY_BYTES // 3) + b"{}]"
    answer = light_holder.client.post("/v1/statements", data=body, content_type="application/json")
    assert (answer.status_code, problem_of(answer)) == (413, "request-entity-too-large")


def test_an_epoch_that_names_another_commitment_for_this_holder_is_refused(database_url: str, dealing: Dealing) -> None:
    """Shares 1 and 2 are swapped in the settings; the statement itself is sound."""
    settings = make_settings(dealing)
    wrong = dataclasses.replace(settings, shares={1: dataclasses.replace(dealing.shares[1], index=1)})
    holder = HolderSimulator(wrong, migrate(database_url), Clock())
    (answer,) = holder.state(sign(make_epoch(dealing)))
    assert (answer.status_code, problem_of(answer)) == (409, "epoch-not-served")
    assert holder.client.get("/v1/epochs").get_json()["epochs"] == []
    right = HolderSimulator(settings, holder.database, Clock())
    assert right.state(sign(make_epoch(dealing)))[0].status_code == 200
    with pytest.raises(HolderHomeError, match="does not belong"):
        HolderSimulator(wrong, holder.database, Clock())
    holder.database.dispose()


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[" * 100_000,
        b'{"payload":"\\u0000"}',
        b'{"payload":"\\ud800"}',
        b"1" * 5000,
        b"\xff\xfe",
        b"null",
        b'{"payloadType":"application/vnd.exchange.statement+json","payload":"","signatures":[]}',
    ],
)
def test_hostile_statements_are_refused_and_never_an_error_here(light_holder: HolderSimulator, body: bytes) -> None:
    answer = light_holder.client.post("/v1/statements", data=body, content_type="application/json")
    assert answer.status_code in {400, 403, 422}
    problem_of(answer)


def test_statements_are_listed_for_the_reader_to_verify(holder: HolderSimulator, dealing: Dealing) -> None:
    (listed,) = holder.client.get("/v1/epochs").get_json()["epochs"]
    assert listed["served"] is True
    assert listed["statement"] == msgspec.to_builtins(sign(make_epoch(dealing)))
    assert [one["index"] for one in listed["holders"]] == [1, 2, 3]


def test_what_lies_in_the_store_is_believed_for_its_signatures_only(
    holder: HolderSimulator, member: Member, dealing: Dealing
) -> None:
    """Whoever can write to the database cannot enrol a key: the service stops answering instead."""
    forged = make_member("mallory").statement
    envelope = sign(forged, by=("stranger",))
    with holder.database.transaction() as connection:
        store.add_statement(connection, read_payload(to_payload(forged)), envelope, holder.clock())
    answer = holder.ask(make_member("mallory"), ELEMENTS)
    assert (answer.status_code, problem_of(answer)) == (503, "unavailable")


# -- what is told


def test_the_description_names_every_path(light_holder: HolderSimulator) -> None:
    document = json.loads(light_holder.client.get("/openapi.json").data)
    assert document["openapi"] == "3.1.0"
    assert {"/v1/evaluations", "/v1/budget", "/v1/epochs", "/v1/statements"} <= set(document["paths"])
    asked = document["paths"]["/v1/evaluations"]["post"]
    assert {one["name"] for one in asked["parameters"]} == {
        *("epoch", "quorum", "proof", "batch", "Idempotency-Key"),
        *("Signature-Input", "Content-Digest"),
    }
    assert list(asked["requestBody"]["content"]) == ["application/octet-stream"]


def test_metrics_are_counts_without_names_and_reveal_no_evaluation(holder: HolderSimulator, member: Member) -> None:
    before = holder.client.get("/metrics").text
    holder.ask(member, ELEMENTS)
    after = holder.client.get("/metrics").text
    assert after == before
    assert "keyholder_epochs_served 1" in after
    assert '"' not in after


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/evaluations/", "/static/x", "/%00", "/v1/..%2f"])
def test_unknown_paths_are_problems(light_holder: HolderSimulator, path: str) -> None:
    assert problem_of(light_holder.client.get(path)) == "not-found"
