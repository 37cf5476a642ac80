"""The check of a bulk batch: one element, which every row weighs in; and the question who lied."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from keys.oprf import batch_check, group, threshold
from keys.oprf import protocol as oprf
from keys.oprf.batch_check import ProvedAnswer, WrongAnswersError

ROWS = 60
QUORUM = (1, 3)
HASHED = oprf.hash_batch([b"row %d" % row for row in range(ROWS)])
BLINDED = oprf.blind_hashed(HASHED)
DEALING = threshold.deal(None, 2, 3)
KEYS = {index: threshold.scaled_share(DEALING.shares[index - 1], QUORUM) for index in QUORUM}
PUBLIC_KEYS = {i: threshold.scaled_commitment(DEALING.commitments[i], i, QUORUM) for i in QUORUM}
ANSWERS = {index: threshold.evaluate_batch(key, BLINDED.elements) for index, key in KEYS.items()}
ERROR = group.multiply_base(group.random_scalar())


@dataclass
class Batch:
    """A batch whose answers may be spoilt before it is checked."""

    answers: dict[int, bytes]

    def verify(self, proved: dict[int, ProvedAnswer] | None = None) -> None:
        check = batch_check.draw_check(HASHED)
        unblinded = oprf.unblind_batch(BLINDED.blinds, threshold.combine(list(self.answers.values())))
        batch_check.verify_check(check, unblinded, proved or prove_all(check.element), PUBLIC_KEYS)

    def liars(self) -> dict[int, str]:
        question = batch_check.draw_attribution(BLINDED.elements)
        return batch_check.find_dishonest(question, self.answers, prove_all(question.element), PUBLIC_KEYS)

    def spoil(self, holder: int, row: int, element: bytes) -> None:
        answers = self.answers[holder]
        self.answers[holder] = answers[: 32 * row] + element + answers[32 * (row + 1) :]

    def answer(self, holder: int, row: int) -> bytes:
        return self.answers[holder][32 * row : 32 * (row + 1)]


def prove(key: bytes, element: bytes) -> ProvedAnswer:
    evaluated = threshold.evaluate_batch(key, element)
    return ProvedAnswer(evaluated, threshold.prove_batch(key, element, evaluated))


def prove_all(element: bytes) -> dict[int, ProvedAnswer]:
    return {index: prove(key, element) for index, key in KEYS.items()}


@pytest.fixture
def batch() -> Batch:
    return Batch(dict(ANSWERS))


def test_right_answers_pass_and_nobody_is_named(batch: Batch) -> None:
    batch.verify()
    assert batch.liars() == {}


@pytest.mark.parametrize("row", [0, 30, ROWS - 1])
@pytest.mark.parametrize("holder", QUORUM)
def test_one_wrong_answer_is_caught_and_the_holder_named(batch: Batch, holder: int, row: int) -> None:
    batch.spoil(holder, row, group.add(batch.answer(holder, row), ERROR))
    with pytest.raises(WrongAnswersError) as failure:
        batch.verify()
    assert failure.value.reasons == {}
    assert list(batch.liars()) == [holder]


def test_errors_that_cancel_without_the_weights_are_caught(batch: Batch) -> None:
    for row in range(0, ROWS, 2):
        batch.spoil(1, row, group.add(batch.answer(1, row), ERROR))
        batch.spoil(1, row + 1, group.subtract(batch.answer(1, row + 1), ERROR))
    assert group.sum_elements(batch.answers[1]) == group.sum_elements(ANSWERS[1])
    with pytest.raises(WrongAnswersError):
        batch.verify()
    assert list(batch.liars()) == [1]


def test_errors_made_of_the_rows_themselves_do_not_cancel(batch: Batch) -> None:
    """Each row's answer off by a multiple of its own blinded element: under the weights, a multiple of its hash."""
    rows = [BLINDED.elements[32 * row : 32 * (row + 1)] for row in range(2)]
    batch.spoil(1, 0, group.add(batch.answer(1, 0), rows[0]))
    batch.spoil(1, 1, group.subtract(batch.answer(1, 1), rows[1]))
    with pytest.raises(WrongAnswersError):
        batch.verify()
    # The hashes too are known to a holder that guesses the rows.
    swapped = Batch(dict(ANSWERS))
    swapped.spoil(1, 0, group.add(swapped.answer(1, 0), HASHED[32:64]))
    swapped.spoil(1, 1, group.subtract(swapped.answer(1, 1), HASHED[:32]))
    with pytest.raises(WrongAnswersError):
        swapped.verify()


