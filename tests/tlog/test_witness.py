"""The witness protocol: every answer of the specification, from a log that grows and one that cheats."""

from __future__ import annotations

import pytest

from schemas.values.encoding import to_base64
from tests.tlog.trees import MemoryTree, entries_of
from tlog.checkpoint import Checkpoint, open_checkpoint, sign_checkpoint
from tlog.notes import Cosigner, NoteError, NoteSigner, parse_signature_line
from tlog.proofs import prove_consistency, tree_root
from tlog.witness import (
    MAXIMUM_PROOF_LINES,
    WitnessAnswer,
    WitnessedHead,
    answer_add_checkpoint,
    format_add_checkpoint,
    parse_add_checkpoint,
)

ORIGIN = "log.example"
LOG = NoteSigner(ORIGIN, bytes(range(32)))
WITNESS = Cosigner("witness.example", bytes(range(1, 33)))
TREE = MemoryTree(entries_of(50))


def checkpoint(size: int, tree: MemoryTree = TREE, signer: NoteSigner = LOG) -> str:
    return sign_checkpoint(Checkpoint(signer.name, size, tree_root(size, tree.read)), signer)


def request(old: int, new: int, tree: MemoryTree = TREE) -> str:
    return format_add_checkpoint(old, prove_consistency(old, new, tree.read), checkpoint(new, tree))


def head(size: int) -> dict[str, WitnessedHead]:
    return {ORIGIN: WitnessedHead(size, tree_root(size, TREE.read))} if size else {}


def answer(body: str | bytes, cosigned: int) -> WitnessAnswer:
    raw = body.encode() if isinstance(body, str) else body
    return answer_add_checkpoint(raw, {ORIGIN: [LOG.verifier_key]}, head(cosigned), WITNESS, 1_700_000_000)


def test_a_growing_log_is_cosigned_and_the_new_head_is_given_to_be_stored() -> None:
    cosigned = 0
    for size in (0, 1, 7, 7, 8, 50):
        decision = answer(request(cosigned, size), cosigned)
        assert decision.status == 200
        assert decision.head == WitnessedHead(size, tree_root(size, TREE.read))
        note = checkpoint(size) + decision.body
        opened = open_checkpoint(note, ORIGIN, [LOG.verifier_key], [WITNESS.verifier_key])
        assert opened.cosigners == (WITNESS.verifier_key,)
        assert parse_signature_line(decision.body[:-1]).value[:8] == (1_700_000_000).to_bytes(8)
        cosigned = size


def test_a_log_that_believes_another_size_is_told_the_size() -> None:
    for old in (0, 6):
        decision = answer(request(old, 20), 7)
        assert (decision.status, decision.body, decision.content_type) == (409, "7\n", "text/x.tlog.size")
        assert decision.head is None


def test_attacker_cannot_have_a_fork_cosigned() -> None:
    forked = MemoryTree([b"forged", *entries_of(50)[1:]])
    decision = answer(request(7, 20, forked), 7)
    assert decision.status == 422
    assert "consistency proof" in decision.body
    assert decision.head is None


def test_attacker_cannot_swap_the_root_of_a_size_already_cosigned() -> None:
    forked = MemoryTree([b"forged", *entries_of(50)[1:]])
    assert answer(request(7, 7, forked), 7).status == 422


def test_attacker_cannot_shrink_the_log() -> None:
    assert answer(format_add_checkpoint(7, [], checkpoint(5)), 7).status == 400


def test_a_missing_bent_or_superfluous_proof_is_refused() -> None:
    proof = prove_consistency(7, 20, TREE.read)
    for wrong in ([], proof[:-1], [*proof, bytes(32)], [bytes(32), *proof[1:]]):
        assert answer(format_add_checkpoint(7, wrong, checkpoint(20)), 7).status == 422
    assert answer(format_add_checkpoint(0, [bytes(32)], checkpoint(20)), 0).status == 422


def test_unknown_logs_are_not_found() -> None:
    stranger = NoteSigner("stranger.example", bytes(32))
    assert answer(format_add_checkpoint(0, [], checkpoint(3, TREE, stranger)), 0).status == 404


def test_attacker_cannot_sign_for_a_known_log() -> None:
    impostor = NoteSigner(ORIGIN, bytes(32))
    assert answer(format_add_checkpoint(0, [], checkpoint(3, TREE, impostor)), 0).status == 403
    broken = checkpoint(3)[:-10] + "AAAAAAAA=\n"
    assert answer(format_add_checkpoint(0, [], broken), 0).status == 403


def test_an_empty_tree_with_another_root_is_refused() -> None:
    wrong = sign_checkpoint(Checkpoint(ORIGIN, 0, bytes(32)), LOG)
    assert answer(format_add_checkpoint(0, [], wrong), 0).status == 422


@pytest.mark.parametrize(
    "body",
    [
        "",
        "old 0\n",
        "old 00\n\n" + checkpoint(3),
        "old +0\n\n" + checkpoint(3),
        "old\n\n" + checkpoint(3),
        "new 0\n\n" + checkpoint(3),
        "old 0\r\n\r\n" + checkpoint(3),
        "old 1\nnot base64\n\n" + checkpoint(3),
        "old 1\nAAAA\n\n" + checkpoint(3),
        "old 0\n\n" + checkpoint(3)[:-1],
        "old 0\n\nlog.example\nx\n\n" + checkpoint(3).rpartition("\n\n")[2],
        "old 1\n" + (to_base64(bytes(32)) + "\n") * (MAXIMUM_PROOF_LINES + 1) + "\n" + checkpoint(3),
    ],
)
def test_malformed_requests_are_bad_requests(body: str) -> None:
    assert answer(body, 0).status == 400


def test_bytes_that_are_not_utf_8_are_a_bad_request() -> None:
    assert answer(b"\xff" + request(0, 3).encode(), 0).status == 400
    with pytest.raises(NoteError):
        parse_add_checkpoint(b"\xff")
