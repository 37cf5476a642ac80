"""Checking a batch by one proved element, and naming who lied.

1. The holders' answers to every blinded row are in, combined, and unblinded: N_i = Z_i / r_i, where r_i is the row's
   blind. Right answers are k * H_i, H_i being the row's hash to the group. No token is made of them yet.
2. The holders are asked to evaluate and prove one element more, the sum of the H_i times a fresh random scalar s.
3. s times the sum of the N_i must equal the sum of the holders' proved answers.

The sum weighs each wrong answer with 1 / r_i. A holder sees r_i * H_i alone, so that it knows no weight, and errors
that cancel under weights it does not know would let it solve discrete logarithms (docs/adr/0032 has the argument and
the bound). That holds while no two rows have one input: the caller sees to it. The element asked about is uniform,
whatever the batch was: who sees it learns nothing, and gains nothing by refusing to answer.

A small batch of two rows or more asks for that element beside its rows, blinded as they are, and everything is proved
at once: steps 2 and 3 without a second question.

Who lied is found by a second question, whose weights are public: they follow from a random seed, drawn once the
answers are in. The answers of a holder, so weighed, must sum to what it proves for the rows so weighed. All of this
can be shown to anyone without a blind (keys/faults/evidence.py).
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field

from keys.oprf import group, threshold
from keys.oprf import protocol as oprf

PROVED_UP_TO = 256
"""Batches of so few rows come with one proof of all: one question and one answer, at some 0.2 ms a row."""
CHECKS = 2
"""Proved elements that a holder is paid for with each bulk batch: the check, and the question who lied."""
SEED_BYTES = 32
_WEIGHT_BYTES = 16
_WEIGHTS_OF_A_BLOCK = 4
_WEIGHTS_DST = b"exchange-batch-weights-v1"


class WrongAnswersError(Exception):
    """The batch failed its check. `reasons` names the holders shown to have lied, by index; it may be empty."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        self.reasons = dict(reasons)
        super().__init__("the answers of a batch failed the check")


@dataclass(frozen=True, slots=True)
class Check:
    """The question about a batch: the element that the holders prove, and the scalar that hides the sum in it."""

    element: bytes
    mask: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Attribution:
    """The question who lied: the rows' weighted sum, and the seed of the weights."""

    element: bytes
    seed: bytes


@dataclass(frozen=True, slots=True)
class ProvedAnswer:
    """A holder's answer to one element, 32 bytes, and the 64-byte proof of it."""

    element: bytes = field(repr=False)
    proof: bytes = field(repr=False)


def draw_check(hashed: bytes) -> Check:
    """The check of the rows that hash to these elements (n * 32 bytes, all distinct)."""
    mask = group.random_scalar()
    return Check(group.multiply(mask, group.sum_elements(hashed)), mask)


def verify_check(
    check: Check, unblinded: bytes, proved: Mapping[int, ProvedAnswer], public_keys: Mapping[int, bytes]
) -> None:
    """Checks a batch's unblinded answers (n * 32 bytes) against the holders' proved answers to its check.

    `proved` and `public_keys` (scaled commitments) go by holder's index. Raises WrongAnswersError, which names those
    whose proof is wrong, and nobody if it is the sum that differs.
    """
    unproved = find_unproved(check.element, proved, public_keys)
    if unproved:
        raise WrongAnswersError(unproved)
    expected = threshold.combine([answer.element for answer in proved.values()])
    if not is_product(check, unblinded, expected):
        raise WrongAnswersError({})


def draw_attribution(elements: bytes, seed: bytes | None = None) -> Attribution:
    """The question about the blinded rows `elements` as they were sent. Draw it only once the answers are in."""
    drawn = os.urandom(SEED_BYTES) if seed is None else seed
    return Attribution(weigh(drawn, elements), drawn)


def weigh(seed: bytes, elements: bytes) -> bytes:
    """The sum of the elements, each times its weight. Raises InvalidElementError naming the position."""
    weights = _weights(seed, len(elements) // group.ELEMENT_BYTES)
    return group.sum_elements(group.multiply_pairs(group.join_scalars(weights), elements))


def find_dishonest(
    attribution: Attribution,
    answers: Mapping[int, bytes],
    proved: Mapping[int, ProvedAnswer],
    public_keys: Mapping[int, bytes],
) -> dict[int, str]:
    """Why each holder that lied did: its answers to the rows (n * 32 bytes) are not what it proved, or unproved."""
    reasons = find_unproved(attribution.element, proved, public_keys)
    for index, answer in proved.items():
        if index not in reasons and weigh(attribution.seed, answers[index]) != answer.element:
            reasons[index] = "its answers differ from what it proved for their sum"
    return reasons


def find_unproved(
    element: bytes, proved: Mapping[int, ProvedAnswer], public_keys: Mapping[int, bytes]
) -> dict[int, str]:
    """The holders whose proof about one element is wrong, with the reason."""
    reasons = {}
    for index, answer in proved.items():
        try:
            oprf.verify_proof(public_keys[index], element, answer.element, answer.proof)
        except (oprf.InvalidProofError, group.InvalidElementError):
            reasons[index] = "its proof for the check is wrong"
    return reasons


def is_product(check: Check, unblinded: bytes, expected: bytes) -> bool:
    """Whether a batch's unblinded answers (n * 32 bytes) sum to `expected`, the right answer to its check."""
    try:
        return group.multiply(check.mask, group.sum_elements(unblinded)) == expected
    except group.InvalidElementError:
        # The sum, or one of the answers, is the identity: of honest ones never.
        return False


def _weights(seed: bytes, count: int) -> list[int]:
    """`count` weights of 128 bits, none of them 0, from SHA-512 over the seed and a running number."""
    blocks = -(-count // _WEIGHTS_OF_A_BLOCK)
    stream = b"".join(
        hashlib.sha512(_WEIGHTS_DST + seed + block.to_bytes(4, "big")).digest() for block in range(blocks)
    )
    from_bytes = int.from_bytes
    places = range(0, count * _WEIGHT_BYTES, _WEIGHT_BYTES)
    return [from_bytes(stream[at : at + _WEIGHT_BYTES], "little") or 1 for at in places]
