"""Key holders in one process, honest and otherwise, behind the interface that the tokeniser uses."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from keys.oprf import group, threshold
from keys.oprf.batch_check import CHECKS
from keys.oprf.threshold import Dealing, Share
from member.tokens.evaluation import EpochInfo, Evaluation, HolderInfo, HolderRefusedError, HolderUnavailableError
from tests.keys.oprf.vectors_rfc9497 import SECRET_KEY

KEY = bytes.fromhex(SECRET_KEY)
DEALING = threshold.deal(KEY, 2, 3)
SHARE_1, SHARE_2, SHARE_3 = DEALING.shares
SECRET = b"a secret of the member's vault!!"


@dataclass
class Call:
    elements: bytes
    quorum: tuple[int, ...]
    proof: bool
    idempotency_key: str
    batch: str | None = None


@dataclass
class HonestHolder:
    """Evaluates and proves, and charges each idempotency key once."""

    share: Share
    calls: list[Call] = field(default_factory=list)
    charged: dict[str, int] = field(default_factory=dict)

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
        assert epoch == 7
        self.calls.append(Call(elements, quorum, proof, idempotency_key, batch))
        self.charged[idempotency_key] = len(elements) // 32
        key = threshold.scaled_share(self.share, quorum)
        return self.answer(key, elements, proof)

    def answer(self, key: bytes, elements: bytes, proof: bool) -> Evaluation:
        evaluated = threshold.evaluate_batch(key, elements)
        return Evaluation(evaluated, threshold.prove_batch(key, elements, evaluated) if proof else None)


@dataclass
class SpoilingHolder(HonestHolder):
    """Changes its answers to all but the check of a bulk batch, for which it then gives a valid proof."""

    spoil: Callable[[bytes], bytes] = lambda elements: elements
    spoils_proved: bool = False

    def answer(self, key: bytes, elements: bytes, proof: bool) -> Evaluation:
        honest = super().answer(key, elements, proof)
        if proof and not self.spoils_proved:
            return honest
        wrong = self.spoil(honest.elements)
        return Evaluation(wrong, threshold.prove_batch(key, elements, wrong) if proof else None)


@dataclass
class RefusingHolder(HonestHolder):
    """Raises `error` when `refuses` says so of a call: down, out of budget, unwilling to be checked."""

    error: Exception = field(default_factory=lambda: HolderUnavailableError("connection refused"))
    refuses: Callable[[Call], bool] = lambda call: True

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
        call = Call(elements, quorum, proof, idempotency_key, batch)
        if self.refuses(call):
            self.calls.append(call)
            raise self.error
        return super().evaluate(
            elements, epoch=epoch, quorum=quorum, proof=proof, idempotency_key=idempotency_key, batch=batch
        )


@dataclass
class BudgetedHolder(HonestHolder):
    """Answers as long as its budget reaches, each request whole or not at all."""

    budget: int = 0

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
        count = len(elements) // 32 + (0 if proof else CHECKS)
        if batch is not None:
            count = 0
        if count > self.budget:
            self.calls.append(Call(elements, quorum, proof, idempotency_key, batch))
            raise HolderRefusedError(f"{self.budget} left, {count} wanted", remaining=self.budget)
        self.budget -= count
        return super().evaluate(
            elements, epoch=epoch, quorum=quorum, proof=proof, idempotency_key=idempotency_key, batch=batch
        )


@dataclass
class ForgetfulLine(HonestHolder):
    """Loses each first answer on its way back: the work is done and charged, the member hears nothing."""

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
        is_first = idempotency_key not in self.charged
        evaluation = super().evaluate(
            elements, epoch=epoch, quorum=quorum, proof=proof, idempotency_key=idempotency_key, batch=batch
        )
        if is_first:
            raise HolderUnavailableError("connection lost")
        return evaluation


@dataclass
class MeetingHolder(HonestHolder):
    """Answers only once another holder is being asked too: alone it waits in vain."""

    meeting: threading.Barrier = field(default_factory=lambda: threading.Barrier(2, timeout=10))

    def answer(self, key: bytes, elements: bytes, proof: bool) -> Evaluation:
        self.meeting.wait()
        return super().answer(key, elements, proof)


class LowestFirst(random.Random):
    """Always draws the first holders that can be asked, so that a test decides who is asked."""

    def sample(self, population: list[int], k: int) -> list[int]:  # type: ignore[override]
        return list(population[:k])


def epoch_of(dealing: Dealing) -> EpochInfo:
    holders = tuple(
        HolderInfo(index, f"holder-{index}", commitment) for index, commitment in dealing.commitments.items()
    )
    return EpochInfo(7, dealing.threshold, dealing.group_public_key, holders)


EPOCH = epoch_of(DEALING)


def add_to_row(elements: bytes, row: int, error: bytes) -> bytes:
    """The elements, `error` added to one of them."""
    at = slice(32 * row, 32 * (row + 1))
    return elements[: at.start] + group.add(elements[at], error) + elements[at.stop :]
