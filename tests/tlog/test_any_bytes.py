"""Notes, checkpoints, keys, proofs, tiles and witness requests from anywhere: a value that is written back alike, or
the documented error; and a signed text with a changed byte is refused or says the same.
"""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.any_input import changed_bytes, changed_text
from tests.tlog.trees import MemoryTree, entries_of
from tlog.checkpoint import Checkpoint, open_checkpoint, parse_checkpoint_text, parse_size, sign_checkpoint
from tlog.hashing import EMPTY_ROOT, HASH_BYTES
from tlog.notes import Cosigner, Note, NoteError, NoteSigner, parse_note, parse_signature_line, parse_verifier_key
from tlog.offline_proofs import format_offline_proof, parse_offline_proof, verify_offline_proof
from tlog.proofs import (
    Node,
    ProofError,
    prove_consistency,
    prove_inclusion,
    tree_root,
    verify_consistency,
    verify_inclusion,
)
from tlog.tiles import Tile, TileError, TileHashReader, decode_entries, encode_entries, parse_tile_path
from tlog.witness import WitnessedHead, answer_add_checkpoint, format_add_checkpoint, parse_add_checkpoint

LOG = NoteSigner("log.example", bytes(range(32)))
WITNESS = Cosigner("witness.example", bytes(range(1, 33)))
KEYS = [LOG.verifier_key]
ENTRIES = entries_of(20)
TREE = MemoryTree(ENTRIES)
ROOT = tree_root(20, TREE.read)
CHECKPOINT = Checkpoint("log.example", 20, ROOT, ("an extension",))
NOTE = sign_checkpoint(CHECKPOINT, LOG)
COSIGNED = NOTE + WITNESS.cosign(CHECKPOINT.text(), 1_790_000_000).line()
PROOF = format_offline_proof(13, prove_inclusion(13, 20, TREE.read), NOTE)
CONSISTENCY = prove_consistency(7, 20, TREE.read)
REQUEST = format_add_checkpoint(7, CONSISTENCY, NOTE).encode()
HEAD = WitnessedHead(7, tree_root(7, TREE.read))
PATHS = ("tile/0/000", "tile/entries/x001/x234/067.p/8", "tile/3/x999/999.p/255", "tile/63/000.p/1")
texts = st.text(max_size=200)
hashes = st.lists(st.binary(min_size=HASH_BYTES, max_size=HASH_BYTES), max_size=8)


@given(st.binary(max_size=300) | changed_bytes(COSIGNED.encode()))
def test_a_note_is_refused_or_written_back_byte_for_byte(data: bytes) -> None:
    try:
        note = parse_note(data)
    except NoteError:
        return
    assert str(note).encode() == data


@given(texts | changed_text(CHECKPOINT.text()))
def test_a_checkpoint_is_refused_or_written_back_letter_for_letter(text: str) -> None:
    try:
        checkpoint = parse_checkpoint_text(text)
    except NoteError:
        return
    assert checkpoint.text() == text


@given(changed_bytes(COSIGNED.encode()))
def test_a_checkpoint_with_a_changed_byte_is_refused_or_the_same(data: bytes) -> None:
    try:
        found = open_checkpoint(data, "log.example", KEYS, [WITNESS.verifier_key])
    except NoteError:
        return
    assert found.checkpoint == CHECKPOINT


@given(texts | changed_text(COSIGNED.splitlines()[-1]))
def test_a_signature_line_is_refused_or_written_back_letter_for_letter(line: str) -> None:
    try:
        signature = parse_signature_line(line)
    except NoteError:
        return
    assert signature.line() == line + "\n"


@given(texts | changed_text(str(LOG.verifier_key)) | changed_text(str(WITNESS.verifier_key)))
def test_a_verifier_key_is_refused_or_written_back_letter_for_letter(text: str) -> None:
    try:
        key = parse_verifier_key(text)
    except NoteError:
        return
    assert str(key) == text


@given(st.binary(max_size=120), st.binary(min_size=32, max_size=32))
def test_a_known_keys_name_over_any_signature_bytes_is_refused(value: bytes, seed: bytes) -> None:
    """Whatever the length of the signature, and for a key that may be no point of the curve."""
    assume(value)
    for signer in (LOG, WITNESS):
        key = type(signer.verifier_key)(signer.name, signer.algorithm, seed)
        signature = type(LOG.sign("x\n"))(key.name, key.key_id, value)
        note = str(Note(CHECKPOINT.text(), (signature,)))
        with pytest.raises(NoteError):
            open_checkpoint(note, "log.example", [key], [key])


