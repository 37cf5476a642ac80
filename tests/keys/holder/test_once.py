"""A key holder works once for what it is paid once: repetitions, checks that a batch has paid for, work under way."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from keys.holder import service
from keys.holder.answers import Evaluated, KeptAnswer, KeptAnswers
from keys.holder.service import CHECKS, COMPUTATIONS, IN_FLIGHT
from keys.oprf import group
from tests.keys.factories import Member
from tests.keys.holder.simulator import HolderSimulator, make_elements, problem_of

ELEMENTS = make_elements(3)
ONE = make_elements(1)


class Work:
    """Counts how often the arithmetic begins; while `gate` is closed it does not end."""

    def __init__(self) -> None:
        self.began = 0
        self.started = threading.Semaphore(0)
        self.gate = threading.Event()
        self.gate.set()

    def __call__(self, key: bytes, elements: bytes) -> bytes:
        self.began += 1
        self.started.release()
        assert self.gate.wait(30)
        return group.multiply_each(key, elements)


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Iterator[Work]:
    """The arithmetic of the holder."""
    counted = Work()
    monkeypatch.setattr(service, "evaluate_batch", counted)
    yield counted
    counted.gate.set()


def forget_answers(holder: HolderSimulator) -> None:
    """As a restart does, and as another worker has none."""
    holder.service._answers = KeptAnswers()


def ask_beside(holder: HolderSimulator, member: Member, elements: bytes, key: str, *, proof: bool) -> tuple[int, str]:
    """Ask by a client of its own, for a thread of its own."""
    target = f"/v1/evaluations?epoch=1&quorum=1,2&proof={'yes' if proof else 'no'}"
    headers = holder.sign(member, "POST", target, elements, key=key)
    answer = holder.client.application.test_client().post(target, data=elements, headers=headers)
    return answer.status_code, "" if answer.status_code == 200 else problem_of(answer)


def ask_check(holder: HolderSimulator, member: Member, key: str, batch: str) -> int:
    """The same for the check of a batch."""
    target = f"/v1/evaluations?epoch=1&quorum=1,2&proof=yes&batch={batch}"
    headers = holder.sign(member, "POST", target, ONE, key=key)
    return holder.client.application.test_client().post(target, data=ONE, headers=headers).status_code


def test_one_request_sent_24_times_at_once_is_computed_once(
    holder: HolderSimulator, member: Member, work: Work
) -> None:
    work.gate.clear()
    with ThreadPoolExecutor(24) as pool:
        sent = [pool.submit(ask_beside, holder, member, ELEMENTS, "key-1", proof=True) for _ in range(24)]
        assert work.started.acquire(timeout=30)
        work.gate.set()
        answers = Counter(one.result() for one in sent)
    assert work.began == 1
    assert answers.keys() <= {(200, ""), (503, "under-way")}
    assert answers[200, ""] >= 1
    assert holder.ask(member, ELEMENTS).status_code == 200
    assert work.began == 1
    assert holder.budget(member)["standing"]["used"] == 3


def test_a_lost_answer_is_computed_again_a_few_times_and_then_refused(
    holder: HolderSimulator, member: Member, work: Work
) -> None:
    for _ in range(COMPUTATIONS):
        assert holder.ask(member, ELEMENTS).status_code == 200
        forget_answers(holder)
    answer = holder.ask(member, ELEMENTS)
    assert (answer.status_code, problem_of(answer)) == (409, "answered-before")
    assert work.began == COMPUTATIONS
    assert holder.budget(member)["standing"]["used"] == 3


def test_a_request_that_a_killed_worker_left_is_begun_again_later(
    holder: HolderSimulator, member: Member, work: Work, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as killed:
        killed.setattr("keys.holder.store.finish_work", lambda *_: None)
        holder.ask(member, ELEMENTS)
    forget_answers(holder)
    answer = holder.ask(member, ELEMENTS)
    assert (answer.status_code, problem_of(answer), answer.headers["Retry-After"]) == (503, "under-way", "1")
    holder.clock.advance(seconds=11)
    assert holder.ask(member, ELEMENTS).status_code == 200
    assert holder.budget(member)["standing"]["used"] == 3


def test_few_evaluations_of_a_member_are_under_way_at_a_time(
    holder: HolderSimulator, member: Member, work: Work
) -> None:
    assert ask_beside(holder, member, ONE, "again", proof=True) == (200, "")
    assert ask_beside(holder, member, ONE, "batch", proof=False) == (200, "")
    forget_answers(holder)
    while work.started.acquire(blocking=False):
        pass
    work.gate.clear()
    with ThreadPoolExecutor(IN_FLIGHT + 1) as pool:
        keys = [f"key-{number}" for number in range(IN_FLIGHT)]
        sent = [pool.submit(ask_beside, holder, member, ONE, key, proof=True) for key in keys]
        for _ in range(IN_FLIGHT):
            assert work.started.acquire(timeout=30)
        assert ask_beside(holder, member, ONE, "one-more", proof=True) == (503, "under-way")
        assert ask_beside(holder, member, ONE, "again", proof=True) == (503, "under-way")
        check = pool.submit(ask_check, holder, member, "check", "batch")
        assert work.started.acquire(timeout=30)
        work.gate.set()
        assert check.result() == 200
        assert [one.result()[0] for one in sent] == [200] * IN_FLIGHT
    assert ask_beside(holder, member, ONE, "one-more", proof=True) == (200, "")


def test_nobody_has_work_done_at_once_that_he_cannot_pay_for(
    holder: HolderSimulator, member: Member, work: Work
) -> None:
    work.gate.clear()
    with ThreadPoolExecutor(3) as pool:
        keys = [f"key-{number}" for number in range(3)]
        sent = [pool.submit(ask_beside, holder, member, make_elements(6), key, proof=True) for key in keys]
        assert work.started.acquire(timeout=30)
        while sum(one.done() for one in sent) < 2:
            pass
        work.gate.set()
        answers = Counter(one.result() for one in sent)
    assert answers == {(200, ""): 1, (429, "budget-exhausted"): 2}
    assert work.began == 1


# -- checks that a batch has paid for


def test_a_batch_without_proofs_pays_for_its_checks(holder: HolderSimulator, member: Member) -> None:
    assert holder.ask(member, make_elements(10 - CHECKS), key="batch", proof=False).status_code == 200
    assert holder.budget(member)["remaining"] == 0
    for number in range(CHECKS):
        answer = holder.ask(member, ONE, key=f"check-{number}", batch="batch")
        assert answer.status_code == 200
        assert "Evaluation-Proof" in answer.headers
    assert holder.budget(member)["standing"]["used"] == 10
    answer = holder.ask(member, ONE, key="one-more", batch="batch")
    assert (answer.status_code, problem_of(answer)) == (409, "unknown-batch")
    assert holder.ask(member, ONE, key="check-0", batch="batch").status_code == 200


@pytest.mark.parametrize(
    ("change", "slug"),
    [
        ({"batch": "another"}, "unknown-batch"),
        ({"quorum": (1, 3)}, "unknown-batch"),
        ({"elements": ELEMENTS}, "bad-length"),
        ({"proof": False}, "bad-length"),
        ({"key": "batch"}, "idempotency-conflict"),
        ({"batch": "proved"}, "unknown-batch"),
    ],
    ids=["no such batch", "another quorum", "three elements", "no proof", "the batch's key", "a proved batch"],
)
def test_what_is_no_check_of_a_batch_is_refused(
    light_holder: HolderSimulator, member: Member, change: dict[str, object], slug: str
) -> None:
    assert light_holder.ask(member, ELEMENTS, key="batch", proof=False).status_code == 200
    assert light_holder.ask(member, ONE, key="proved").status_code == 200
    used = light_holder.budget(member)["standing"]["used"]
    asked = {"elements": ONE, "key": "check", "batch": "batch"} | change
    assert problem_of(light_holder.ask(member, **asked)) == slug  # type: ignore[arg-type]
    assert light_holder.budget(member)["standing"]["used"] == used


# -- what is kept


def _answer(size: int) -> KeptAnswer:
    return KeptAnswer(bytes(32), Evaluated(bytes(size), bytes(32), None))


def test_answers_kept_are_bounded_in_number_and_in_bytes() -> None:
    kept = KeptAnswers(most_bytes=100, most_of_a_member=2)
    kept.keep("b", "key", _answer(20))
    for number in range(3):
        kept.keep("a", f"key-{number}", _answer(30))
    assert kept.find("a", "key-0") is None
    assert kept.find("b", "key") is not None
    kept.keep("c", "key", _answer(50))
    assert kept.find("b", "key") is None
    assert kept.find("a", "key-1") is None
    assert kept.find("a", "key-2") is not None
    kept.keep("c", "key-2", _answer(101))
    assert kept.find("c", "key-2") is None
