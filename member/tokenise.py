"""Turning canonical inputs into tokens with the key holders' help, trusting none of them.

For each batch, in order:
1. Every input is blinded with a fresh scalar.
2. A quorum, exactly t holders, is drawn among those that live: those asked for least so far, at random where they are
   equal, so that all budgets are spent alike and a budget of rows * t / n at each reaches. All of it are asked at once.
   One that is down or refuses drops out, and the batch is asked of another quorum. A bulk batch that no quorum has the
   budget for is halved, and halved again: what is left at the holders is used as far as it goes.
3. A small batch comes with a proof from each holder. A bulk batch is dealt into bins once all answers are in, and the
   bins' sums are asked for and proved (keys.batch_check).
4. A wrong proof, a wrong sum, a malformed answer or a check not answered is a fault: it is logged with the holder's
   name, the holder is left out from then on, and the batch is finished with another quorum. Silence counts: in a
   batch of few rows a bin holds one or two, and a holder could answer only the checks that it would pass. A budget that
   ends before the check is no fault; nobody is asked for more than it last said is left.
5. Only a checked batch is unblinded. No token of an unchecked batch is returned.

Idempotency keys are an HMAC under the member's secret of a nonce of the batch, the holder, the phase and the attempt. A
call repeated after a lost connection carries the same key, so that the holder charges it once.
"""

from __future__ import annotations

import hashlib
import hmac
import logging
import os
import random
import secrets
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Protocol

from keys import batch_check, group, oprf, threshold
from keys.group import ELEMENT_BYTES
from keys.tokens import Token, split_output

_log = logging.getLogger(__name__)

_HANGING_SECONDS = 5.0
"""A holder that is silent for so long is not asked again at once: another quorum answers sooner."""

_LONGEST_REST_DOUBLINGS = 4

_ANSWER = "answer"
_CHECK = "check"


class HolderUnavailableError(Exception):
    """No answer came: a lost connection, a timeout, a busy server. The same call may be repeated with its key."""


class HolderRefusedError(Exception):
    """The holder answered no. The text is its reason, fit to be shown: a budget spent, a member suspended …

    `remaining` is how many evaluations are left where the budget did not reach: so many may still be answered.
    """

    def __init__(self, reason: str, *, remaining: int | None = None) -> None:
        super().__init__(reason)
        self.remaining = remaining


class HolderAnswerError(Exception):
    """The holder answered with something that no holder may answer, a wrong signature for one."""


class NoQuorumError(Exception):
    """Too few holders are left to answer a batch. `reasons` says why, by holder's id, of every holder.

    `lacks_budget` tells that a larger budget would give a quorum. `tokens` are those of the batch's first inputs, which
    were answered before: paid for, and checked.
    """

    def __init__(self, threshold_wanted: int, reasons: Mapping[str, str], *, lacks_budget: bool = False) -> None:
        self.reasons = dict(reasons)
        self.lacks_budget = lacks_budget
        self.tokens: list[Token] = []
        listed = "; ".join(f"{holder_id}: {reason}" for holder_id, reason in self.reasons.items())
        super().__init__(f"{threshold_wanted} key holders are needed to tokenise ({listed})")


@dataclass(frozen=True, slots=True)
class HolderInfo:
    """A holder as the registrars' statement of the epoch names it."""

    index: int
    holder_id: str
    commitment: bytes


@dataclass(frozen=True, slots=True)
class EpochInfo:
    """An epoch's key: its number, threshold, the group's public key (32 bytes) and its holders."""

    epoch: int
    threshold: int
    public_key: bytes
    holders: tuple[HolderInfo, ...]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """A holder's answer: as many 32-byte elements as were sent, and the 64-byte proof if one was asked for."""

    elements: bytes = field(repr=False)
    proof: bytes | None = field(default=None, repr=False)


class Evaluator(Protocol):
    """One holder, as the member reaches it. Called from several threads at once."""

    def evaluate(
        self, elements: bytes, *, epoch: int, quorum: tuple[int, ...], proof: bool, idempotency_key: str
    ) -> Evaluation:
        """Asks for lambda_i(quorum) * k_i times each of 1 to 65,535 elements.

        Raises HolderUnavailableError, HolderRefusedError, HolderAnswerError.
        """
        ...


