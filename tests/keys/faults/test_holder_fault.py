"""Evidence of a holder's fault: what it signed shows it to anyone, and nothing shows what it did not sign."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
import pytest

from keys.faults.evidence import EvidenceError, parse_evidence, signed_exchange, verify_evidence
from keys.oprf import batch_check, group, threshold
from keys.oprf import protocol as oprf
from keys.signatures.messages import SignedRequest, SigningKey, new_nonce, sign_request, sign_response
from keys.statements.keyring import Keyring
from keys.statements.types import EpochStatement
from schemas.holder_faults import MALFORMED, WRONG_ANSWER, WRONG_PROOF, Evidence, SignedExchange
from schemas.values.encoding import to_base64
from tests.keys.factories import ISSUED, holder_key, holder_url, make_dealing, make_epoch, make_member, make_root, sign

HOLDER_KEY, HOLDER_URL = holder_key(1), holder_url(1)
NOW = datetime(2026, 11, 22, 10, 0, tzinfo=UTC)
DEALING = make_dealing()
EPOCH = make_epoch(DEALING)
MEMBER, OTHER = make_member("a"), make_member("b")
QUORUM = (1, 3)
KEY = threshold.scaled_share(DEALING.shares[0], QUORUM)
ROWS = oprf.blind_batch([b"row %d" % row for row in range(20)]).elements
ERROR = group.multiply_base(group.random_scalar())
SEED = bytes(range(32))


def keyring() -> Keyring:
    made = Keyring(make_root())
    for statement in (EPOCH, MEMBER.statement, OTHER.statement):
        made.add(sign(statement))
    return made


def resolve(key_id: str) -> bytes:
    return keyring().representative(key_id)[1].public_key


@dataclasses.dataclass(frozen=True)
class Answering:
    """How one exchange came about; honest, but for what is changed."""

    elements: bytes = ROWS
    is_proved: bool = False
    spoil: Callable[[bytes], bytes] = lambda elements: elements
    forge_proof: bool = False
    signer: SigningKey = HOLDER_KEY
    asker: Any = MEMBER
    url: str = HOLDER_URL
    query: str = "epoch=1&quorum=1,3"
    status: int = 200
    at: datetime = NOW
    commitment: bytes | None = DEALING.commitments[1]

    def exchange(self) -> SignedExchange:
        url = f"{self.url}/v1/evaluations?{self.query}&proof={'yes' if self.is_proved else 'no'}"
        headers = {"Idempotency-Key": "key-1", "Content-Type": "application/octet-stream"}
        asked = sign_request(
            "POST", url, headers, self.elements, self.asker.key_id, self.asker.key, lambda: self.at, new_nonce()
        )
        right = threshold.evaluate_batch(KEY, self.elements)
        body = self.spoil(right)
        proof = threshold.prove_batch(KEY, self.elements, right)
        if self.forge_proof:
            proof = proof[32:] + proof[:32]
        request = SignedRequest("POST", url, asked)
        told = {} if self.commitment is None else {"Evaluation-Commitment": to_base64(self.commitment)}
        told |= {"Evaluation-Proof": to_base64(proof)} if self.is_proved else {}
        signed = sign_response(
            self.status, told, body, request=request, key_id="holder-1", key=self.signer, clock=lambda: self.at
        )
        return signed_exchange(request, self.elements, self.status, signed, body)


def refreshed(epoch: EpochStatement) -> EpochStatement:
    """The same epoch, stated anew with other shares of its key."""
    shares = iter(make_dealing().commitments.values())
    holders = tuple(msgspec.structs.replace(holder, commitment=next(shares)) for holder in epoch.holders)
    return dataclasses.replace(epoch, sequence=epoch.sequence + 1, holders=holders)


def first_spoilt(elements: bytes) -> bytes:
    return group.add(elements[:32], ERROR) + elements[32:]


CHECKED = batch_check.weigh(SEED, ROWS)
SPOILT = Answering(spoil=first_spoilt)
CHECK = Answering(elements=CHECKED, is_proved=True)


def wrong_answer(answer: Answering = SPOILT, check: Answering = CHECK, seed: bytes = SEED) -> Evidence:
    return Evidence(WRONG_ANSWER, "holder-1", 1, answer.exchange(), check.exchange(), seed)


def wrong_proof(answer: Answering) -> Evidence:
    return Evidence(WRONG_PROOF, "holder-1", 1, answer.exchange(), None, None)


def malformed(answer: Answering) -> Evidence:
    return Evidence(MALFORMED, "holder-1", 1, answer.exchange(), None, None)


def judge(evidence: Evidence) -> str:
    # As it comes from a file.
    return verify_evidence(parse_evidence(json.loads(json.dumps(msgspec.to_builtins(evidence)))), EPOCH, resolve)


@pytest.mark.parametrize(
    ("evidence", "shown"),
    [
        (wrong_answer(), "differ from what it proved"),
        (wrong_proof(Answering(is_proved=True, forge_proof=True)), "its proof does not show"),
        (wrong_proof(Answering(is_proved=True, spoil=first_spoilt)), "its proof does not show"),
        (malformed(Answering(spoil=lambda elements: elements[:-32])), "something else than as many"),
        (malformed(Answering(spoil=lambda elements: b"\xff" * 32 + elements[32:])), "something else than as many"),
    ],
    ids=["wrong answer", "wrong proof", "spoilt and proved", "too short", "no element"],
)
def test_what_a_holder_signed_shows_its_fault(evidence: Evidence, shown: str) -> None:
    assert shown in judge(evidence)


@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        (wrong_answer(Answering()), "the answers agree"),
        (wrong_answer(seed=bytes(32)), "not about the weighted sum"),
        (wrong_answer(check=Answering(elements=ROWS[:32], is_proved=True)), "not about the weighted sum"),
        (wrong_answer(check=dataclasses.replace(CHECK, forge_proof=True)), "another kind"),
        (wrong_answer(check=dataclasses.replace(CHECK, query="epoch=1&quorum=1,2")), "different quorums"),
        (wrong_answer(check=dataclasses.replace(CHECK, commitment=DEALING.commitments[2])), "another share"),
        (wrong_proof(Answering(is_proved=True, forge_proof=True, commitment=None)), "another share"),
        (wrong_proof(Answering(is_proved=True)), "the proof holds"),
        (wrong_proof(Answering()), "no proof was asked for"),
        (malformed(Answering()), "as many elements as were asked about"),
        (malformed(Answering(spoil=first_spoilt)), "as many elements as were asked about"),
        (malformed(Answering(spoil=lambda elements: b"{}", status=429)), "answered 429"),
    ],
    ids=[
        "honest",
        "another seed",
        "another batch",
        "unproved check",
        "another quorum",
        "another share",
        "no share",
        "honest proof",
        "no proof asked",
        "well formed",
        "wrong but well formed",
        "refusal",
    ],
)
def test_what_an_honest_holder_signs_shows_nothing(evidence: Evidence, why: str) -> None:
    with pytest.raises(EvidenceError, match=why):
        judge(evidence)


@pytest.mark.parametrize(
    ("evidence", "why"),
    [
        (wrong_answer(dataclasses.replace(SPOILT, signer=holder_key(2))), "the answer is not the holder's"),
        (wrong_answer(dataclasses.replace(SPOILT, asker=dataclasses.replace(MEMBER, key=OTHER.key))), "the request is"),
        (wrong_answer(dataclasses.replace(SPOILT, asker=make_member("ghost"))), "the request is not"),
        (wrong_answer(dataclasses.replace(SPOILT, url=holder_url(2))), "does not ask this holder"),
        (wrong_answer(dataclasses.replace(SPOILT, query="epoch=2&quorum=1,3")), "does not ask this holder"),
        (wrong_answer(dataclasses.replace(SPOILT, query="epoch=1&quorum=2,3")), "does not ask this holder"),
        (wrong_answer(dataclasses.replace(SPOILT, query="epoch=1&quorum=1,1")), "does not ask this holder"),
        (wrong_answer(dataclasses.replace(SPOILT, query="epoch=1&quorum=1,3&quorum=1,2")), "does not ask this holder"),
        (wrong_answer(dataclasses.replace(SPOILT, at=ISSUED - timedelta(days=1))), "before the statement"),
        (msgspec.structs.replace(wrong_answer(), holder_id="holder-2"), "does not ask this holder"),
        (msgspec.structs.replace(wrong_answer(), holder_id="holder-9"), "does not name"),
        (msgspec.structs.replace(wrong_answer(), epoch=2), "of epoch 1"),
    ],
    ids=[
        "another signer",
        "another's key",
        "unknown asker",
        "another holder's address",
        "another epoch",
        "a quorum without it",
        "no quorum",
        "two quorums",
        "before the statement",
        "another holder named",
        "no such holder",
        "another epoch named",
    ],
)
def test_evidence_that_frames_a_holder_is_refused(evidence: Evidence, why: str) -> None:
    with pytest.raises(EvidenceError, match=why):
        judge(evidence)


def test_who_answers_with_the_share_from_before_a_refresh_is_not_framed() -> None:
    """It has not heard of the new statement yet; the evidence is judged under that one."""
    for evidence in (wrong_proof(Answering(is_proved=True)), wrong_answer(Answering(), CHECK)):
        with pytest.raises(EvidenceError, match="another share"):
            verify_evidence(evidence, refreshed(EPOCH), resolve)


ALTERED: dict[str, Callable[[SignedExchange], SignedExchange]] = {
    "elements": lambda one: msgspec.structs.replace(one, elements=ROWS[32:] + ROWS[:32]),
    "body": lambda one: msgspec.structs.replace(one, body=first_spoilt(one.body)),
    "status": lambda one: msgspec.structs.replace(one, status=201),
    "url": lambda one: msgspec.structs.replace(one, url=f"{one.url}&batch=other"),
    "key": lambda one: msgspec.structs.replace(one, asked={**one.asked, "idempotency-key": "key-2"}),
    "proof": lambda one: msgspec.structs.replace(
        one, answered={**one.answered, "evaluation-proof": to_base64(bytes(64))}
    ),
    "share": lambda one: msgspec.structs.replace(
        one, answered={**one.answered, "evaluation-commitment": to_base64(DEALING.commitments[2])}
    ),
    "digest": lambda one: msgspec.structs.replace(one, answered={**one.answered, "content-digest": "sha-256=:AA==:"}),
    "request's signature": lambda one: msgspec.structs.replace(
        one, asked={**one.asked, "signature": Answering().exchange().asked["signature"]}
    ),
    "another answer": lambda one: msgspec.structs.replace(
        one, answered=Answering().exchange().answered, body=Answering().exchange().body
    ),
}


@pytest.mark.parametrize("altered", ALTERED)
@pytest.mark.parametrize("part", ["answer", "check"])
def test_evidence_altered_anywhere_is_refused(part: str, altered: str) -> None:
    """An honest exchange, to begin with: whoever alters it gains nothing."""
    for evidence in (wrong_answer(), wrong_answer(Answering())):
        parts = {"answer": evidence.answer, "check": evidence.check or evidence.answer}
        parts[part] = ALTERED[altered](parts[part])
        with pytest.raises(EvidenceError):
            judge(msgspec.structs.replace(evidence, answer=parts["answer"], check=parts["check"]))


def test_a_proof_taken_away_is_not_a_proof_not_given() -> None:
    exchange = Answering(is_proved=True).exchange()
    bare = {name: value for name, value in exchange.answered.items() if name != "evaluation-proof"}
    with pytest.raises(EvidenceError, match="the answer is not the holder's"):
        judge(Evidence(WRONG_PROOF, "holder-1", 1, msgspec.structs.replace(exchange, answered=bare), None, None))


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        {},
        {**msgspec.to_builtins(wrong_answer()), "kind": "gossip"},
        {**msgspec.to_builtins(wrong_answer()), "check": None},
        {**msgspec.to_builtins(wrong_answer()), "seed": "AA=="},
        {**msgspec.to_builtins(wrong_answer()), "epoch": "1"},
        {
            **msgspec.to_builtins(wrong_answer()),
            "answer": {**msgspec.to_builtins(SPOILT.exchange()), "asked": {"cookie": "x"}},
        },
        {**msgspec.to_builtins(wrong_answer()), "answer": {**msgspec.to_builtins(SPOILT.exchange()), "body": "\ud800"}},
        {**msgspec.to_builtins(wrong_answer()), "more": 1},
    ],
)
def test_what_is_no_evidence_is_refused(value: object) -> None:
    with pytest.raises(EvidenceError, match="not evidence"):
        parse_evidence(value)


def test_evidence_holds_no_blind_and_no_input() -> None:
    blinded = oprf.blind_batch([b"n1|phone|+447700900001"])
    shown = json.dumps(msgspec.to_builtins(wrong_answer(dataclasses.replace(SPOILT, elements=blinded.elements))))
    assert "+447700900001" not in shown
    assert to_base64(group.scalar_from_int(blinded.blinds[0])) not in shown
