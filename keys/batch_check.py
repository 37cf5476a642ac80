"""Checking a bulk batch in bins: each row counts, and only the bins' sums are proved.

1. The holders' answers to every row are in, and combined. Only then are the rows dealt at random into 256 bins, or one
   bin for each row when there are fewer rows.
2. The blinded rows of each bin are summed, and the holders evaluate these sums as elements of their own, fully proved.
3. The sum of a bin's combined answers must equal the sum of the holders' proved answers for that bin.
4. Where it does not, each holder's own answers for the bin are summed: who differs from what it proved has lied.

Whatever the errors, given where all the other rows lie at most one bin hides the last wrong row: they pass with
probability at most 1/256. A sample of rows would not do: one unchecked wrong answer may make a guessable token.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from keys import group, oprf, threshold
from keys.group import ELEMENT_BYTES

BINS = 256


class WrongAnswersError(Exception):
    """The batch failed its check. `reasons` names the holders shown to have lied, by index."""

    def __init__(self, reasons: Mapping[int, str]) -> None:
        self.reasons = dict(reasons)
        super().__init__("the answers of a batch failed the check")


@dataclass(frozen=True, slots=True)
class Bins:
    """A batch dealt into bins: the bin of each row, their number, and the sum of each bin's blinded elements."""

    bin_of: bytes = field(repr=False)
    count: int
    sums: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class ProvedAnswer:
    """A holder's answers to the bins' sums, 32 bytes each, and the 64-byte proof of them all."""

    elements: bytes = field(repr=False)
    proof: bytes = field(repr=False)


def deal_bins(blinded: bytes, random_bytes: Callable[[int], bytes] = os.urandom) -> Bins:
    """Deals the rows, each alone into a uniform bin, and sums them. Bins left empty are not numbered.

    Call this after the answers are in: a holder who knew the bins could let its errors cancel inside one.
    """
    rows = len(blinded) // ELEMENT_BYTES
    drawn = bytes(range(rows)) if rows <= BINS else random_bytes(rows)
    used = sorted(set(drawn))
    numbers = bytearray(BINS)
    for number, bin_drawn in enumerate(used):
        numbers[bin_drawn] = number
    bin_of = drawn.translate(bytes(numbers))
    return Bins(bin_of, len(used), group.sum_groups(bin_of, blinded, len(used)))


def verify_bins(
    bins: Bins,
    answers: Mapping[int, bytes],
    combined: bytes,
    proved: Mapping[int, ProvedAnswer],
    public_keys: Mapping[int, bytes],
) -> None:
    """Checks a batch's answers against the proved answers for its bins.

    `answers`, `proved` and `public_keys` go by holder's index: the answers to the rows (n * 32 bytes), those to the
    bins' sums, and the holder's scaled commitment. `combined` is the sum of the answers. Raises WrongAnswersError.
    """
    unproved = _unproved(bins, proved, public_keys)
    if unproved:
        raise WrongAnswersError(unproved)
    expected = threshold.combine([proved[index].elements for index in sorted(proved)])
    if not _is_sum(bins, combined, expected):
        raise WrongAnswersError(
            {
                index: "its answers differ from what it proved for a bin"
                for index in answers
                if not _is_sum(bins, answers[index], proved[index].elements)
            }
        )


def _unproved(bins: Bins, proved: Mapping[int, ProvedAnswer], public_keys: Mapping[int, bytes]) -> dict[int, str]:
    reasons = {}
    for index, answer in proved.items():
        try:
            oprf.verify_proof(public_keys[index], bins.sums, answer.elements, answer.proof)
        except (oprf.InvalidProofError, group.InvalidElementError):
            reasons[index] = "its proof for the bins is wrong"
    return reasons


def _is_sum(bins: Bins, elements: bytes, expected: bytes) -> bool:
    try:
        return group.sum_groups(bins.bin_of, elements, bins.count) == expected
    except group.InvalidElementError:
        # Two answers that cancel out leave the identity in the combined batch: no honest pair does.
        return False