@dataclass(frozen=True, slots=True)
class HolderFault:
    """What a holder did that an honest one does not."""

    holder_index: int
    holder_id: str
    reason: str


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
    holder that was down or refused rests for `rest_seconds`, twice as long each further time, unless there is no quorum
    without it: one that hangs costs a long upload a few time-outs, not one a minute. A lost call is
    repeated after each of `pauses` (seconds), a lost check after each of `check_pauses`.

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
        self._rest_seconds = rest_seconds
        self._sleep = sleep
        self._pauses = {_ANSWER: tuple(pauses), _CHECK: tuple(check_pauses)}
        self._lock = threading.Lock()
        self._excluded: dict[int, str] = {}
        self._left: dict[int, int] = {}
        self._resting: dict[int, float] = {}
        self._absences: dict[int, int] = {}
        self._asked = dict.fromkeys(self._holders, 0)
        self.faults: list[HolderFault] = []

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
            attempt = _Attempt(label, number, self._draw_quorum(failed, wanted))
            try:
                return self._attempt(attempt, elements)
            except _SetbackError as setback:
                failed.update(setback.reasons)
        raise self._no_quorum(failed, wanted)

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
                self._absences.pop(index, None)
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
        self._rest(absent)
        self._raise_faults(wrong, absent, short)
        return evaluations

    def _is_short(self, index: int, refusal: HolderRefusedError, length: int) -> bool:
        """Whether the budget is the reason, as far as the holder's own figure bears that out."""
        if refusal.remaining is None or refusal.remaining * ELEMENT_BYTES >= length:
            return False
        with self._lock:
            self._left[index] = refusal.remaining
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

    # Who is left

    def _draw_quorum(self, failed: Mapping[int, str], evaluations: int) -> tuple[int, ...]:
        """t holders that were asked for least, those at rest only if there is no quorum without them.

        Raises NoQuorumError.
        """
        wanted = self._epoch.threshold
        with self._lock:
            out = failed.keys() | self._excluded.keys() | self._poor(evaluations).keys()
            able = [index for index in self._evaluators if index not in out]
            if len(able) < wanted:
                raise self._no_quorum(failed, evaluations)
            mixed = self._rng.sample(able, len(able))
            mixed.sort(key=lambda index: (self._rests(index), self._asked[index]))
            quorum = tuple(sorted(mixed[:wanted]))
            for index in quorum:
                self._asked[index] += evaluations
                if index in self._left:
                    self._left[index] -= evaluations
            return quorum

    def _poor(self, evaluations: int) -> dict[int, str]:
        """Who has said that its budget does not reach so far."""
        return {
            index: f"refused: the budget has {left:,} evaluations left, {evaluations:,} are wanted"
            for index, left in self._left.items()
            if left < evaluations
        }

    def _rests(self, index: int) -> bool:
        now = self._clock()
        return self._resting.get(index, now) > now

    def _rest(self, absent: Mapping[int, str]) -> None:
        with self._lock:
            for index, reason in absent.items():
                times = self._absences[index] = self._absences.get(index, 0) + 1
                self._resting[index] = self._clock() + self._rest_seconds * 2 ** min(times - 1, _LONGEST_REST_DOUBLINGS)
                holder_id = self._holders[index].holder_id
                _log.info("key holder gave no answer", extra={"holder_id": holder_id, "reason": reason})

    def _raise_faults(
        self, wrong: Mapping[int, str], absent: Mapping[int, str] | None = None, short: Mapping[int, str] | None = None
    ) -> None:
        """Records the faults, and gives the attempt up if any holder is named at all."""
        with self._lock:
            for index, reason in wrong.items():
                if index in self._excluded:  # the other batch in flight met it first
                    continue
                self._excluded[index] = reason
                fault = HolderFault(index, self._holders[index].holder_id, reason)
                self.faults.append(fault)
                _log.error("key holder at fault", extra={"holder_id": fault.holder_id, "reason": fault.reason})
        reasons = {**(absent or {}), **(short or {}), **wrong}
        if reasons:
            raise _SetbackError(reasons)

    def _no_quorum(self, failed: Mapping[int, str], evaluations: int) -> NoQuorumError:
        poor = self._poor(evaluations)
        known = {**poor, **failed, **self._excluded}
        reasons = {}
        for index, holder in self._holders.items():
            fallback = "ready" if index in self._evaluators else "not configured"
            reasons[holder.holder_id] = known.get(index, fallback)
        lacking = poor.keys() - self._excluded.keys()
        others = [index for index in self._evaluators if index not in known and not self._rests(index)]
        lacks_budget = bool(lacking) and len(lacking) + len(others) >= self._epoch.threshold
        return NoQuorumError(self._epoch.threshold, reasons, lacks_budget=lacks_budget)
