"""Proofs that verify offline: C2SP tlog-proof, one text with index, inclusion proof and checkpoint."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from schemas.values.encoding import from_base64, to_base64
from tlog.checkpoint import Checkpoint, open_checkpoint, parse_size
from tlog.hashing import HASH_BYTES, leaf_hash
from tlog.notes import NoteError, VerifierKey
from tlog.proofs import verify_inclusion

_HEADER = "c2sp.org/tlog-proof@v1"


@dataclass(frozen=True)
class OfflineProof:
    """An index, its inclusion proof, and the checkpoint's note as the log published it; unverified."""

    index: int
    proof: tuple[bytes, ...]
    checkpoint_note: str


def format_offline_proof(index: int, proof: Sequence[bytes], checkpoint_note: str) -> str:
    """The text of a proof, to be kept as a `.tlog-proof` file."""
    lines = [_HEADER, f"index {index}", *(to_base64(value) for value in proof), ""]
    return "\n".join(lines) + "\n" + checkpoint_note


def parse_offline_proof(text: str) -> OfflineProof:
    """The proof in a text, an `extra` line being skipped unread. NoteError for any other shape."""
    head, divider, note = text.partition("\n\n")
    header, *lines = head.split("\n")
    if lines and lines[0].startswith("extra "):
        lines = lines[1:]
    if not divider or header != _HEADER or not lines or not lines[0].startswith("index "):
        raise NoteError("not a tlog-proof")
    try:
        proof = tuple(from_base64(line, HASH_BYTES) for line in lines[1:])
    except ValueError as error:
        raise NoteError("a line of the proof is the base64 of 32 bytes") from error
    return OfflineProof(parse_size(lines[0].removeprefix("index ")), proof, note)


def verify_offline_proof(text: str, entry: bytes, origin: str, log_keys: Iterable[VerifierKey]) -> Checkpoint:
    """The checkpoint under which the entry is logged. Raises NoteError (checkpoint) or ProofError (inclusion)."""
    found = parse_offline_proof(text)
    checkpoint = open_checkpoint(found.checkpoint_note, origin, log_keys).checkpoint
    verify_inclusion(leaf_hash(entry), found.index, checkpoint.size, found.proof, checkpoint.root)
    return checkpoint
