"""Turning canonical inputs into tokens with the key holders' help, trusting none of them.

For each batch, in order:
1. Every input is blinded with a fresh scalar.
2. A quorum, exactly t holders, is drawn (member.quorums). All of it are asked at once. One that is down or refuses
   drops out, and the batch is asked of another quorum. A bulk batch that no quorum has the budget for is halved, and
   halved again: what is left at the holders is used as far as it goes.
3. A small batch comes with a proof from each holder. A bulk batch is dealt into bins once all answers are in, and the
   bins' sums are asked for and proved (keys.batch_check).
4. A wrong proof, a wrong sum, a malformed answer or a check not answered is a fault: it is logged with the holder's
   name, the holder is left out from then on, and the batch is finished with another quorum. Silence counts: in a
   batch of few rows a bin holds one or two, and a holder could answer only the checks that it would pass. A budget that
   ends before the check is no fault.
5. Only a checked batch is unblinded. No token of an unchecked batch is returned.

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
from dataclasses import dataclass

from keys import batch_check, group, oprf, threshold
from keys.group import ELEMENT_BYTES
from keys.tokens import Token, split_output
from member.evaluation import (
    EpochInfo,
    Evaluation,
    Evaluator,
    HolderAnswerError,
    HolderRefusedError,
    HolderUnavailableError,
)
from member.quorums import HolderFault, NoQuorumError, Quorums

_HANGING_SECONDS = 5.0
"""A holder that is silent for so long is not asked again at once: another quorum answers sooner."""

_ANSWER = "answer"
_CHECK = "check"


class _SetbackError(Exception):
    """An attempt failed for the named holders (none, if nobody can be blamed)."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        self.reasons = dict(reasons)
        super().__init__("another quorum is wanted")


@dataclass(frozen=True, slots=True)
class _Attempt:
    """One try at one batch with one quorum."""

    label: bytes
    number: int
    quorum: tuple[int, ...]


