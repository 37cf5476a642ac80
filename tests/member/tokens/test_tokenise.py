"""The tokeniser trusts no key holder: tokens are right or there are none, and who is at fault is named."""

from __future__ import annotations

import logging
import random
import threading
from collections import Counter
from collections.abc import Iterator

import pytest

from keys.oprf import group, threshold
from keys.oprf import protocol as oprf
from keys.oprf.batch_check import CHECKS
from keys.oprf.threshold import InvalidCommitmentsError, Share
from keys.oprf.tokens import Token, split_output
from member.tokens.evaluation import EpochInfo, Evaluation, Evaluator, HolderInfo, HolderRefusedError
from member.tokens.quorums import NoQuorumError
from member.tokens.tokenise import Tokeniser
from tests.member.tokens.key_holders import (
    DEALING,
    EPOCH,
    KEY,
    SECRET,
    SHARE_1,
    SHARE_2,
    SHARE_3,
    BudgetedHolder,
    ForgetfulLine,
    HonestHolder,
    LowestFirst,
    MeetingHolder,
    RefusingHolder,
    SpoilingHolder,
    add_to_row,
    epoch_of,
)

ERROR = group.multiply_base(group.random_scalar())
SMALL = [b"n1|phone|+44%d" % number for number in range(5)]
BULK = [b"n1|bank_account|%014d" % number for number in range(300)]