def test_two_answers_exchanged_are_caught(batch: Batch) -> None:
    first, second = batch.answer(3, 10), batch.answer(3, 11)
    batch.spoil(3, 10, second)
    batch.spoil(3, 11, first)
    with pytest.raises(WrongAnswersError):
        batch.verify()
    assert list(batch.liars()) == [3]


def test_two_liars_are_both_named_even_where_their_lies_cancel_partly(batch: Batch) -> None:
    batch.spoil(1, 10, group.add(batch.answer(1, 10), ERROR))
    batch.spoil(3, 10, group.subtract(batch.answer(3, 10), group.add(ERROR, ERROR)))
    with pytest.raises(WrongAnswersError):
        batch.verify()
    assert sorted(batch.liars()) == [1, 3]


def test_lies_of_two_holders_that_cancel_in_each_row_leave_right_answers(batch: Batch) -> None:
    batch.spoil(1, 10, group.add(batch.answer(1, 10), ERROR))
    batch.spoil(3, 10, group.subtract(batch.answer(3, 10), ERROR))
    batch.verify()
    assert threshold.combine(list(batch.answers.values())) == threshold.combine(list(ANSWERS.values()))


def test_a_lie_repeated_in_the_check_fails_its_proof(batch: Batch) -> None:
    forged = group.random_scalar()
    batch.answers[1] = threshold.evaluate_batch(forged, BLINDED.elements)
    check = batch_check.draw_check(HASHED)
    unblinded = oprf.unblind_batch(BLINDED.blinds, threshold.combine(list(batch.answers.values())))
    proved = prove_all(check.element) | {1: prove(forged, check.element)}
    with pytest.raises(WrongAnswersError) as failure:
        batch_check.verify_check(check, unblinded, proved, PUBLIC_KEYS)
    assert failure.value.reasons == {1: "its proof for the check is wrong"}


def test_an_answer_to_another_check_fails_its_proof(batch: Batch) -> None:
    with pytest.raises(WrongAnswersError) as failure:
        batch.verify(prove_all(batch_check.draw_check(HASHED).element))
    assert sorted(failure.value.reasons) == [1, 3]


def test_no_proof_and_a_malformed_answer_fail() -> None:
    check = batch_check.draw_check(HASHED)
    right = prove_all(check.element)
    unblinded = oprf.unblind_batch(BLINDED.blinds, threshold.combine(list(ANSWERS.values())))
    for wrong in (
        ProvedAnswer(right[1].element, b""),
        ProvedAnswer(b"\xff" * 32, right[1].proof),
        ProvedAnswer(b"", right[1].proof),
    ):
        with pytest.raises(WrongAnswersError) as failure:
            batch_check.verify_check(check, unblinded, {**right, 1: wrong}, PUBLIC_KEYS)
        assert list(failure.value.reasons) == [1]


def test_the_check_of_the_same_rows_is_another_element_each_time() -> None:
    drawn = {batch_check.draw_check(HASHED).element for _ in range(20)}
    assert len(drawn) == 20
    assert group.sum_elements(HASHED) not in drawn


def test_the_weights_follow_from_the_seed_and_number_every_row() -> None:
    seed = bytes(range(32))
    assert batch_check.draw_attribution(BLINDED.elements, seed).element == batch_check.weigh(seed, BLINDED.elements)
    weights = batch_check._weights(seed, ROWS)
    assert len(set(weights)) == ROWS
    assert all(0 < weight < 2**128 for weight in weights)
    assert batch_check._weights(seed, 7) == weights[:7]
    assert batch_check._weights(bytes(32), ROWS) != weights


def test_masks_and_answers_stay_out_of_repr() -> None:
    check = batch_check.draw_check(HASHED)
    assert "mask" not in repr(check)
    assert repr(prove(KEYS[1], check.element)) == "ProvedAnswer()"