@given(texts | st.integers().map(str))
def test_a_size_is_refused_or_written_back_digit_for_digit(text: str) -> None:
    try:
        size = parse_size(text)
    except NoteError:
        return
    assert str(size) == text
    assert 0 <= size < 2**63


@given(texts | changed_text(PROOF))
def test_an_offline_proof_is_refused_or_read(text: str) -> None:
    try:
        found = parse_offline_proof(text)
    except NoteError:
        return
    assert parse_offline_proof(format_offline_proof(found.index, found.proof, found.checkpoint_note)) == found


@given(changed_text(PROOF))
def test_an_offline_proof_with_a_changed_byte_proves_nothing_or_the_same(text: str) -> None:
    try:
        checkpoint = verify_offline_proof(text, ENTRIES[13], "log.example", KEYS)
    except (NoteError, ProofError):
        return
    assert checkpoint == CHECKPOINT
    assert parse_offline_proof(text).index == 13


@given(st.integers(-2, 2**64), st.integers(-2, 2**64), hashes)
def test_an_inclusion_proof_of_any_shape_proves_nothing(index: int, size: int, proof: list[bytes]) -> None:
    assume(not (index == 0 and size == 1))
    with pytest.raises(ProofError):
        verify_inclusion(bytes(32), index, size, proof, ROOT)


@given(st.integers(-2, 2**64), st.integers(-2, 2**64), hashes)
def test_a_consistency_proof_of_any_shape_proves_nothing(old: int, new: int, proof: list[bytes]) -> None:
    assume(old != 0)
    with pytest.raises(ProofError):
        verify_consistency(old, HEAD.root, new, ROOT, proof)


@given(texts | st.sampled_from(PATHS).flatmap(changed_text))
def test_a_tiles_path_is_refused_or_is_the_one_path_of_its_tile(path: str) -> None:
    try:
        tile = parse_tile_path(path)
    except TileError:
        return
    assert tile.path() == path


@given(st.none() | st.integers(0, 63), st.integers(0, 10**12), st.integers(1, 256))
def test_every_tile_has_a_path_that_is_read_back(level: int | None, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert parse_tile_path(tile.path()) == tile


@given(st.binary(max_size=300) | changed_bytes(encode_entries(ENTRIES[:4])), st.integers(-1, 6))
def test_an_entry_bundle_is_refused_or_written_back_byte_for_byte(data: bytes, count: int) -> None:
    try:
        entries = decode_entries(data, count)
    except TileError:
        return
    assert len(entries) == count
    assert encode_entries(entries) == data


@given(st.integers(1, 2**63 - 1), st.binary(max_size=300))
def test_tiles_of_any_bytes_vouch_for_nothing(size: int, data: bytes) -> None:
    with pytest.raises(TileError):
        TileHashReader(size, ROOT, lambda path: data)


@given(st.data())
def test_a_tree_with_one_changed_byte_in_a_tile_is_refused(data: st.DataObject) -> None:
    tile = b"".join(TREE.read([Node(0, index) for index in range(20)]))
    changed = data.draw(changed_bytes(tile))
    if changed == tile:
        return
    with pytest.raises(TileError):
        TileHashReader(20, ROOT, lambda path: changed)


@given(st.binary(max_size=300) | changed_bytes(REQUEST))
def test_a_witness_answers_any_request_and_cosigns_only_what_was_signed(body: bytes) -> None:
    decision = answer_add_checkpoint(body, {"log.example": KEYS}, {"log.example": HEAD}, WITNESS, 1_790_000_000)
    assert decision.status in {200, 400, 403, 404, 409, 422}
    if decision.status == 200:
        assert decision.head == WitnessedHead(20, ROOT)
        assert parse_add_checkpoint(body).proof == tuple(CONSISTENCY)


def test_a_tree_of_no_leaves_needs_no_tile() -> None:
    assert TileHashReader(0, EMPTY_ROOT, lambda path: b"").size == 0
