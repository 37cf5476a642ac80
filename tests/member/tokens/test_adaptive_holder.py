"""Holders that adapt: they answer wrongly, look at the check, and refuse whatever would show it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from keys.oprf import group, threshold
from keys.oprf import protocol as oprf
from keys.oprf.tokens import Token, split_output
from member.tokens.evaluation import (
    Evaluation,
    Evaluator,
    HolderAnswerError,
    HolderRefusedError,
    HolderUnavailableError,
)
from member.tokens.holder_conduct import CHECKS_FOR_A_LOSS, MAX_LOSSES, MAX_REFUSALS, Conduct
from member.tokens.kept_conduct import VaultConductStore
from member.tokens.quorums import NoQuorumError
from member.tokens.tokenise import Tokeniser
from member.vault.store import Vault
from schemas.holder_faults import SignedExchange
from tests.member.tokens.key_holders import (
    EPOCH,
    KEY,
    SECRET,
    SHARE_1,
    SHARE_2,
    SHARE_3,
    Call,
    ForgetfulLine,
    HonestHolder,
    LowestFirst,
    RefusingHolder,
    SpoilingHolder,
    add_to_row,
    epoch_of,
)

ERROR = group.multiply_base(group.random_scalar())
BULK = [b"n1|bank_account|%014d" % number for number in range(257)]
SIGNED = SignedExchange("https://holder-1.example/v1/evaluations", {}, bytes(32), 200, {}, bytes(32))
NO_BUDGET = HolderRefusedError("the budget has 0 evaluations left", remaining=0, denies_payment=True)


class MemoryBook:
    """A book that outlives the tokenisers."""

    def __init__(self) -> None:
        self.known: dict[str, Conduct] = {}

    def read(self) -> dict[str, Conduct]:
        """What was kept."""
        return dict(self.known)

    def keep(self, holder_id: str, conduct: Conduct) -> None:
        """Keep it."""
        self.known[holder_id] = conduct


@dataclass
class AdaptiveHolder(HonestHolder):
    """Errs in two rows so that the errors cancel where both are in one sum, and answers a check only if they are: with
    at most one other row, which it can see. Everything else it refuses, with the best excuse there is.
    """

    rows: bytes = b""
    batches: int = 0
    refusals: int = 0

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
        if proof and not self.would_pass(elements):
            self.refusals += 1
            raise NO_BUDGET
        return super().evaluate(
            elements, epoch=epoch, quorum=quorum, proof=proof, idempotency_key=idempotency_key, batch=batch
        )

    def answer(self, key: bytes, elements: bytes, proof: bool) -> Evaluation:
        honest = super().answer(key, elements, proof)
        if proof:
            return honest
        self.rows, self.batches = elements, self.batches + 1
        first, second = honest.elements[:32], honest.elements[32:64]
        spoilt = group.add(first, ERROR) + group.subtract(second, ERROR) + honest.elements[64:]
        return Evaluation(spoilt)

    def would_pass(self, elements: bytes) -> bool:
        """Whether a sum asked about is that of both rows, alone or with one other."""
        asked = {elements[at : at + 32] for at in range(0, len(elements), 32)}
        both = group.add(self.rows[:32], self.rows[32:64])
        others = self.rows[64:]
        sums = group.add_pairs(both * (len(others) // 32), others)
        return both in asked or any(sums[at : at + 32] in asked for at in range(0, len(sums), 32))


def expected(inputs: list[bytes]) -> list[Token]:
    return [split_output(oprf.evaluate_unblinded(KEY, message)) for message in inputs]


EXPECTED = expected(BULK)


def build(*holders: HonestHolder, book: MemoryBook | VaultConductStore | None = None) -> Tokeniser:
    evaluators: dict[int, Evaluator] = {holder.share.index: holder for holder in holders}
    return Tokeniser(EPOCH, evaluators, SECRET, book=book, rng=LowestFirst(), sleep=lambda seconds: None)


def test_a_holder_that_adapts_and_refuses_passes_nothing_and_is_left_out() -> None:
    """Each run is a new one of the program. Where bins were dealt in the open it passed after 194 refusals."""
    book, liar = MemoryBook(), AdaptiveHolder(SHARE_1)
    for _ in range(1500):
        before = liar.batches
        assert build(liar, HonestHolder(SHARE_2), HonestHolder(SHARE_3), book=book).tokenise(BULK) == EXPECTED
        if liar.batches == before:
            break
    assert (liar.batches, liar.refusals) == (MAX_REFUSALS, MAX_REFUSALS)
    assert book.known["holder-1"].objection == "it refused 3 checks of batches that it had answered"


def test_a_holder_that_errs_and_answers_the_check_is_named_at_once(caplog: pytest.LogCaptureFixture) -> None:
    book = MemoryBook()
    liar = SpoilingHolder(SHARE_1, spoil=lambda elements: add_to_row(elements, 7, ERROR))
    with caplog.at_level(logging.ERROR):
        tokeniser = build(liar, HonestHolder(SHARE_2), HonestHolder(SHARE_3), book=book)
        assert tokeniser.tokenise(BULK) == EXPECTED
    assert [fault.holder_id for fault in tokeniser.faults] == ["holder-1"]
    assert [vars(record)["holder_id"] for record in caplog.records] == ["holder-1"]
    assert [len(call.elements) // 32 for call in liar.calls] == [257, 1, 1]
    again = build(liar, HonestHolder(SHARE_2), HonestHolder(SHARE_3), book=book)
    assert again.tokenise(BULK) == EXPECTED
    assert len(liar.calls) == 3


def test_a_liar_that_refuses_to_say_who_lied_has_refused() -> None:
    book = MemoryBook()

    @dataclass
    class Shy(SpoilingHolder):
        checks: int = 0

        def answer(self, key: bytes, elements: bytes, proof: bool) -> Evaluation:
            self.checks += proof
            if self.checks % 2 == 0 and proof:
                raise HolderRefusedError("not again", denies_payment=True)
            return super().answer(key, elements, proof)

    liar = Shy(SHARE_1, spoil=lambda elements: add_to_row(elements, 7, ERROR))
    for _ in range(MAX_REFUSALS + 1):
        assert build(liar, HonestHolder(SHARE_2), HonestHolder(SHARE_3), book=book).tokenise(BULK) == EXPECTED
    assert book.known["holder-1"] == Conduct(refusals=MAX_REFUSALS)
    assert liar.checks == 2 * MAX_REFUSALS


def is_check(call: Call) -> bool:
    return call.batch is not None


@pytest.mark.parametrize(
    ("error", "conduct"),
    [
        (NO_BUDGET, Conduct(refusals=1)),
        (HolderRefusedError("the member is suspended"), Conduct(losses=1)),
        (HolderUnavailableError("answered 500, unsigned"), Conduct(losses=1)),
        (HolderUnavailableError("timed out"), Conduct(losses=1)),
        (HolderAnswerError("signature: missing"), Conduct(losses=1)),
        (HolderAnswerError("it sent no proof", SIGNED), Conduct(fault="a malformed answer: it sent no proof")),
    ],
    ids=["budget", "refused", "5xx", "silence", "not signed", "malformed"],
)
def test_whoever_gives_no_check_has_spoiled_the_batch(error: Exception, conduct: Conduct) -> None:
    book = MemoryBook()
    shy = RefusingHolder(SHARE_1, error=error, refuses=is_check)
    second, third = HonestHolder(SHARE_2), HonestHolder(SHARE_3)
    assert build(shy, second, third, book=book).tokenise(BULK) == EXPECTED
    assert {name: known for name, known in book.known.items() if known != Conduct()} == {"holder-1": conduct}
    # Asked again of others, every element blinded anew.
    first_try, second_try = (call.elements for call in second.calls if call.batch is None)
    assert shy.calls[0].elements == first_try
    assert second_try == third.calls[0].elements
    seen = {first_try[at : at + 32] for at in range(0, len(first_try), 32)}
    assert not seen & {second_try[at : at + 32] for at in range(0, len(second_try), 32)}


def test_no_element_is_asked_about_twice_when_a_holder_refuses_the_rows() -> None:
    refusing = RefusingHolder(SHARE_1, error=HolderRefusedError("no"))
    second = HonestHolder(SHARE_2)
    assert build(refusing, second, HonestHolder(SHARE_3)).tokenise(BULK[:5]) == EXPECTED[:5]
    first_try, second_try = (call.elements for call in second.calls)
    assert first_try != second_try


def test_checks_lost_on_the_way_shut_nobody_out_until_they_are_many() -> None:
    book = MemoryBook()
    lost = RefusingHolder(SHARE_1, refuses=is_check)
    for turn in range(MAX_LOSSES + 1):
        assert build(lost, HonestHolder(SHARE_2), HonestHolder(SHARE_3), book=book).tokenise(BULK) == EXPECTED
        assert book.known["holder-1"].losses == min(turn + 1, MAX_LOSSES)
    assert sum(call.batch is None for call in lost.calls) == MAX_LOSSES


def test_checks_answered_make_up_for_a_lost_one() -> None:
    book, lossy = MemoryBook(), RefusingHolder(SHARE_1, refuses=is_check)
    build(lossy, HonestHolder(SHARE_2), HonestHolder(SHARE_3), book=book).tokenise(BULK)
    lossy.refuses = lambda call: False
    for answered in range(CHECKS_FOR_A_LOSS):
        assert book.known["holder-1"] == Conduct(losses=1, answered=answered)
        build(lossy, HonestHolder(SHARE_2), book=book).tokenise(BULK)
    assert book.known["holder-1"] == Conduct()


def test_two_processes_keep_what_each_has_met(tmp_path: Path) -> None:
    path, key = tmp_path / "vault.db", bytes(32)
    Vault.create(path, key, "a").close()
    with Vault.open(path, key, "a") as vault:
        first, second = (VaultConductStore(vault, 7, sequence=1) for _ in range(2))
        first.keep("holder-1", Conduct(fault="its proof is wrong", losses=1))
        second.keep("holder-2", Conduct(losses=1))
        second.keep("holder-1", Conduct(losses=1))
        second.keep("holder-1", Conduct(losses=2, refusals=1))
        first.keep("holder-2", Conduct(losses=3))
        assert VaultConductStore(vault, 7, sequence=1).read() == {
            "holder-1": Conduct(fault="its proof is wrong", losses=3, refusals=1),
            "holder-2": Conduct(losses=4),
        }


def test_a_check_whose_answer_is_lost_once_is_asked_again_under_its_key() -> None:
    book = MemoryBook()
    forgetful = ForgetfulLine(SHARE_1)
    assert build(forgetful, HonestHolder(SHARE_2), book=book).tokenise(BULK) == EXPECTED
    assert book.known == dict.fromkeys(("holder-1", "holder-2"), Conduct())
    checks = [call for call in forgetful.calls if call.batch is not None]
    assert len(checks) == 2
    assert len({call.idempotency_key for call in checks}) == 1


@dataclass
class Replaying(HonestHolder):
    """Answers every check with its answer to the first one."""

    first: list[Evaluation] = field(default_factory=list)

    def answer(self, key: bytes, elements: bytes, proof: bool) -> Evaluation:
        honest = super().answer(key, elements, proof)
        if not proof:
            return honest
        self.first.append(honest)
        return self.first[0]


def test_a_check_answered_before_is_no_answer_to_another() -> None:
    tokeniser = build(Replaying(SHARE_1), HonestHolder(SHARE_2), HonestHolder(SHARE_3))
    assert tokeniser.tokenise(BULK) == EXPECTED
    assert tokeniser.faults == []
    assert tokeniser.tokenise(BULK) == EXPECTED
    assert [(fault.holder_id, fault.reason) for fault in tokeniser.faults] == [
        ("holder-1", "its proof for the check is wrong")
    ]


@dataclass
class Forger(HonestHolder):
    """Has found errors of two rows that cancel under the weights of the proof, which then holds."""

    def answer(self, key: bytes, elements: bytes, proof: bool) -> Evaluation:
        honest = super().answer(key, elements, proof).elements
        rows = [honest[at : at + 32] for at in range(0, len(honest), 32)]
        if len(rows) > 1:
            rows[0] = group.add(rows[0], group.multiply(weight(1), ERROR))
            rows[1] = group.subtract(rows[1], group.multiply(weight(0), ERROR))
        wrong = b"".join(rows)
        return Evaluation(wrong, threshold.prove_batch(key, elements, wrong) if proof else None)


def weight(row: int) -> bytes:
    return group.scalar_from_int(row + 2)


def test_a_small_batch_whose_proof_is_forged_is_caught_and_the_liar_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """Weights known before the answers stand for the 2^38 operations that a generalised birthday takes."""
    fixed = lambda key, blinded, evaluated: b"".join(map(weight, range(len(blinded) // 32)))  # noqa: E731
    monkeypatch.setattr(oprf, "_weights", fixed)
    for rows in (2, 5, 256):
        forger = Forger(SHARE_1)
        tokeniser = build(forger, HonestHolder(SHARE_2), HonestHolder(SHARE_3))
        assert tokeniser.tokenise(BULK[:rows]) == EXPECTED[:rows]
        assert [(fault.holder_id, fault.reason) for fault in tokeniser.faults] == [
            ("holder-1", "its answers differ from what it proved for their sum")
        ]
        assert [(len(call.elements) // 32, call.batch) for call in forger.calls] == [(rows + 1, None), (1, None)]


def is_attribution(call: Call, calls: list[Call]) -> bool:
    return call.batch is not None and any(one.batch == call.batch for one in calls)


@pytest.mark.parametrize("error", [HolderUnavailableError("timed out"), NO_BUDGET], ids=["lost", "refused"])
def test_a_liar_is_named_though_another_holder_gives_no_word_on_who_lied(error: Exception) -> None:
    liar = SpoilingHolder(SHARE_1, spoil=lambda elements: add_to_row(elements, 7, ERROR))
    silent = RefusingHolder(SHARE_2, error=error)
    silent.refuses = lambda call: is_attribution(call, silent.calls)
    tokeniser = build(liar, silent)
    with pytest.raises(NoQuorumError):
        tokeniser.tokenise(BULK)
    assert [fault.holder_id for fault in tokeniser.faults] == ["holder-1"]


def opposite(elements: bytes, row: int) -> bytes:
    at = slice(32 * row, 32 * (row + 1))
    return elements[: at.start] + group.subtract(elements[at], ERROR) + elements[at.stop :]


@pytest.mark.parametrize(
    ("second_row", "liars"), [(7, []), (8, ["holder-1", "holder-2"])], ids=["in each row", "over two rows"]
)
def test_two_holders_whose_errors_cancel_pass_only_right_answers(second_row: int, liars: list[str]) -> None:
    dealing = threshold.deal(KEY, 2, 4)
    spoils: list[Callable[[bytes], bytes]] = [
        lambda elements: add_to_row(elements, 7, ERROR),
        lambda elements: opposite(elements, second_row),
    ]
    evaluators: dict[int, Evaluator] = {share.index: HonestHolder(share) for share in dealing.shares}
    for share, spoil in zip(dealing.shares, spoils, strict=False):
        evaluators[share.index] = SpoilingHolder(share, spoil=spoil)
    tokeniser = Tokeniser(epoch_of(dealing), evaluators, SECRET, rng=LowestFirst())
    assert tokeniser.tokenise(BULK) == EXPECTED
    assert [fault.holder_id for fault in tokeniser.faults] == liars


def test_answers_that_cancel_to_the_identity_are_caught_and_the_liar_named() -> None:
    @dataclass
    class Cancelling(HonestHolder):
        other: bytes = b""

        def answer(self, key: bytes, elements: bytes, proof: bool) -> Evaluation:
            honest = super().answer(key, elements, proof)
            if proof:
                return honest
            theirs = group.multiply(self.other, elements[:32])
            negative = group.subtract(group.subtract(ERROR, theirs), ERROR)
            return Evaluation(negative + honest.elements[32:])

    liar = Cancelling(SHARE_1, other=threshold.scaled_share(SHARE_2, (1, 2)))
    tokeniser = build(liar, HonestHolder(SHARE_2), HonestHolder(SHARE_3))
    assert tokeniser.tokenise(BULK) == EXPECTED
    assert [fault.holder_id for fault in tokeniser.faults] == ["holder-1"]


def test_an_input_that_comes_twice_is_asked_about_once() -> None:
    first = HonestHolder(SHARE_1)
    inputs = [*BULK, BULK[3], BULK[0], BULK[3]]
    tokens = build(first, HonestHolder(SHARE_2)).tokenise(inputs)
    assert tokens == [*EXPECTED, EXPECTED[3], EXPECTED[0], EXPECTED[3]]
    assert len(first.calls[0].elements) == 32 * 257


def test_a_restart_forgives_no_refusal(tmp_path: Path) -> None:
    path, key = tmp_path / "vault.db", bytes(32)
    Vault.create(path, key, "a").close()
    liar = AdaptiveHolder(SHARE_1)
    for run in range(MAX_REFUSALS + 2):
        with Vault.open(path, key, "a") as vault:
            book = VaultConductStore(vault, 7, sequence=1)
            tokeniser = build(liar, HonestHolder(SHARE_2), HonestHolder(SHARE_3), book=book)
            # In threads, as an upload does it.
            assert list(tokeniser.tokenise_batches([BULK])) == [EXPECTED]
        assert liar.batches == min(run + 1, MAX_REFUSALS)
    with Vault.open(path, key, "a") as vault:
        assert VaultConductStore(vault, 7, sequence=1).read()["holder-1"].refusals == MAX_REFUSALS
        # Stated anew by the registrars, it is asked again.
        assert VaultConductStore(vault, 7, sequence=2).read() == {}
        with pytest.raises(NoQuorumError, match="it refused 3 checks"):
            build(liar, HonestHolder(SHARE_2), book=VaultConductStore(vault, 7, sequence=1)).tokenise(BULK)


@dataclass
class EndingHolder(HonestHolder):
    """Keeps the check waiting until whoever runs the program ends it."""

    ends: bool = True

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
        if proof and self.ends:
            raise KeyboardInterrupt
        return super().evaluate(
            elements, epoch=epoch, quorum=quorum, proof=proof, idempotency_key=idempotency_key, batch=batch
        )


def test_a_program_ended_while_it_waits_for_a_check_has_met_a_loss(tmp_path: Path) -> None:
    path, key = tmp_path / "vault.db", bytes(32)
    Vault.create(path, key, "a").close()
    slow = EndingHolder(SHARE_1)
    for _ in range(MAX_LOSSES):
        with Vault.open(path, key, "a") as vault:
            tokeniser = build(slow, HonestHolder(SHARE_2), book=VaultConductStore(vault, 7, sequence=1))
            with pytest.raises(KeyboardInterrupt):
                tokeniser.tokenise(BULK)
    with Vault.open(path, key, "a") as vault:
        assert VaultConductStore(vault, 7, sequence=1).read()["holder-1"].losses == MAX_LOSSES
        with pytest.raises(NoQuorumError, match="were lost"):
            build(slow, HonestHolder(SHARE_2), book=VaultConductStore(vault, 7, sequence=1)).tokenise(BULK)


def test_a_check_that_is_answered_leaves_no_loss(tmp_path: Path) -> None:
    path, key = tmp_path / "vault.db", bytes(32)
    Vault.create(path, key, "a").close()
    with Vault.open(path, key, "a") as vault:
        tokeniser = build(HonestHolder(SHARE_1), HonestHolder(SHARE_2), book=VaultConductStore(vault, 7, sequence=1))
        assert list(tokeniser.tokenise_batches([BULK] * 3)) == [EXPECTED] * 3
        assert {one.objection for one in VaultConductStore(vault, 7, sequence=1).read().values()} == {None}
        assert {one.losses for one in VaultConductStore(vault, 7, sequence=1).read().values()} == {0}
