"""The key holders of an epoch as the member reaches them.

Rules, in order:
1. Where a holder is, and the key that signs its answers, come from the registrars' statement of the epoch alone.
2. An answer counts only if that key signed it as the answer to this very request (RFC 9421), within the time window;
   a refusal too, so that nobody between can speak for a holder, and none can deny what it said. Unsigned may come:
   that the holder does not know who asks (there is no believed request to bind a signature to), which is reported as a
   refusal; and that a server is busy or down, which is reported as no answer.
3. It is refused if it could not be shown to others as evidence of a fault, should it be one (keys/faults/evidence.py).
4. One made with another share than the registrars state here is no answer, and no fault: either side may have heard of
   a new share first.
5. Its length and its proof's length are checked before anything is computed; the mathematics is tokenise.py's.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from keys.faults.evidence import EvidenceError, check_exchange, commitment_of, signed_exchange
from keys.oprf.group import ELEMENT_BYTES
from keys.oprf.protocol import MAXIMUM_BATCH
from keys.signatures.ed25519 import SignatureError
from keys.signatures.messages import verify_response
from keys.statements.keyring import EpochStatement
from member.errors import AnswerError, MemberError, RefusedError, UnreachableError
from member.tokens.evaluation import (
    EpochInfo,
    Evaluation,
    HolderAnswerError,
    HolderInfo,
    HolderRefusedError,
    HolderUnavailableError,
)
from member.transport import wire
from member.transport.channel import Answer, Channel, Identity, RuntimeEnvironment, decode, read_problem
from schemas.holder_faults import SignedExchange
from schemas.holders import BudgetFigures, Holder
from schemas.values.encoding import from_base64, from_rfc3339

_MAX_ANSWER_BYTES = 2 * MAXIMUM_BATCH * ELEMENT_BYTES
"""Twice the largest batch: one that is a little too long is still read, and shown to others."""
_PROOF_BYTES = 64
_OCTETS = "application/octet-stream"
_NO_BUDGET = "budget-exhausted"
_DENY_PAYMENT = frozenset({(_NO_BUDGET, 429), ("unknown-batch", 409)})
"""What is believed with these statuses is signed."""
_UNAUTHENTICATED, _FORBIDDEN, _TOO_MANY, _SERVER_ERROR = 401, 403, 429, 500
_FAULT_HINT = "keep the fault, which the status shows, and tell the registrars"


class HolderClient:
    """One key holder. Safe to use from several threads."""

    def __init__(self, holder: Holder, identity: Identity, surroundings: RuntimeEnvironment) -> None:
        self.holder = holder
        self._around = surroundings
        self._channel = Channel(holder.url, identity, surroundings, self._believe, most_bytes=_MAX_ANSWER_BYTES)

    def evaluate(
        self,
        elements: bytes,
        *,
        epoch: int,
        quorum: tuple[int, ...],
        proof: bool,
        idempotency_key: str,
        batch: str | None = None,
    ) -> Evaluation:
        """The holder's answer to 1..65,535 blinded elements, signature and lengths checked.

        Raises HolderUnavailableError, HolderRefusedError, HolderAnswerError.
        """
        named = ",".join(str(index) for index in quorum)
        parameters: dict[str, str | int] = {"epoch": epoch, "quorum": named, "proof": "yes" if proof else "no"}
        if batch is not None:
            parameters["batch"] = batch
        try:
            answer = self._channel.post(
                wire.EVALUATIONS,
                elements,
                parameters=parameters,
                content_type=_OCTETS,
                idempotency_key=idempotency_key,
            )
        except UnreachableError as error:
            raise HolderUnavailableError(error.detail) from error
        except RefusedError as error:
            raise _refusal(error) from error
        except AnswerError as error:
            raise HolderAnswerError(error.detail) from error
        exchange = signed_exchange(answer.request, elements, answer.status, answer.headers, answer.body)
        try:
            check_exchange(exchange)
        except EvidenceError as error:
            raise HolderAnswerError(str(error)) from error
        if commitment_of(exchange) != self.holder.commitment:
            raise HolderRefusedError("it answers with another share than the registrars state, as far as is known here")
        if len(answer.body) != len(elements) or len(elements) % ELEMENT_BYTES:
            raise HolderAnswerError("its length is not that of the question", exchange)
        return Evaluation(answer.body, _read_proof(answer, exchange) if proof else None, exchange)

    def _believe(self, answer: Answer) -> None:
        """Rule 2. Raises AnswerError for what no honest holder answers, UnreachableError for what says nothing."""
        if wire.SIGNATURE not in answer.headers:
            if answer.status == _TOO_MANY or answer.status >= _SERVER_ERROR:
                raise UnreachableError(f"{self.holder.url} answered {answer.status}, unsigned", "try again later")
            if answer.status == _UNAUTHENTICATED or self._says_unknown(answer):
                return
        try:
            verify_response(
                answer.status,
                answer.headers,
                answer.body,
                request=answer.request,
                key_id=self.holder.holder_id,
                public_key=self.holder.verify_key,
                now=self._around.clock(),
            )
        except SignatureError as error:
            raise AnswerError(f"{self.holder.holder_id} answered {answer.status}: {error}", _FAULT_HINT) from error

    def _says_unknown(self, answer: Answer) -> bool:
        problem = read_problem(self.holder.url, answer.status, answer.body)
        return answer.status == _FORBIDDEN and problem.slug == wire.UNKNOWN_KEY

    def budget(self) -> BudgetFigures:
        """What this member may still ask of the holder, signature checked. Raises MemberError."""
        return decode(self._channel.get(wire.BUDGET).body, BudgetFigures, self.holder.url)

    def close(self) -> None:
        """Close the connections."""
        self._channel.close()


def _refusal(error: RefusedError) -> HolderRefusedError:
    """A holder's refusal; where the budget does not reach, with the figures that it gave."""
    denies = (error.slug, error.status) in _DENY_PAYMENT
    problem = error.fields.get("problem", {})
    wanted, remaining, renews_at = (problem.get(name) for name in ("wanted", "remaining", "renews_at"))
    if error.slug != _NO_BUDGET or not isinstance(wanted, int) or not isinstance(remaining, int):
        return HolderRefusedError(error.detail, denies_payment=denies)
    try:
        renewed = f"on {from_rfc3339(str(renews_at)):%Y-%m-%d}"
    except ValueError:
        renewed = "at a time it does not tell"
    figures = f"the budget has {remaining:,} evaluations left, {wanted:,} are required; it renews {renewed}"
    return HolderRefusedError(figures, remaining=remaining, denies_payment=denies)