class Tokeniser:
    """Tokenises batches under one epoch's key. Safe to use from several threads.

    `evaluators` go by holder's index; `secret` (at least 16 bytes) is the member's, for idempotency keys. Batches of
    up to `proved_up_to` rows are proved row by row: up to 256, bins would cost more and spend twice the budget. A
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
        rng: random.Random | None = None,
        clock: Callable[[], float] = time.monotonic,
        proved_up_to: int = batch_check.BINS,
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
        self._rng = rng or secrets.SystemRandom()
        self._clock = clock
        self._proved_up_to = proved_up_to
        self._sleep = sleep
        self._pauses = {_ANSWER: tuple(pauses), _CHECK: tuple(check_pauses)}
        self._quorums = Quorums(epoch, self._evaluators, rng=self._rng, clock=clock, rest_seconds=rest_seconds)

    @property
    def faults(self) -> list[HolderFault]:
        """What holders did that honest ones do not, so far."""
        return self._quorums.faults

    def tokenise(self, inputs: Sequence[bytes]) -> list[Token]:
        """The token of each input (`keys.tokens.oprf_input`), in order; at most 65,535 of them.

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
        blinded = oprf.blind_batch(inputs)
        combined = self._answer(blinded.elements)
        unblinded = oprf.unblind_batch(blinded.blinds, combined)
        return [split_output(output) for output in oprf.finalize_batch(inputs, unblinded)]

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

    def _answer(self, elements: bytes) -> bytes:
        """The checked, combined answers to a batch, from whichever quorum gives them."""
        label = os.urandom(16)
        failed: dict[int, str] = {}
        wanted = self._evaluations(len(elements) // ELEMENT_BYTES)
        # Each attempt drops a holder or, rarely, blames nobody: the bound only stops endless bad luck.
        for number in range(2 * len(self._holders)):
            attempt = _Attempt(label, number, self._quorums.draw(failed, wanted))
            try:
                return self._attempt(attempt, elements)
            except _SetbackError as setback:
                failed.update(setback.reasons)
        raise self._quorums.no_quorum(failed, wanted)

    def _evaluations(self, rows: int) -> int:
        """What a batch costs at each holder, its check included, at most."""
        return rows if rows <= self._proved_up_to else rows + min(rows, batch_check.BINS)

    def _attempt(self, attempt: _Attempt, elements: bytes) -> bytes:
        is_small = len(elements) <= self._proved_up_to * ELEMENT_BYTES
        evaluations = self._ask(attempt, _ANSWER, elements, proof=is_small)
        answers = {index: evaluation.elements for index, evaluation in evaluations.items()}
        if is_small:
            self._check_proofs(attempt, elements, evaluations)
            return self._combine(answers)
        combined = self._combine(answers)
        self._check_bins(attempt, elements, answers, combined)
        return combined

    # The checks

    def _check_proofs(self, attempt: _Attempt, elements: bytes, evaluations: Mapping[int, Evaluation]) -> None:
        wrong = {}
        for index, public_key in self._public_keys(attempt.quorum).items():
            evaluation = evaluations[index]
            try:
                oprf.verify_proof(public_key, elements, evaluation.elements, evaluation.proof or b"")
            except (oprf.InvalidProofError, group.InvalidElementError):
                wrong[index] = "its proof is wrong"
        self._raise_faults(wrong)

    def _check_bins(self, attempt: _Attempt, elements: bytes, answers: Mapping[int, bytes], combined: bytes) -> None:
        bins = batch_check.deal_bins(elements, self._rng.randbytes)
        proved = {
            index: batch_check.ProvedAnswer(evaluation.elements, evaluation.proof or b"")
            for index, evaluation in self._ask(attempt, _CHECK, bins.sums, proof=True).items()
        }
        try:
            batch_check.verify_bins(bins, answers, combined, proved, self._public_keys(attempt.quorum))
        except batch_check.WrongAnswersError as error:
            self._raise_faults(error.reasons)
            raise _SetbackError({}) from error

    def _combine(self, answers: Mapping[int, bytes]) -> bytes:
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
            self._raise_faults(wrong)
            raise

    def _public_keys(self, quorum: tuple[int, ...]) -> dict[int, bytes]:
        return {index: threshold.scaled_commitment(self._holders[index].commitment, index, quorum) for index in quorum}

    # The calls

    def _ask(self, attempt: _Attempt, phase: str, elements: bytes, *, proof: bool) -> dict[int, Evaluation]:
        """Every holder's answer, all asked at once. Raises _SetbackError if any gave none."""
        with ThreadPoolExecutor(len(attempt.quorum), thread_name_prefix="holder") as callers:
            calls = {
                index: callers.submit(self._call, attempt, phase, index, elements, proof) for index in attempt.quorum
            }
        evaluations: dict[int, Evaluation] = {}
        absent: dict[int, str] = {}
        wrong: dict[int, str] = {}
        short: dict[int, str] = {}
        for index, call in calls.items():
            try:
                evaluations[index] = call.result()
                self._quorums.note_answer(index)
            except HolderUnavailableError as error:
                absent[index] = f"unavailable: {error}"
            except HolderRefusedError as error:
                (short if self._is_short(index, error, len(elements)) else absent)[index] = f"refused: {error}"
            except (HolderAnswerError, group.InvalidElementError) as error:
                wrong[index] = f"a malformed answer: {error}"
        if phase == _CHECK:
            # An answer that is not stood by is worth nothing, whatever the reason given.
            wrong.update({index: f"the check was not answered: {reason}" for index, reason in absent.items()})
            absent = {}
        self._quorums.note_absences(absent)
        self._raise_faults(wrong, absent, short)
        return evaluations

    def _is_short(self, index: int, refusal: HolderRefusedError, length: int) -> bool:
        """Whether the budget is the reason, as far as the holder's own figure bears that out."""
        if refusal.remaining is None or refusal.remaining * ELEMENT_BYTES >= length:
            return False
        self._quorums.note_budget(index, refusal.remaining)
        return True

    def _call(self, attempt: _Attempt, phase: str, index: int, elements: bytes, proof: bool) -> Evaluation:
        key = self._idempotency_key(attempt, phase, index)
        pauses = iter(self._pauses[phase])
        while True:
            asked_at = self._clock()
            try:
                evaluation = self._evaluators[index].evaluate(
                    elements,
                    epoch=self._epoch.epoch,
                    quorum=attempt.quorum,
                    proof=proof,
                    idempotency_key=key,
                )
                break
            except HolderUnavailableError:
                pause = next(pauses, None)
                hangs = phase == _ANSWER and self._clock() - asked_at >= _HANGING_SECONDS
                if pause is None or hangs:
                    raise
                self._sleep(pause)
        if len(evaluation.elements) != len(elements):
            raise HolderAnswerError("its length is not that of the question")
        group.check_batch_form(evaluation.elements)
        return evaluation

    def _idempotency_key(self, attempt: _Attempt, phase: str, index: int) -> str:
        parts = (attempt.label.hex(), self._holders[index].holder_id, phase, str(attempt.number))
        message = "\0".join(("exchange-evaluation-v1", str(self._epoch.epoch), *parts))
        return hmac.new(self._secret, message.encode(), hashlib.sha256).hexdigest()

    def _raise_faults(
        self, wrong: Mapping[int, str], absent: Mapping[int, str] | None = None, short: Mapping[int, str] | None = None
    ) -> None:
        """Notes the faults, and gives the attempt up if any holder is named at all."""
        self._quorums.note_faults(wrong)
        reasons = {**(absent or {}), **(short or {}), **wrong}
        if reasons:
            raise _SetbackError(reasons)
