"""Becoming a member: codes, proofs, and the registrars without whom nobody is one."""

from __future__ import annotations

import json
from collections.abc import Callable

from keys.sealing.hybrid import EncryptionKey
from keys.signatures.messages import SigningKey
from schemas.values.encoding import from_base64, to_base64
from tests.taskforce.founding import Taskforce
from tests.taskforce.members import MemberSimulator

NewTaskforce = Callable[..., Taskforce]


def enrol(
    taskforce: Taskforce, claim: dict[str, object], key: str = "an-idempotency-key"
) -> tuple[int, dict[str, str]]:
    """POST /v1/enrolments, which nobody signs."""
    headers = {"Idempotency-Key": key, "Content-Type": "application/json"}
    answer = taskforce.send_unsigned("POST", "/v1/enrolments", json.dumps(claim).encode(), headers)
    return answer.status_code, answer.get_json()


def test_a_member_with_a_code_is_one_once_all_registrars_have_signed(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce()
    member = MemberSimulator(taskforce, "new")
    status, answer = enrol(taskforce, member.claim(taskforce.invite("new")))
    assert (status, answer) == (202, {"state": "awaiting_registrars"})
    (proposal,) = taskforce.proposals()
    assert (proposal["type"], proposal["subject"], proposal["signatures"]) == ("member", "new", 0)
    assert member.send("GET", "/v1/status").status_code == 401
    taskforce.sign(proposal["proposal_id"], "necc")
    assert taskforce.proposals()[0]["signatures"] == 1
    assert member.send("GET", "/v1/status").status_code == 401
    taskforce.sign(proposal["proposal_id"], "reviewer")
    status_answer = member.send("GET", "/v1/status")
    assert status_answer.status_code == 200
    assert status_answer.get_json()["state"] == "active"
    assert taskforce.proposals() == []


def test_an_unknown_code_is_refused(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce()
    status, answer = enrol(taskforce, MemberSimulator(taskforce, "new").claim("x" * 64))
    assert (status, answer["reason"]) == (403, "code")
    assert taskforce.proposals() == []


def test_a_code_serves_no_other_member(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce()
    thief = MemberSimulator(taskforce, "thief")
    assert enrol(taskforce, thief.claim(taskforce.invite("new")))[0] == 403


def test_a_used_code_is_refused_but_the_same_claim_gets_the_same_answer(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce()
    code = taskforce.invite("new")
    claim = MemberSimulator(taskforce, "new").claim(code)
    assert enrol(taskforce, claim)[0] == 202
    assert enrol(taskforce, claim)[0] == 202
    assert enrol(taskforce, claim, "another-key")[0] == 202
    assert len(taskforce.proposals()) == 1
    status, answer = enrol(taskforce, MemberSimulator(taskforce, "new").claim(code), "a-third-key")
    assert (status, answer["reason"]) == (403, "code")


def test_an_expired_code_is_refused(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce()
    code = taskforce.invite("new")
    taskforce.clock.advance(days=14)  # type: ignore[attr-defined]
    assert enrol(taskforce, MemberSimulator(taskforce, "new").claim(code))[0] == 403


def test_a_key_without_proof_of_possession_is_refused(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce()
    code = taskforce.invite("new")
    claim = MemberSimulator(taskforce, "new").claim(code)
    claim["representatives"][0]["public_key"] = to_base64(SigningKey.generate().public_bytes)
    status, answer = enrol(taskforce, claim)
    assert (status, answer["reason"]) == (403, "proof")
    more_roles = MemberSimulator(taskforce, "new").claim(code)
    more_roles["representatives"][0]["roles"].append("authoriser")
    assert enrol(taskforce, more_roles, "another-key")[1]["reason"] == "proof"


def test_a_member_enrols_with_a_hybrid_key_or_with_one_of_the_first_days(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce()
    for name, key in (("new", EncryptionKey.generate()), ("early", EncryptionKey(b"x" * 32))):
        member = MemberSimulator(taskforce, name)
        member.encryption_key = key.public_bytes
        assert enrol(taskforce, member.claim(taskforce.invite(name)), f"the-key-of-{name}")[0] == 202
        taskforce.sign(taskforce.proposals()[0]["proposal_id"])
        assert member.send("GET", "/v1/status").status_code == 200


def test_a_key_to_which_nothing_can_be_sealed_is_refused(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce()
    member = MemberSimulator(taskforce, "new")
    member.encryption_key = bytes(32)
    status, answer = enrol(taskforce, member.claim(taskforce.invite("new")))
    assert (status, answer["reason"]) == (403, "encryption-key")
    member.encryption_key = EncryptionKey.generate().public_bytes[1:]
    assert enrol(taskforce, member.claim(taskforce.invite("new")))[0] == 422


def test_a_member_cannot_enrol_a_registrar(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce()
    claim = MemberSimulator(taskforce, "new").claim(taskforce.invite("new"))
    claim["representatives"][0]["roles"] = ["registrar"]
    assert enrol(taskforce, claim)[1]["reason"] == "roles"


def test_one_registrar_alone_admits_nobody(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce()
    invented = MemberSimulator(taskforce, "invented")
    enrol(taskforce, invented.claim(taskforce.invite("invented")))
    proposal = taskforce.proposals()[0]["proposal_id"]
    taskforce.sign(proposal, "necc")
    taskforce.sign(proposal, "necc")
    assert taskforce.proposals()[0]["signatures"] == 1
    assert invented.send("GET", "/v1/hits").status_code == 401


def test_a_member_drafted_by_the_operator_is_invalid_unsigned(
    new_taskforce: NewTaskforce,
) -> None:
    taskforce = new_taskforce("a")
    invented = MemberSimulator(taskforce, "invented")
    enrol(taskforce, invented.claim(taskforce.invite("invented")))
    payload = from_base64(taskforce.proposals()[0]["payload"])
    forged = {
        "payloadType": "application/vnd.exchange.statement+json",
        "payload": to_base64(payload),
        "signatures": [{"keyid": "registrar/necc", "sig": to_base64(SigningKey.generate().sign(payload))}],
    }
    answer = taskforce.send_as_registrar("necc", "POST", "/v1/statements", forged)
    assert (answer.status_code, answer.get_json()["reason"]) == (422, "quorum")
    assert taskforce.members["a"].send("POST", "/v1/statements", forged).status_code == 401
    assert invented.send("GET", "/v1/status").status_code == 401


def test_statements_in_force_are_listed_in_order_with_all_signatures(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    first = taskforce.members["a"].send("GET", "/v1/statements?limit=3").get_json()
    assert len(first["statements"]) == 3
    rest = taskforce.members["a"].send("GET", f"/v1/statements?cursor={first['next']}").get_json()
    assert (len(rest["statements"]), rest["next"]) == (1, None)
    assert all(len(envelope["signatures"]) == 2 for envelope in first["statements"] + rest["statements"])
