"""Checkpoints: C2SP tlog-checkpoint, the signed head of a log.

Rules of the reader, in order: the note is well formed (tlog.notes); its text is origin, size, root, then optional
extension lines, none empty; size is ASCII decimal without leading zero, at most 2^63 - 1; the root is the base64
of 32 bytes; the origin is the one expected; a log key signed, and no signature by a known key fails; the root of
size 0 is that of the empty tree.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from schemas.values.encoding import from_base64, to_base64
from tlog.hashing import EMPTY_ROOT, HASH_BYTES
from tlog.notes import (
    COSIGNATURE_V1,
    ED25519,
    Note,
    NoteError,
    NoteSigner,
    SignatureRejectedError,
    VerifierKey,
    parse_note,
    verify_note,
)
from tlog.proofs import MAXIMUM_SIZE

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,18}", re.ASCII)


@dataclass(frozen=True)
class Checkpoint:
    """The head of a log: its origin, its number of leaves, and the 32-byte root over them."""

    origin: str
    size: int
    root: bytes
    extensions: tuple[str, ...] = ()

    def text(self) -> str:
        """The note text, three lines or more, each ended by a newline."""
        return "\n".join([self.origin, str(self.size), to_base64(self.root), *self.extensions]) + "\n"


@dataclass(frozen=True)
class SignedCheckpoint:
    """A verified checkpoint, with its note as received and the verified cosignatures' keys."""

    checkpoint: Checkpoint
    note: Note
    cosigners: tuple[VerifierKey, ...] = ()


def parse_size(text: str) -> int:
    """A tree size in ASCII decimal: no sign, no leading zero, at most 2^63 - 1. NoteError otherwise."""
    if not _DECIMAL.fullmatch(text) or int(text) > MAXIMUM_SIZE:
        raise NoteError("a tree size is a plain decimal number below 2^63")
    return int(text)


def parse_checkpoint_text(text: str) -> Checkpoint:
    """The checkpoint in a note's text. NoteError for any other shape."""
    lines = text.split("\n")
    if lines.pop() or len(lines) < 3 or not all(lines):
        raise NoteError("a checkpoint has at least three lines, none empty")
    origin, size, root, *extensions = lines
    try:
        return Checkpoint(origin, parse_size(size), from_base64(root, HASH_BYTES), tuple(extensions))
    except NoteError:
        raise
    except ValueError as error:
        raise NoteError("the root of a checkpoint is the base64 of 32 bytes") from error


def sign_checkpoint(checkpoint: Checkpoint, signer: NoteSigner) -> str:
    """The signed note of a checkpoint. The signer's name is the origin, as tlog-checkpoint advises: NoteError if
    it is not.
    """
    if signer.name != checkpoint.origin:
        raise NoteError("the log's key is named after its origin")
    text = checkpoint.text()
    return str(Note(text, (signer.sign(text),)))


def open_checkpoint(
    data: bytes | str, origin: str, log_keys: Iterable[VerifierKey], witness_keys: Iterable[VerifierKey] = ()
) -> SignedCheckpoint:
    """The checkpoint of `origin` in a note signed by one of its log keys. Raises NoteError, or
    SignatureRejectedError.
    """
    return open_checkpoint_note(parse_note(data), origin, log_keys, witness_keys)


def open_checkpoint_note(
    note: Note, origin: str, log_keys: Iterable[VerifierKey], witness_keys: Iterable[VerifierKey] = ()
) -> SignedCheckpoint:
    """As open_checkpoint, for a note already read."""
    checkpoint = parse_checkpoint_text(note.text)
    if checkpoint.origin != origin:
        raise NoteError("the checkpoint is another log's")
    witnesses = {(key.name, key.key_id): key for key in witness_keys if key.algorithm == COSIGNATURE_V1}
    logs = [key for key in log_keys if key.algorithm == ED25519]
    signed = {(found.name, found.key_id) for found in verify_note(note, [*logs, *witnesses.values()])}
    if not any((key.name, key.key_id) in signed for key in logs):
        raise SignatureRejectedError("no key of the log signed the checkpoint")
    if checkpoint.size == 0 and checkpoint.root != EMPTY_ROOT:
        raise NoteError("a checkpoint of no leaves has the root of the empty tree")
    return SignedCheckpoint(checkpoint, note, tuple(key for tag, key in witnesses.items() if tag in signed))
