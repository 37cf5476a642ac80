"""Proofs kept in a file and checked without the log."""

from __future__ import annotations

import pytest

from tests.tlog.trees import MemoryTree, entries_of
from tlog.checkpoint import Checkpoint, sign_checkpoint
from tlog.notes import NoteError, NoteSigner
from tlog.offline_proofs import format_offline_proof, parse_offline_proof, verify_offline_proof
from tlog.proofs import ProofError, prove_inclusion, tree_root

LOG = NoteSigner("log.example", bytes(range(32)))
ENTRIES = entries_of(20)
TREE = MemoryTree(ENTRIES)
NOTE = sign_checkpoint(Checkpoint("log.example", 20, tree_root(20, TREE.read)), LOG)
TEXT = format_offline_proof(13, prove_inclusion(13, 20, TREE.read), NOTE)


def test_a_proof_verifies_for_its_entry() -> None:
    assert verify_offline_proof(TEXT, ENTRIES[13], "log.example", [LOG.verifier_key]).size == 20
    assert parse_offline_proof(TEXT).index == 13


def test_extra_data_is_skipped() -> None:
    text = TEXT.replace("v1\nindex", "v1\nextra AAAA\nindex")
    assert parse_offline_proof(text) == parse_offline_proof(TEXT)


def test_attacker_cannot_use_a_proof_for_another_entry_index_or_log() -> None:
    with pytest.raises(ProofError):
        verify_offline_proof(TEXT, ENTRIES[12], "log.example", [LOG.verifier_key])
    with pytest.raises(ProofError):
        verify_offline_proof(TEXT.replace("index 13", "index 12"), ENTRIES[13], "log.example", [LOG.verifier_key])
    with pytest.raises(NoteError):
        verify_offline_proof(TEXT, ENTRIES[13], "other.example", [LOG.verifier_key])


@pytest.mark.parametrize(
    "text",
    [
        "",
        "c2sp.org/tlog-proof@v1\n",
        TEXT.replace("@v1", "@v2"),
        TEXT.replace("index 13", "index 013"),
        TEXT.replace("index 13\n", ""),
        TEXT.replace("index 13\n", "index 13\n*\n"),
    ],
)
def test_malformed_proofs_are_refused(text: str) -> None:
    with pytest.raises(NoteError):
        parse_offline_proof(text)
