"""Whom a batch is asked of: those asked for least, within what they have left, and not those that rest or erred."""

from __future__ import annotations

import random

import pytest

from member.tokens.holder_conduct import MAX_LOSSES, Conduct
from member.tokens.quorums import NoQuorumError, Quorums
from tests.member.tokens.key_holders import EPOCH

IDS = [holder.holder_id for holder in EPOCH.holders]
REST = 10.0


class Book:
    """What is kept of each holder."""

    def __init__(self) -> None:
        self.known: dict[str, Conduct] = {}

    def read(self) -> dict[str, Conduct]:
        return dict(self.known)

    def keep(self, holder_id: str, conduct: Conduct) -> None:
        self.known[holder_id] = conduct


class QuorumScenario:
    """The quorums of an epoch of three holders, of which two answer; a clock that the test sets."""

    def __init__(self, *reachable: int) -> None:
        self.now, self.book = 100.0, Book()
        self.quorums = Quorums(
            EPOCH,
            reachable or (1, 2, 3),
            rng=random.Random(1),
            clock=lambda: self.now,
            rest_seconds=REST,
            book=self.book,
        )

    def is_drawn(self, index: int) -> bool:
        """Whether a holder that was asked for least is drawn."""
        return index in self.quorums.draw({}, 0)


def test_those_that_were_asked_for_least_are_drawn() -> None:
    quorums = QuorumScenario().quorums
    first = quorums.draw({}, 10)
    assert len(first) == EPOCH.threshold == 2
    (other,) = {1, 2, 3} - set(first)
    assert other in quorums.draw({}, 1)
    assert other in quorums.draw({}, 1), "it was asked for 1, and the others for 10 and more"


def test_an_absent_holder_rests_twice_as_long_each_time() -> None:
    scenario = QuorumScenario()
    scenario.quorums.draw({1: "out of this batch"}, 100)  # so that 1 comes first wherever it may
    for times, seconds in enumerate((REST, 2 * REST, 4 * REST, 8 * REST, 16 * REST, 16 * REST), start=1):
        scenario.quorums.note_absences({1: "no answer"})
        scenario.now += seconds - 0.5
        assert not scenario.is_drawn(1), times
        scenario.now += 0.5
        assert scenario.is_drawn(1), times
    scenario.quorums.note_answer(1)
    scenario.quorums.note_absences({1: "no answer"})
    scenario.now += REST
    assert scenario.is_drawn(1), "it answered in between"


def test_nobody_is_asked_for_more_than_it_has_left() -> None:
    quorums = QuorumScenario().quorums
    quorums.note_budget(1, 5)
    quorums.note_budget(2, 10)
    assert quorums.draw({}, 10) == (2, 3)
    with pytest.raises(NoQuorumError, match="0 evaluations left, 1 are required") as refused:
        quorums.draw({3: "down"}, 1)
    assert refused.value.reasons[IDS[2]] == "down"
    assert refused.value.reasons[IDS[0]] == "ready"
    assert refused.value.lacks_budget
    assert quorums.draw({2: "down"}, 5) == (1, 3)


def test_holders_that_cannot_be_reached_are_named() -> None:
    with pytest.raises(NoQuorumError) as refused:
        QuorumScenario(1).quorums.draw({}, 1)
    assert refused.value.reasons == dict(zip(IDS, ("ready", "not configured", "not configured"), strict=True))
    assert not refused.value.lacks_budget


def test_a_batch_under_way_counts_as_lost_until_it_is_answered() -> None:
    scenario = QuorumScenario()
    scenario.quorums.note_asking((1, 2))
    scenario.quorums.note_asking((1,))
    assert [scenario.book.known[name].losses for name in IDS[:2]] == [2, 1]
    scenario.quorums.note_asked((1,))
    scenario.quorums.note_asked((1, 2))
    assert [scenario.book.known[name].losses for name in IDS[:2]] == [0, 0]


def test_a_holder_is_left_out_for_what_it_did() -> None:
    scenario = QuorumScenario()
    scenario.quorums.draw({2: "out of this batch"}, 100)  # so that 2 comes first wherever it may
    scenario.quorums.note_refusals({1: "not paid for"})
    assert scenario.book.known[IDS[0]].refusals == 1
    for _ in range(MAX_LOSSES - 1):
        scenario.quorums.note_losses({2: "lost"})
    scenario.now += 1_000_000
    assert scenario.is_drawn(2)
    scenario.quorums.note_losses({2: "lost"})
    scenario.now += 1_000_000
    assert not scenario.is_drawn(2)
    scenario.quorums.note_faults({3: "wrong proof"})
    scenario.quorums.note_faults({3: "another"})
    assert [(one.holder_index, one.reason) for one in scenario.quorums.faults] == [(3, "wrong proof")]
    with pytest.raises(NoQuorumError) as refused:
        scenario.quorums.draw({}, 1)
    assert refused.value.reasons[IDS[2]] == "wrong proof"


def test_who_did_not_sign_is_left_out_and_counts_as_lost() -> None:
    scenario = QuorumScenario()
    scenario.quorums.note_unbelieved({1: "no signature"})
    scenario.quorums.note_unbelieved({1: "again"})
    assert not scenario.is_drawn(1)
    assert scenario.book.known[IDS[0]] == Conduct(losses=1)
    scenario.quorums.note_checks((1, 2))
    assert scenario.book.known[IDS[0]].answered == 1
    assert IDS[1] not in scenario.book.known, "nothing counts against it"
