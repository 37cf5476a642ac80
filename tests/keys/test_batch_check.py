"""The bins of a bulk batch: every row counts, errors do not cancel across bins, and the liar is named."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

import pytest

from keys import batch_check, group, oprf, threshold
from keys.batch_check import BINS, Bins, ProvedAnswer, WrongAnswersError

ROWS = 300
QUORUM = (1, 3)
ELEMENTS = oprf.blind_batch([b"row %d" % row for row in range(ROWS)]).elements
DEALING = threshold.deal(None, 2, 3)
KEYS = {index: threshold.scaled_share(DEALING.shares[index - 1], QUORUM) for index in QUORUM}
PUBLIC_KEYS = {i: threshold.scaled_commitment(DEALING.commitments[i], i, QUORUM) for i in QUORUM}
ANSWERS = {index: threshold.evaluate_batch(key, ELEMENTS) for index, key in KEYS.items()}
ERROR = group.multiply_base(group.random_scalar())


@dataclass
class Check:
    """A batch whose answers may be spoilt before it is checked; bins are dealt in turn: row i to bin i mod 256."""

    answers: dict[int, bytes]
    bins: Bins

    def verify(self, proved: dict[int, ProvedAnswer] | None = None) -> None:
        combined = threshold.combine(list(self.answers.values()))
        batch_check.verify_bins(self.bins, self.answers, combined, proved or self.proved(), PUBLIC_KEYS)

    def proved(self) -> dict[int, ProvedAnswer]:
        return {index: prove(key, self.bins.sums) for index, key in KEYS.items()}

    def spoil(self, holder: int, row: int, element: bytes) -> None:
        answers = self.answers[holder]
        self.answers[holder] = answers[: 32 * row] + element + answers[32 * (row + 1) :]

    def answer(self, holder: int, row: int) -> bytes:
        return self.answers[holder][32 * row : 32 * (row + 1)]


def prove(key: bytes, elements: bytes) -> ProvedAnswer:
    evaluated = threshold.evaluate_batch(key, elements)
    return ProvedAnswer(evaluated, threshold.prove_batch(key, elements, evaluated))


def deal_in_turn(count: int) -> bytes:
    return bytes(row % BINS for row in range(count))


@pytest.fixture
def check() -> Check:
    return Check(dict(ANSWERS), batch_check.deal_bins(ELEMENTS, deal_in_turn))


def test_right_answers_pass(check: Check) -> None:
    check.verify()
    Check(dict(ANSWERS), batch_check.deal_bins(ELEMENTS)).verify()


@pytest.mark.parametrize("row", [0, 150, ROWS - 1])
@pytest.mark.parametrize("holder", QUORUM)
def test_one_wrong_answer_is_caught_and_the_holder_named(check: Check, holder: int, row: int) -> None:
    check.spoil(holder, row, group.add(check.answer(holder, row), ERROR))
    with pytest.raises(WrongAnswersError) as failure:
        check.verify()
    assert list(failure.value.reasons) == [holder]


def test_two_errors_that_cancel_in_different_bins_are_caught(check: Check) -> None:
    check.spoil(1, 10, group.add(check.answer(1, 10), ERROR))
    check.spoil(1, 11, group.subtract(check.answer(1, 11), ERROR))
    assert group.sum_elements(check.answers[1]) == group.sum_elements(ANSWERS[1])
    with pytest.raises(WrongAnswersError) as failure:
        check.verify()
    assert list(failure.value.reasons) == [1]


def test_two_answers_exchanged_are_caught(check: Check) -> None:
    first, second = check.answer(3, 10), check.answer(3, 11)
    check.spoil(3, 10, second)
    check.spoil(3, 11, first)
    with pytest.raises(WrongAnswersError) as failure:
        check.verify()
    assert list(failure.value.reasons) == [3]


def test_two_liars_are_both_named_even_where_their_lies_cancel_partly(check: Check) -> None:
    check.spoil(1, 10, group.add(check.answer(1, 10), ERROR))
    check.spoil(3, 10, group.subtract(check.answer(3, 10), group.add(ERROR, ERROR)))
    with pytest.raises(WrongAnswersError) as failure:
        check.verify()
    assert sorted(failure.value.reasons) == [1, 3]


def test_an_answer_that_cancels_anothers_is_caught_and_named(check: Check) -> None:
    opposite = group.subtract(group.subtract(ERROR, check.answer(1, 7)), ERROR)
    check.spoil(3, 7, opposite)
    with pytest.raises(WrongAnswersError) as failure:
        check.verify()
    assert list(failure.value.reasons) == [3]


def test_a_lie_repeated_in_the_check_fails_its_proof(check: Check) -> None:
    forged = group.random_scalar()
    check.answers[1] = threshold.evaluate_batch(forged, ELEMENTS)
    with pytest.raises(WrongAnswersError) as failure:
        check.verify({**check.proved(), 1: prove(forged, check.bins.sums)})
    assert failure.value.reasons == {1: "its proof for the bins is wrong"}


def test_no_proof_and_a_malformed_answer_fail(check: Check) -> None:
    right = check.proved()
    for wrong in (
        ProvedAnswer(right[1].elements, b""),
        ProvedAnswer(b"\xff" * len(right[1].elements), right[1].proof),
        ProvedAnswer(right[1].elements[:-32], right[1].proof),
    ):
        with pytest.raises(WrongAnswersError) as failure:
            check.verify({**right, 1: wrong})
        assert list(failure.value.reasons) == [1]


@pytest.mark.parametrize("rows", [1, 65, BINS])
def test_a_batch_of_few_rows_has_a_bin_for_each(rows: int) -> None:
    bins = batch_check.deal_bins(ELEMENTS[: 32 * rows])
    assert bins.count == rows
    assert bins.sums == ELEMENTS[: 32 * rows]


def test_a_bulk_batch_is_dealt_at_random_into_256_bins() -> None:
    many = ELEMENTS * 20
    first, second = batch_check.deal_bins(many), batch_check.deal_bins(many)
    assert first.bin_of != second.bin_of
    assert first.count == len(first.sums) // 32 == BINS
    # 6,000 rows: some 23 a bin; a bin of 70 has probability below 10^-12.
    assert max(Counter(first.bin_of).values()) < 70


def test_bins_left_empty_are_not_asked_about() -> None:
    bins = batch_check.deal_bins(ELEMENTS, lambda count: bytes(200 if row % 2 else 7 for row in range(count)))
    assert bins.count == 2
    assert group.IDENTITY not in bins.sums
    assert sorted(set(bins.bin_of)) == [0, 1]


def test_elements_stay_out_of_repr(check: Check) -> None:
    assert repr(check.bins) == "Bins(count=256)"
    assert repr(check.proved()[1]) == "ProvedAnswer()"
