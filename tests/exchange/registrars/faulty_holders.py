"""An epoch of three key holders whose keys a test holds, so that any of them can sign what no honest one signs."""

from __future__ import annotations

from typing import Any

from exchange.membership.roots import envelope_of
from exchange.membership.statements import latest_effective
from keys.faults.evidence import signed_exchange
from keys.oprf import batch_check, group, threshold
from keys.oprf import protocol as oprf
from keys.signatures.messages import SignedRequest, SigningKey, new_nonce, sign_request, sign_response
from schemas.holder_faults import WRONG_ANSWER, Evidence, FaultReport, SignedExchange
from schemas.statements import StatementEnvelope
from schemas.values.encoding import to_base64
from tests.keys.factories import holder_url
from tests.taskforce.founding import Taskforce
from tests.taskforce.members import MemberSimulator

_ERROR = group.multiply_base(group.random_scalar())
_QUORUM = (1, 2)
EPOCH = 2
"""A taskforce of tests has stated the first one."""


class FaultyHolders:
    """States an epoch in a taskforce. The holders 1 and 2 answer one member, wrongly if told so."""

    def __init__(self, taskforce: Taskforce, holders: int = 3, *, epoch: int = EPOCH, **changes: Any) -> None:
        self.taskforce = taskforce
        self.epoch = epoch
        self.dealing = threshold.deal(None, 2, holders)
        self.keys = {index: SigningKey.generate() for index in range(1, holders + 1)}
        self.state(**changes)

    def state(self, **changes: Any) -> None:
        """State the epoch anew."""
        self.taskforce.state_epoch_of(self.dealing, self.keys, self.epoch, **changes)

    def statement(self, kind: str, subject: str) -> StatementEnvelope:
        """The envelope in force."""
        with self.taskforce.database.reading() as session:
            stored = latest_effective(session, kind, subject)
            assert stored is not None
            return envelope_of(session, stored)

    def exchange(
        self,
        member: MemberSimulator,
        index: int,
        elements: bytes,
        *,
        proof: bool,
        lie: bool,
        key: SigningKey | None = None,
    ) -> SignedExchange:
        """What a holder is asked, and signs."""
        query = f"epoch={self.epoch}&quorum={_QUORUM[0]},{_QUORUM[1]}&proof={'yes' if proof else 'no'}"
        url, clock = f"{holder_url(index)}/v1/evaluations?{query}", self.taskforce.clock
        headers = {"Idempotency-Key": "key-1", "Content-Type": "application/octet-stream"}
        signer = (f"{member.member_id}/analyst", member.keys["analyst"])
        request = SignedRequest("POST", url, sign_request("POST", url, headers, elements, *signer, clock, new_nonce()))
        share = threshold.scaled_share(self.dealing.shares[index - 1], _QUORUM)
        body = threshold.evaluate_batch(share, elements)
        told = {"Evaluation-Commitment": to_base64(self.dealing.commitments[index])}
        if proof:
            told["Evaluation-Proof"] = to_base64(threshold.prove_batch(share, elements, body))
        body = group.add(body[:32], _ERROR) + body[32:] if lie else body
        answer_key = key or self.keys[index]
        signed = sign_response(200, told, body, request=request, key_id=f"holder-{index}", key=answer_key, clock=clock)
        return signed_exchange(request, elements, 200, signed, body)

    def evidence(
        self, member: MemberSimulator, index: int = 1, *, rows: int = 4, lie: bool = True, key: SigningKey | None = None
    ) -> Evidence:
        """Evidence of a wrong answer; without a lie, of an honest one."""
        elements = oprf.blind_batch([b"row %d" % row for row in range(rows)]).elements
        seed = bytes(range(32))
        answer = self.exchange(member, index, elements, proof=False, lie=lie, key=key)
        weighted = batch_check.weigh(seed, elements)
        check = self.exchange(member, index, weighted, proof=True, lie=False, key=key)
        return Evidence(WRONG_ANSWER, f"holder-{index}", self.epoch, answer, check, seed)

    def report(self, member: MemberSimulator, index: int = 1, **changes: Any) -> FaultReport:
        """The evidence as it is reported, with the statements in force."""
        statements = self.statement("epoch", str(self.epoch)), self.statement("member", member.member_id)
        return FaultReport(self.evidence(member, index, **changes), *statements)