class Moment:
    """A clock that stands still until it is set, and a sleep that only counts."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.slept: list[float] = []

    def __call__(self) -> float:
        return self.now


def expected(inputs: list[bytes]) -> list[Token]:
    return [split_output(oprf.evaluate_unblinded(KEY, message)) for message in inputs]


def build(*holders: HonestHolder, moment: Moment | None = None, rng: random.Random | None = None) -> Tokeniser:
    clock = moment or Moment()
    evaluators: dict[int, Evaluator] = {holder.share.index: holder for holder in holders}
    return Tokeniser(EPOCH, evaluators, SECRET, rng=rng or LowestFirst(), clock=clock, sleep=clock.slept.append)


# The happy way


@pytest.mark.parametrize("inputs", [SMALL[:1], SMALL, BULK[:256], BULK], ids=len)
def test_tokens_are_those_of_the_key_whole(inputs: list[bytes]) -> None:
    tokeniser = build(*map(HonestHolder, DEALING.shares), rng=random.Random(5))
    assert tokeniser.tokenise(inputs) == expected(inputs)
    assert tokeniser.faults == []


def test_every_quorum_gives_the_same_tokens() -> None:
    for pair in ((SHARE_1, SHARE_2), (SHARE_1, SHARE_3), (SHARE_2, SHARE_3)):
        assert build(*map(HonestHolder, pair)).tokenise(SMALL) == expected(SMALL)


def test_one_holder_with_the_whole_key_is_checked_like_several() -> None:
    dealing = threshold.deal(KEY, 1, 1)
    for inputs in (SMALL, BULK):
        tokeniser = Tokeniser(epoch_of(dealing), {1: HonestHolder(dealing.shares[0])}, SECRET)
        assert tokeniser.tokenise(inputs) == expected(inputs)
        garbled = SpoilingHolder(dealing.shares[0], spoil=lambda elements: b"\xff" * 31 + b"\x7f" + elements[32:])
        tokeniser = Tokeniser(epoch_of(dealing), {1: garbled}, SECRET, proved_up_to=0)
        with pytest.raises(NoQuorumError, match="canonical"):
            tokeniser.tokenise(inputs)


def test_nothing_to_tokenise_asks_nobody() -> None:
    holders = [HonestHolder(share) for share in DEALING.shares]
    assert build(*holders).tokenise([]) == []
    assert all(holder.calls == [] for holder in holders)


def test_small_batches_carry_a_proof_and_bulk_one_check_element() -> None:
    first, second = HonestHolder(SHARE_1), HonestHolder(SHARE_2)
    tokeniser = build(first, second)
    tokeniser.tokenise(SMALL)
    assert [(len(call.elements) // 32, call.proof) for call in first.calls] == [(5 + 1, True)]
    tokeniser.tokenise(BULK)
    rows, check = second.calls[1:]
    assert [(len(call.elements) // 32, call.proof) for call in (rows, check)] == [(300, False), (1, True)]
    assert (rows.batch, check.batch) == (None, rows.idempotency_key)
    assert check.elements not in split(rows.elements)


def test_a_single_row_is_asked_for_alone() -> None:
    first = HonestHolder(SHARE_1)
    build(first, HonestHolder(SHARE_2)).tokenise(SMALL[:1])
    assert [len(call.elements) // 32 for call in first.calls] == [1]


def test_quorums_are_drawn_so_that_budgets_are_spent_alike() -> None:
    holders = [HonestHolder(share) for share in DEALING.shares]
    tokeniser = build(*holders, rng=random.Random(1))
    for _ in range(60):
        tokeniser.tokenise(SMALL[:1])
    quorums = Counter(call.quorum for holder in holders for call in holder.calls)
    assert set(quorums) == {(1, 2), (1, 3), (2, 3)}
    assert [len(holder.calls) for holder in holders] == [40, 40, 40]


def test_who_is_asked_first_is_drawn_at_random() -> None:
    firsts = set()
    for seed in range(20):
        holders = [HonestHolder(share) for share in DEALING.shares]
        build(*holders, rng=random.Random(seed)).tokenise(SMALL[:1])
        firsts |= {call.quorum for holder in holders for call in holder.calls}
    assert firsts == {(1, 2), (1, 3), (2, 3)}


# Budgets


def test_a_budget_of_rows_times_t_over_n_at_each_holder_reaches() -> None:
    inputs = [b"n1|phone|+44%d" % number for number in range(1200)]
    holders = [BudgetedHolder(share, budget=1200 * 2 // 3 + 256) for share in DEALING.shares]
    tokeniser = build(*holders, rng=random.Random(3))
    assert tokeniser.tokenise(inputs) == expected(inputs)
    assert tokeniser.faults == []


def test_an_exhausted_budget_still_yields_what_was_answered() -> None:
    inputs = [b"n1|phone|+44%d" % number for number in range(2000)]
    holders = [BudgetedHolder(share, budget=1400) for share in DEALING.shares]
    with pytest.raises(NoQuorumError) as failure:
        build(*holders, rng=random.Random(4)).tokenise(inputs)
    assert failure.value.lacks_budget
    tokens = failure.value.tokens
    assert len(tokens) >= 1250
    assert tokens == expected(inputs[: len(tokens)])
    assert sum(holder.budget < 250 for holder in holders) == 2


def test_the_check_is_paid_for_with_the_batch() -> None:
    exact = BudgetedHolder(SHARE_1, budget=300 + CHECKS)
    tokeniser = build(exact, HonestHolder(SHARE_2), HonestHolder(SHARE_3))
    assert tokeniser.tokenise(BULK) == expected(BULK)
    assert [call.proof for call in exact.calls] == [False, True]
    assert exact.budget == 0


@pytest.mark.parametrize(("rows", "charge"), [(1, 1), (2, 3), (5, 6)])
def test_the_check_of_a_small_batch_is_counted(rows: int, charge: int) -> None:
    exact = BudgetedHolder(SHARE_1, budget=charge)
    assert build(exact, HonestHolder(SHARE_2)).tokenise(SMALL[:rows]) == expected(SMALL[:rows])
    assert exact.budget == 0
    short = BudgetedHolder(SHARE_1, budget=charge - 1)
    with pytest.raises(NoQuorumError) as failure:
        build(short, HonestHolder(SHARE_2)).tokenise(SMALL[:rows])
    assert failure.value.lacks_budget


def test_a_budget_too_small_for_the_check_is_refused_without_a_fault() -> None:
    """The holder does no work for it."""
    short = BudgetedHolder(SHARE_1, budget=300)
    tokeniser = build(short, HonestHolder(SHARE_2), HonestHolder(SHARE_3))
    assert tokeniser.tokenise(BULK) == expected(BULK)
    assert tokeniser.faults == []
    assert tokeniser.tokenise(SMALL) == expected(SMALL)
    assert [call.proof for call in short.calls] == [False, True]


def test_holders_that_are_down_are_not_taken_for_a_lack_of_budget() -> None:
    holders = [BudgetedHolder(SHARE_1, budget=0), RefusingHolder(SHARE_2), RefusingHolder(SHARE_3)]
    with pytest.raises(NoQuorumError) as failure:
        build(*holders).tokenise(BULK)
    assert not failure.value.lacks_budget
    assert failure.value.tokens == []


def test_the_holders_of_a_quorum_are_asked_at_once() -> None:
    meeting = threading.Barrier(2, timeout=10)
    tokeniser = build(MeetingHolder(SHARE_1, meeting=meeting), MeetingHolder(SHARE_2, meeting=meeting))
    assert tokeniser.tokenise(SMALL) == expected(SMALL)


def test_holders_see_other_elements_each_time_and_no_input() -> None:
    first = HonestHolder(SHARE_1)
    tokeniser = build(first, HonestHolder(SHARE_2))
    tokeniser.tokenise(SMALL)
    tokeniser.tokenise(SMALL)
    assert not set(split(first.calls[0].elements)) & set(split(first.calls[1].elements))


def split(elements: bytes) -> list[bytes]:
    return [elements[at : at + 32] for at in range(0, len(elements), 32)]


# Lies


def test_one_wrong_answer_in_ten_thousand_is_caught_named_and_made_good(caplog: pytest.LogCaptureFixture) -> None:
    rows = [b"n1|bank_account|%014d" % number for number in range(10_000)]
    liar = SpoilingHolder(SHARE_2, spoil=lambda elements: add_to_row(elements, 6_789, ERROR))
    tokeniser = build(HonestHolder(SHARE_1), liar, HonestHolder(SHARE_3))
    with caplog.at_level(logging.ERROR):
        tokens = tokeniser.tokenise(rows)
    assert [tokens[row] for row in (0, 6_789, 9_999)] == expected([rows[row] for row in (0, 6_789, 9_999)])
    assert len({token.token for token in tokens}) == 10_000
    assert [(fault.holder_index, fault.holder_id) for fault in tokeniser.faults] == [(2, "holder-2")]
    assert [vars(record)["holder_id"] for record in caplog.records] == ["holder-2"]
    asked = len(liar.calls)
    tokeniser.tokenise(SMALL)
    assert len(liar.calls) == asked


def test_two_errors_that_cancel_are_caught() -> None:
    def exchange(elements: bytes) -> bytes:
        answers = split(elements)
        answers[3] = group.add(answers[3], ERROR)
        answers[4] = group.subtract(answers[4], ERROR)
        return b"".join(answers)

    liar = SpoilingHolder(SHARE_1, spoil=exchange)
    tokeniser = build(liar, HonestHolder(SHARE_2), HonestHolder(SHARE_3), rng=random.Random(2))
    for _ in range(5):
        assert tokeniser.tokenise(BULK) == expected(BULK)
    assert [fault.holder_id for fault in tokeniser.faults] == ["holder-1"]


def test_a_wrong_share_is_detected_in_small_batches_and_in_bulk() -> None:
    for inputs in (SMALL, BULK):
        impostor = HonestHolder(Share(1, group.random_scalar()))
        tokeniser = build(impostor, HonestHolder(SHARE_2), HonestHolder(SHARE_3))
        assert tokeniser.tokenise(inputs) == expected(inputs)
        assert [fault.holder_id for fault in tokeniser.faults] == ["holder-1"]


def test_a_small_batch_with_one_wrong_answer_fails_its_proof() -> None:
    liar = SpoilingHolder(SHARE_1, spoil=lambda elements: add_to_row(elements, 2, ERROR), spoils_proved=True)
    tokeniser = build(liar, HonestHolder(SHARE_2), HonestHolder(SHARE_3))
    assert tokeniser.tokenise(SMALL) == expected(SMALL)
    assert [(fault.holder_id, fault.reason) for fault in tokeniser.faults] == [("holder-1", "its proof is wrong")]


@pytest.mark.parametrize(
    "garbled",
    [b"\xff" * 31 + b"\x7f", group.IDENTITY, bytes((*ERROR[:31], ERROR[31] | 0x80)), ERROR + ERROR, b""],
    ids=["non-canonical", "identity", "bit 255", "too long", "too short"],
)
@pytest.mark.parametrize("inputs", [SMALL, BULK], ids=["small", "bulk"])
def test_a_malformed_answer_is_a_fault(inputs: list[bytes], garbled: bytes) -> None:
    class Garbling(HonestHolder):
        def answer(self, key: bytes, elements: bytes, proof: bool) -> Evaluation:
            honest = super().answer(key, elements, proof)
            return Evaluation(garbled + honest.elements[32:], honest.proof)

    tokeniser = build(Garbling(SHARE_1), HonestHolder(SHARE_2), HonestHolder(SHARE_3))
    assert tokeniser.tokenise(inputs) == expected(inputs)
    assert [fault.holder_id for fault in tokeniser.faults] == ["holder-1"]


def test_an_answer_without_the_proof_asked_for_is_a_fault() -> None:
    class Proofless(HonestHolder):
        def answer(self, key: bytes, elements: bytes, proof: bool) -> Evaluation:
            return Evaluation(super().answer(key, elements, False).elements)

    for inputs in (SMALL, BULK):
        tokeniser = build(Proofless(SHARE_1), HonestHolder(SHARE_2), HonestHolder(SHARE_3))
        assert tokeniser.tokenise(inputs) == expected(inputs)
        assert [fault.holder_id for fault in tokeniser.faults] == ["holder-1"]


def test_no_token_comes_out_when_nobody_honest_is_left_to_replace_a_liar() -> None:
    liar = SpoilingHolder(SHARE_1, spoil=lambda elements: add_to_row(elements, 0, ERROR))
    tokeniser = build(liar, HonestHolder(SHARE_2))
    with pytest.raises(NoQuorumError) as failure:
        tokeniser.tokenise(BULK)
    assert failure.value.reasons == {
        "holder-1": "its answers differ from what it proved for their sum",
        "holder-2": "ready",
        "holder-3": "not configured",
    }


# Absence


@pytest.mark.parametrize("inputs", [SMALL, BULK], ids=["small", "bulk"])
def test_a_holder_that_is_down_is_survived_and_is_no_fault(inputs: list[bytes]) -> None:
    tokeniser = build(RefusingHolder(SHARE_1), HonestHolder(SHARE_2), HonestHolder(SHARE_3))
    assert tokeniser.tokenise(inputs) == expected(inputs)
    assert tokeniser.faults == []


def test_a_holder_that_was_down_rests_and_is_asked_again_later() -> None:
    moment = Moment()
    down = RefusingHolder(SHARE_1)
    tokeniser = build(down, HonestHolder(SHARE_2), HonestHolder(SHARE_3), moment=moment)
    tokeniser.tokenise(SMALL)
    tries = len(down.calls)
    tokeniser.tokenise(SMALL)
    assert len(down.calls) == tries
    moment.now += 61
    tokeniser.tokenise(SMALL)
    assert len(down.calls) > tries


def test_a_holder_that_stays_down_is_tried_ever_less_often() -> None:
    """Once it has answered, the pauses begin anew."""
    moment, asked_at = Moment(), list[float]()
    down = RefusingHolder(SHARE_1)
    tokeniser = build(down, HonestHolder(SHARE_2), HonestHolder(SHARE_3), moment=moment)
    for _ in range(800):
        before = len(down.calls)
        tokeniser.tokenise(SMALL[:1])
        if len(down.calls) > before:
            asked_at.append(moment.now - 1000.0)
        moment.now += 1.0
    assert asked_at == [0.0, 60.0, 180.0, 420.0]
    down.refuses = lambda call: False
    moment.now += 960.0
    tokeniser.tokenise(SMALL[:1])
    down.refuses = lambda call: True
    for _ in range(3):
        tokeniser.tokenise(SMALL[:1])
    answered = len(down.calls)
    moment.now += 61.0
    tokeniser.tokenise(SMALL[:1])
    tokeniser.tokenise(SMALL[:1])
    assert len(down.calls) > answered


def test_a_resting_holder_is_asked_when_there_is_no_quorum_without_it() -> None:
    back = RefusingHolder(SHARE_1)
    third = RefusingHolder(SHARE_3, refuses=lambda call: False)
    tokeniser = build(back, HonestHolder(SHARE_2), third)
    tokeniser.tokenise(SMALL)
    back.refuses, third.refuses = (lambda call: False), (lambda call: True)
    assert tokeniser.tokenise(SMALL) == expected(SMALL)


def test_without_a_quorum_every_holder_is_named_with_its_reason() -> None:
    spent = RefusingHolder(SHARE_2, error=HolderRefusedError("budget spent, 0 evaluations remain"))
    tokeniser = build(RefusingHolder(SHARE_1), spent, HonestHolder(SHARE_3))
    with pytest.raises(NoQuorumError) as failure:
        tokeniser.tokenise(SMALL)
    assert failure.value.reasons == {
        "holder-1": "unavailable: connection refused",
        "holder-2": "refused: budget spent, 0 evaluations remain",
        "holder-3": "ready",
    }
    for holder_id, reason in failure.value.reasons.items():
        assert f"{holder_id}: {reason}" in str(failure.value)


def test_a_lost_answer_is_requested_with_the_same_key_and_charged_once() -> None:
    lossy, other = ForgetfulLine(SHARE_1), HonestHolder(SHARE_2)
    moment = Moment()
    assert build(lossy, other, moment=moment).tokenise(BULK) == expected(BULK)
    keys = [call.idempotency_key for call in lossy.calls]
    assert len(keys) == 4
    assert len(set(keys)) == 2
    assert sum(lossy.charged.values()) == sum(other.charged.values())
    assert moment.slept == [0.2, 0.2]


def test_a_refusal_is_not_asked_again() -> None:
    refusing = RefusingHolder(SHARE_1, error=HolderRefusedError("suspended"))
    build(refusing, HonestHolder(SHARE_2), HonestHolder(SHARE_3)).tokenise(SMALL)
    assert len(refusing.calls) == 1


def test_idempotency_keys_tell_nothing_of_the_inputs_and_never_repeat() -> None:
    first, second = HonestHolder(SHARE_1), HonestHolder(SHARE_2)
    tokeniser = build(first, second)
    for _ in range(3):
        tokeniser.tokenise(SMALL)
    keys = [call.idempotency_key for holder in (first, second) for call in holder.calls]
    assert len(set(keys)) == 6


# Many batches


def test_batches_come_out_in_order_and_are_drawn_as_needed() -> None:
    drawn: list[int] = []

    def batches() -> Iterator[list[bytes]]:
        for number in range(12):
            drawn.append(number)
            yield [b"n1|phone|%d|%d" % (number, row) for row in range(12 - number)]

    tokeniser = build(*map(HonestHolder, DEALING.shares), rng=random.Random(3))
    produced = tokeniser.tokenise_batches(batches())
    assert next(produced) == expected([b"n1|phone|0|%d" % row for row in range(12)])
    assert len(drawn) < 6
    for number, tokens in enumerate(produced, 1):
        assert tokens == expected([b"n1|phone|%d|%d" % (number, row) for row in range(12 - number)])
    assert len(drawn) == 12


def test_a_liar_met_by_two_batches_at_once_is_one_fault() -> None:
    liar = SpoilingHolder(SHARE_1, spoil=lambda elements: add_to_row(elements, 0, ERROR))
    tokeniser = build(liar, HonestHolder(SHARE_2), HonestHolder(SHARE_3))
    for tokens in tokeniser.tokenise_batches([BULK] * 4):
        assert tokens == expected(BULK)
    assert [fault.holder_id for fault in tokeniser.faults] == ["holder-1"]


def test_two_batches_are_in_flight() -> None:
    meeting = threading.Barrier(4, timeout=10)
    holders = [MeetingHolder(share, meeting=meeting) for share in (SHARE_1, SHARE_2)]
    tokeniser = build(*holders)
    assert list(tokeniser.tokenise_batches([SMALL, SMALL])) == [expected(SMALL)] * 2


def test_a_batch_without_a_quorum_ends_the_run_at_its_place() -> None:
    holder = RefusingHolder(SHARE_1, refuses=lambda call: len(call.elements) == 32 * 4)
    produced = build(holder, HonestHolder(SHARE_2)).tokenise_batches([SMALL, SMALL[:3], SMALL])
    assert next(produced) == expected(SMALL)
    with pytest.raises(NoQuorumError):
        next(produced)


# The epoch


def test_an_epoch_whose_commitments_do_not_make_its_key_is_refused() -> None:
    foreign = group.multiply_base(group.random_scalar())
    evaluators: dict[int, Evaluator] = {share.index: HonestHolder(share) for share in DEALING.shares}
    bad_holder = (HolderInfo(3, "holder-3", foreign),)
    for epoch in (
        EpochInfo(7, 2, foreign, EPOCH.holders),
        EpochInfo(7, 2, EPOCH.public_key, EPOCH.holders[:2] + bad_holder),
        EpochInfo(7, 2, EPOCH.public_key, (*EPOCH.holders, EPOCH.holders[0])),
        EpochInfo(7, 4, EPOCH.public_key, EPOCH.holders),
    ):
        with pytest.raises(InvalidCommitmentsError):
            Tokeniser(epoch, evaluators, SECRET)


def test_a_secret_too_short_for_a_mac_is_refused() -> None:
    with pytest.raises(ValueError, match="16 bytes"):
        Tokeniser(EPOCH, {}, b"short")


def test_the_secret_and_tokens_stay_out_of_repr_and_logs(caplog: pytest.LogCaptureFixture) -> None:
    liar = SpoilingHolder(SHARE_1, spoil=lambda elements: add_to_row(elements, 0, ERROR))
    tokeniser = build(liar, HonestHolder(SHARE_2), HonestHolder(SHARE_3))
    with caplog.at_level(logging.DEBUG):
        tokens = tokeniser.tokenise(BULK)
    shown = repr(tokeniser) + repr(tokens) + caplog.text + repr([vars(record) for record in caplog.records])
    shown += repr(tokeniser.faults)
    for secret in (SECRET, BULK[0], tokens[0].token, tokens[0].detail_key, liar.calls[0].elements[:32]):
        assert repr(secret)[2:-1] not in shown
        assert secret.hex() not in shown