def _read_proof(answer: Answer, exchange: SignedExchange) -> bytes:
    try:
        return from_base64(answer.headers.get(wire.EVALUATION_PROOF, ""), _PROOF_BYTES)
    except ValueError as error:
        raise HolderAnswerError("it sent no proof", exchange) from error


def connect_holders(
    epoch: EpochStatement, identity: Identity, surroundings: RuntimeEnvironment
) -> dict[int, HolderClient]:
    """The holders of an epoch by index."""
    return {holder.index: HolderClient(holder, identity, surroundings) for holder in epoch.holders}


def epoch_info(epoch: EpochStatement) -> EpochInfo:
    """What the tokeniser needs of the statement."""
    holders = tuple(HolderInfo(holder.index, holder.holder_id, holder.commitment) for holder in epoch.holders)
    return EpochInfo(epoch.epoch, epoch.threshold, epoch.public_key, holders)


@dataclass(frozen=True)
class HolderState:
    """A holder as `status` shows it: its budget, or why there is none to show."""

    holder_id: str
    url: str
    budget: BudgetFigures | None
    problem: str | None


def ask_budgets(holders: Mapping[int, HolderClient]) -> Sequence[HolderState]:
    """Every holder's budget; a holder that does not answer is reported, not raised."""
    states = []
    for client in holders.values():
        holder = client.holder
        try:
            states.append(HolderState(holder.holder_id, holder.url, client.budget(), None))
        except MemberError as error:
            states.append(HolderState(holder.holder_id, holder.url, None, error.detail))
    return states
