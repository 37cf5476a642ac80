"""Turning canonical inputs into tokens with the key holders' help, trusting none of them.

For each batch, in order:
1. Inputs that come twice are asked about once. Every input is hashed to the group.
2. A quorum, exactly t holders, is drawn (quorums.py). The batch is blinded for it with fresh scalars, and all of it
   are asked at once. One that is down or refuses drops out, and the batch is asked of another quorum, blinded anew: no
   element is asked about twice. A bulk batch that no quorum has the budget for is halved, and halved again: what is
   left at the holders is used as far as it goes.
3. A batch is checked by one hidden element more (keys.oprf.batch_check). A small one asks for it beside its rows, and
   all of it is proved in one answer; the proof alone would not do, since its weights leave room for a generalised
   birthday (docs/adr/0032). A single row has its proof. A bulk batch asks for it once all answers are in, and has paid
   for it.
4. A wrong proof, a wrong sum or a malformed answer is a fault: it is logged with the holder's name, kept with the
   evidence, and the holder is left out from then on. If the sum is wrong, a second question shows who lied,
   of those that answer it.
5. A check that is refused, lost or late has spoiled the batch: all answers to it are thrown away. It is held against
   the holder (member.tokens.holder_conduct), which is left out of the batch, and after some such batches altogether.
6. Only a checked batch becomes tokens. No token of an unchecked batch is returned.

Idempotency keys are an HMAC under the member's secret of a nonce of the batch, the holder, the phase and the attempt. A
call repeated after a lost connection carries the same key, so that the holder charges it once.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import random
import secrets
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import NoReturn

from keys.faults.evidence import proof_of
from keys.oprf import batch_check, group, threshold
from keys.oprf import protocol as oprf
from keys.oprf.group import ELEMENT_BYTES
from keys.oprf.tokens import Token, split_output
from member.tokens.evaluation import (
    EpochInfo,
    Evaluation,
    Evaluator,
    HolderAnswerError,
    HolderRefusedError,
    HolderUnavailableError,
)
from member.tokens.holder_conduct import ConductStore, NoConductStore
from member.tokens.quorums import HolderFault, NoQuorumError, Quorums
from schemas.holder_faults import MALFORMED, WRONG_ANSWER, WRONG_PROOF, Evidence, SignedExchange

_HANGING_SECONDS = 5.0
"""A holder that is silent for so long is not asked again at once: another quorum answers sooner."""

_ANSWER = "answer"
_CHECK = "check"
_ATTRIBUTION = "attribution"


class _AttemptFailedError(Exception):
    """An attempt failed for the named holders (none, if nobody can be blamed)."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        self.reasons = dict(reasons)
        super().__init__("another quorum is required")


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One try at one batch with one quorum."""

    label: bytes
    number: int
    quorum: tuple[int, ...]
    is_proved: bool
    """Whether it is a small batch, whose rows come with a proof."""
    charge: int
    """What it costs at each holder, its checks included."""


@dataclass(slots=True)
class _Replies:
    """What the holders of a quorum said to one question, by index."""

    given: dict[int, Evaluation] = field(default_factory=dict)
    lost: dict[int, HolderUnavailableError] = field(default_factory=dict)
    refused: dict[int, HolderRefusedError] = field(default_factory=dict)
    malformed: dict[int, tuple[str, SignedExchange | None]] = field(default_factory=dict)

    @property
    def malformed_reasons(self) -> dict[int, str]:
        """What is wrong with the malformed ones."""
        return {index: reason for index, (reason, _) in self.malformed.items()}


class Tokeniser:
    """Tokenises batches under one epoch's key. Safe to use from several threads.

    `evaluators` go by holder's index; `secret` (at least 16 bytes) is the member's, for idempotency keys. Batches of
    up to `proved_up_to` rows come with their proof, which saves a question. What holders did before is in `book`. A
    holder that was down or refused rests for `rest_seconds` at first. A lost call is repeated after each of `pauses`
    (seconds), a lost check after each of `check_pauses`.

    Raises InvalidCommitmentsError if the epoch's commitments do not make up its key.
    """

    def __init__(
        self,
        epoch: EpochInfo,
        evaluators: Mapping[int, Evaluator],
        secret: bytes,
        *,
        book: ConductStore | None = None,
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        proved_up_to: int = batch_check.PROVED_UP_TO,
        rest_seconds: float = 60.0,
        sleep: Callable[[float], None] = time.sleep,
        pauses: Sequence[float] = (0.2, 1.0),
        check_pauses: Sequence[float] = (0.2, 1.0, 4.0, 8.0),
    ) -> None:
        if len(secret) < 16:
            raise ValueError("the secret for idempotency keys has at least 16 bytes")
        self._holders = {holder.index: holder for holder in epoch.holders}
        if len(self._holders) != len(epoch.holders):
            raise threshold.InvalidCommitmentsError("two holders have one index")
        commitments = {holder.index: holder.commitment for holder in epoch.holders}
        threshold.verify_commitments(epoch.public_key, commitments, epoch.threshold)
        self._epoch = epoch
        self._evaluators = {index: evaluators[index] for index in self._holders if index in evaluators}
        self._secret = secret
        self._clock = clock
        self._proved_up_to = proved_up_to
        self._sleep = sleep
        self._pauses = {_ANSWER: tuple(pauses), _CHECK: tuple(check_pauses), _ATTRIBUTION: tuple(check_pauses)}
        self._quorums = Quorums(
            epoch,
            self._evaluators,
            rng=rng or secrets.SystemRandom(),
            clock=clock,
            rest_seconds=rest_seconds,
            book=book or NoConductStore(),
        )

    @property
    def faults(self) -> list[HolderFault]:
        """What holders did that honest ones do not, so far."""
        return self._quorums.faults

    def tokenise(self, inputs: Sequence[bytes]) -> list[Token]:
        """The token of each input (`keys.oprf.tokens.oprf_input`), in order; at most 65,535 of them.

        Raises ValueError for too many or too long inputs, NoQuorumError.
        """
        if not inputs:
            return []
        try:
            return self._tokenise_at_once(inputs)
        except NoQuorumError as error:
            if not error.lacks_budget or len(inputs) <= self._proved_up_to:
                raise
        half = len(inputs) // 2
        tokens = self.tokenise(inputs[:half])
        try:
            return tokens + self.tokenise(inputs[half:])
        except NoQuorumError as error:
            error.tokens[:0] = tokens
            raise

    def _tokenise_at_once(self, inputs: Sequence[bytes]) -> list[Token]:
        # Two rows of one input would carry one element, and errors on them could cancel.
        distinct = list(dict.fromkeys(inputs))
        unblinded = self._answer(oprf.hash_batch(distinct))
        tokens = [split_output(output) for output in oprf.finalize_batch(distinct, unblinded)]
        if len(distinct) == len(inputs):
            return tokens
        token_of = dict(zip(distinct, tokens, strict=True))
        return [token_of[message] for message in inputs]

    def tokenise_batches(self, batches: Iterable[Sequence[bytes]], in_flight: int = 2) -> Iterator[list[Token]]:
        """The tokens of each batch, in order, with `in_flight` batches at work at a time (one a core).

        Batches are drawn as they are needed. Raises what `tokenise` raises, at the batch concerned.
        """
        pending: deque[Future[list[Token]]] = deque()
        workers = ThreadPoolExecutor(in_flight, thread_name_prefix="tokenise")
        try:
            for batch in batches:
                pending.append(workers.submit(self.tokenise, batch))
                if len(pending) > in_flight:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:
            workers.shutdown(cancel_futures=True)

    def _answer(self, hashed: bytes) -> bytes:
        """The checked, unblinded answers to a batch, from whichever quorum gives them."""
        label = os.urandom(16)
        failed: dict[int, str] = {}
        is_proved = len(hashed) <= self._proved_up_to * ELEMENT_BYTES
        charge = self._charge(len(hashed) // ELEMENT_BYTES)
        # Each attempt drops a holder or, rarely, blames nobody: the bound only stops endless bad luck.
        for number in range(2 * len(self._holders)):
            attempt = _Attempt(label, number, self._quorums.draw(failed, charge), is_proved, charge)
            try:
                return self._attempt_proved(attempt, hashed) if is_proved else self._attempt_bulk(attempt, hashed)
            except _AttemptFailedError as setback:
                failed.update(setback.reasons)
        raise self._quorums.no_quorum(failed, charge)

    def _charge(self, rows: int) -> int:
        """What a batch of so many rows costs at each holder, its checks included."""
        if rows > self._proved_up_to:
            return rows + batch_check.CHECKS
        return rows if rows == 1 else rows + 1

    def _attempt_proved(self, attempt: _Attempt, hashed: bytes) -> bytes:
        """The checked answers to a small batch: of two rows or more, the check goes and comes with them."""
        check = batch_check.draw_check(hashed) if len(hashed) > ELEMENT_BYTES else None
        blinded = oprf.blind_hashed(hashed if check is None else hashed + check.element)
        given = self._ask(attempt, blinded.elements)
        self._check_proofs(attempt, blinded.elements, given)
        unblinded = self._unblind(attempt, blinded, given)
        if check is None:
            return unblinded
        rows, checked = unblinded[:-ELEMENT_BYTES], unblinded[-ELEMENT_BYTES:]
        if not batch_check.is_product(check, rows, checked):
            self._attribute(attempt, blinded.elements, given)
        return rows

    def _attempt_bulk(self, attempt: _Attempt, hashed: bytes) -> bytes:
        """The checked answers to a bulk batch: the check is asked for once they are in."""
        blinded = oprf.blind_hashed(hashed)
        given = self._ask(attempt, blinded.elements)
        unblinded = self._unblind(attempt, blinded, given)
        self._check_sum(attempt, hashed, unblinded, blinded.elements, given)
        return unblinded

    def _unblind(self, attempt: _Attempt, blinded: oprf.Blinded, given: Mapping[int, Evaluation]) -> bytes:
        answers = {index: evaluation.elements for index, evaluation in given.items()}
        combined = self._combine(answers, given)
        try:
            return oprf.unblind_batch(blinded.blinds, combined)
        except group.InvalidElementError:  # two answers that cancel out leave the identity: of honest ones never
            self._attribute(attempt, blinded.elements, given)

    # The checks

    def _check_proofs(self, attempt: _Attempt, elements: bytes, given: Mapping[int, Evaluation]) -> None:
        wrong = {}
        for index, public_key in self._public_keys(attempt.quorum).items():
            try:
                oprf.verify_proof(public_key, elements, given[index].elements, given[index].proof or b"")
            except (oprf.InvalidProofError, group.InvalidElementError):
                wrong[index] = "its proof is wrong"
        self._raise_faults(wrong, self._evidence(WRONG_PROOF, wrong, given))

    def _check_sum(
        self, attempt: _Attempt, hashed: bytes, unblinded: bytes, elements: bytes, given: Mapping[int, Evaluation]
    ) -> None:
        check = batch_check.draw_check(hashed)
        checks, silent = self._ask_more(attempt, _CHECK, check.element)
        keys = self._public_keys(attempt.quorum)
        unproved = batch_check.find_unproved(check.element, _proved(checks), keys)
        self._quorums.note_faults(unproved, self._evidence(WRONG_PROOF, unproved, checks))
        if silent or unproved:
            raise _AttemptFailedError(silent | unproved)
        try:
            batch_check.verify_check(check, unblinded, _proved(checks), keys)
        except batch_check.WrongAnswersError:
            self._attribute(attempt, elements, given)

    def _attribute(self, attempt: _Attempt, elements: bytes, given: Mapping[int, Evaluation]) -> NoReturn:
        """Ask who lied. Whoever answers is judged, though another's answer is lost. Raises _AttemptFailedError."""
        question = batch_check.draw_attribution(elements)
        more, silent = self._ask_more(attempt, _ATTRIBUTION, question.element)
        keys, proved = self._public_keys(attempt.quorum), _proved(more)
        answers = {index: evaluation.elements for index, evaluation in given.items()}
        unproved = batch_check.find_unproved(question.element, proved, keys)
        liars = batch_check.find_dishonest(question, answers, proved, keys)
        evidence = self._evidence(WRONG_ANSWER, liars.keys() - unproved, given, more, question.seed)
        self._quorums.note_faults(liars, evidence | self._evidence(WRONG_PROOF, unproved, more))
        raise _AttemptFailedError(silent | liars)

    def _evidence(
        self,
        kind: str,
        indices: Iterable[int],
        answers: Mapping[int, Evaluation],
        checks: Mapping[int, Evaluation] | None = None,
        seed: bytes | None = None,
    ) -> dict[int, Evidence]:
        """What shows the faults to others, as far as the holders' signed answers are at hand."""
        found = {}
        for index in indices:
            answer = answers[index].exchange
            check = None if checks is None else checks[index].exchange
            if answer is not None and (checks is None or check is not None):
                holder_id = self._holders[index].holder_id
                found[index] = Evidence(
                    kind=kind, holder_id=holder_id, epoch=self._epoch.epoch, answer=answer, check=check, seed=seed
                )
        return found

    def _combine(self, answers: Mapping[int, bytes], given: Mapping[int, Evaluation]) -> bytes:
        """The sum of the answers; whoever sent a non-canonical element is at fault."""
        try:
            if len(answers) == 1:  # nothing is added, so nothing has checked the encodings yet
                group.check_elements(*answers.values())
            return threshold.combine(list(answers.values()))
        except group.InvalidElementError:
            wrong = {}
            for index, answer in answers.items():
                try:
                    group.check_elements(answer)
                except group.InvalidElementError as error:
                    wrong[index] = f"a malformed answer: {error}"
            self._raise_faults(wrong, self._evidence(MALFORMED, wrong, given))
            raise

    def _public_keys(self, quorum: tuple[int, ...]) -> dict[int, bytes]:
        return {index: threshold.scaled_commitment(self._holders[index].commitment, index, quorum) for index in quorum}

    # The calls

    def _ask(self, attempt: _Attempt, elements: bytes) -> dict[int, Evaluation]:
        """Every holder's answer to the rows. Raises _AttemptFailedError if any gave none."""
        replies = self._call_all(attempt, _ANSWER, elements)
        short = {
            index: f"refused: {refusal}"
            for index, refusal in replies.refused.items()
            if self._is_short(index, refusal, attempt.charge)
        }
        refused = {index: f"refused: {why}" for index, why in replies.refused.items() if index not in short}
        absent = {index: f"unavailable: {why}" for index, why in replies.lost.items()} | refused
        self._quorums.note_absences(absent)
        self._note_malformed(replies)
        reasons = absent | short | replies.malformed_reasons
        if reasons:
            raise _AttemptFailedError(reasons)
        return replies.given

    def _ask_more(self, attempt: _Attempt, phase: str, element: bytes) -> tuple[dict[int, Evaluation], dict[int, str]]:
        """The holders' proved answers to one element about a batch that they have answered, and who gave none, why.

        A small batch has not paid for such a question: who lied in one is a new evaluation, which may be refused.
        """
        self._quorums.note_asking(attempt.quorum)
        replies = self._call_all(attempt, phase, element)
        self._quorums.note_asked(attempt.quorum)
        refused = {index: f"the check was not answered: refused: {why}" for index, why in replies.refused.items()}
        lost = {index: f"the check was not answered: unavailable: {why}" for index, why in replies.lost.items()}
        denied = {
            index: refused[index]
            for index, why in replies.refused.items()
            if why.denies_payment and not attempt.is_proved
        }
        silent = refused | lost
        self._quorums.note_refusals(denied)
        self._quorums.note_losses({index: reason for index, reason in silent.items() if index not in denied})
        self._quorums.note_checks(replies.given)
        self._note_malformed(replies)
        return replies.given, silent | replies.malformed_reasons

    def _note_malformed(self, replies: _Replies) -> None:
        for index, (reason, exchange) in replies.malformed.items():
            if exchange is None:
                self._quorums.note_unbelieved({index: reason})
                continue
            # An answer that lacks its proof is as long as it should be.
            is_whole = len(exchange.body) == len(exchange.elements)
            kind = WRONG_PROOF if is_whole and proof_of(exchange) is None else MALFORMED
            holder_id = self._holders[index].holder_id
            evidence = Evidence(
                kind=kind, holder_id=holder_id, epoch=self._epoch.epoch, answer=exchange, check=None, seed=None
            )
            self._quorums.note_faults({index: reason}, {index: evidence})

    def _call_all(self, attempt: _Attempt, phase: str, elements: bytes) -> _Replies:
        """Ask all of the quorum at once."""
        with ThreadPoolExecutor(len(attempt.quorum), thread_name_prefix="holder") as callers:
            calls = {index: callers.submit(self._call, attempt, phase, index, elements) for index in attempt.quorum}
        replies = _Replies()
        for index, call in calls.items():
            try:
                replies.given[index] = call.result()
                self._quorums.note_answer(index)
            except HolderUnavailableError as error:
                replies.lost[index] = error
            except HolderRefusedError as error:
                replies.refused[index] = error
            except HolderAnswerError as error:
                replies.malformed[index] = (f"a malformed answer: {error}", error.exchange)
        return replies

    def _is_short(self, index: int, refusal: HolderRefusedError, charge: int) -> bool:
        """Whether the budget is the reason, as far as the holder's own figure bears that out."""
        if refusal.remaining is None or refusal.remaining >= charge:
            return False
        self._quorums.note_budget(index, refusal.remaining)
        return True

    def _call(self, attempt: _Attempt, phase: str, index: int, elements: bytes) -> Evaluation:
        key = self._idempotency_key(attempt, phase, index)
        batch = None if phase == _ANSWER or attempt.is_proved else self._idempotency_key(attempt, _ANSWER, index)
        pauses = iter(self._pauses[phase])
        while True:
            asked_at = self._clock()
            try:
                evaluation = self._evaluators[index].evaluate(
                    elements,
                    epoch=self._epoch.epoch,
                    quorum=attempt.quorum,
                    proof=attempt.is_proved or phase != _ANSWER,
                    idempotency_key=key,
                    batch=batch,
                )
                break
            except HolderUnavailableError:
                pause = next(pauses, None)
                hangs = phase == _ANSWER and self._clock() - asked_at >= _HANGING_SECONDS
                if pause is None or hangs:
                    raise
                self._sleep(pause)
        if len(evaluation.elements) != len(elements):
            raise HolderAnswerError("its length is not that of the question", evaluation.exchange)
        try:
            group.check_batch_form(evaluation.elements)
        except group.InvalidElementError as error:
            raise HolderAnswerError(str(error), evaluation.exchange) from error
        return evaluation

    def _idempotency_key(self, attempt: _Attempt, phase: str, index: int) -> str:
        parts = (attempt.label.hex(), self._holders[index].holder_id, phase, str(attempt.number))
        message = "\0".join(("exchange-evaluation-v1", str(self._epoch.epoch), *parts))
        return hmac.new(self._secret, message.encode(), hashlib.sha256).hexdigest()

    def _raise_faults(self, wrong: Mapping[int, str], evidence: Mapping[int, Evidence]) -> None:
        """Notes the faults, and gives the attempt up if there are any."""
        self._quorums.note_faults(wrong, evidence)
        if wrong:
            raise _AttemptFailedError(wrong)


def _proved(answers: Mapping[int, Evaluation]) -> dict[int, batch_check.ProvedAnswer]:
    return {index: batch_check.ProvedAnswer(one.elements, one.proof or b"") for index, one in answers.items()}
