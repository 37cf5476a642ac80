"""The witness protocol's add-checkpoint call: C2SP tlog-witness, without any network or storage.

Checks in the order that the specification gives their answers:
1. 400 when the request is malformed;
2. 404 when the origin is unknown;
3. 403 when no trusted key of that log signed, or a signature naming one fails;
4. 400 when the old size exceeds the checkpoint's;
5. 409, with the size last cosigned, when the old size is another;
6. 422 when the empty tree has another root, equal sizes have other roots, or the consistency proof fails;
7. 200 with the cosignature, once the caller has stored the new state.

The caller reads the state, calls decide, and writes the new state in one atomic step before it answers.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from schemas.values.encoding import from_base64, to_base64
from tlog.checkpoint import Checkpoint, open_checkpoint_note, parse_checkpoint_text, parse_size
from tlog.hashing import EMPTY_ROOT, HASH_BYTES
from tlog.notes import (
    Cosigner,
    Note,
    NoteError,
    SignatureRejectedError,
    VerifierKey,
    parse_note,
)
from tlog.proofs import ProofError, verify_consistency

MAXIMUM_PROOF_LINES = 63
SIZE_CONTENT_TYPE = "text/x.tlog.size"
TEXT_CONTENT_TYPE = "text/plain; charset=utf-8"


@dataclass(frozen=True)
class AddCheckpoint:
    """A parsed request: the size the log believes was last cosigned, the proof from it, and the new checkpoint's
    note.
    """

    old_size: int
    proof: tuple[bytes, ...]
    note: Note


@dataclass(frozen=True)
class WitnessedHead:
    """The newest head of a log that this witness cosigned."""

    size: int
    root: bytes


NOTHING_WITNESSED = WitnessedHead(0, EMPTY_ROOT)


@dataclass(frozen=True)
class WitnessAnswer:
    """The answer: HTTP status, body, content type, and the head to store first (None: nothing changes)."""

    status: int
    body: str
    content_type: str = TEXT_CONTENT_TYPE
    head: WitnessedHead | None = None


def format_add_checkpoint(old_size: int, proof: Sequence[bytes], checkpoint_note: str) -> str:
    """The body of a request, as a log or a member's client sends it."""
    return "".join([f"old {old_size}\n", *(f"{to_base64(value)}\n" for value in proof), "\n", checkpoint_note])


def parse_add_checkpoint(body: bytes) -> AddCheckpoint:
    """The request in these bytes. NoteError when malformed; SignatureRejectedError for signatures that are not
    even base64.
    """
    try:
        head, divider, rest = body.decode().partition("\n\n")
    except UnicodeError as error:
        raise NoteError("a request is UTF-8") from error
    old, *lines = head.split("\n")
    if not divider or not old.startswith("old ") or len(lines) > MAXIMUM_PROOF_LINES:
        raise NoteError("a request is an old size, at most 63 proof lines, an empty line and a checkpoint")
    try:
        proof = tuple(from_base64(line, HASH_BYTES) for line in lines)
    except ValueError as error:
        raise NoteError("a proof line is the base64 of 32 bytes") from error
    return AddCheckpoint(parse_size(old.removeprefix("old ")), proof, parse_note(rest))


def answer_add_checkpoint(
    body: bytes,
    log_keys: Mapping[str, Sequence[VerifierKey]],
    heads: Mapping[str, WitnessedHead],
    cosigner: Cosigner,
    timestamp: int,
) -> WitnessAnswer:
    """Decide on a raw request: `log_keys` by origin are the logs witnessed, `heads` by origin what was cosigned
    last.
    """
    try:
        request = parse_add_checkpoint(body)
        origin = parse_checkpoint_text(request.note.text).origin
    except SignatureRejectedError as error:
        return WitnessAnswer(403, f"{error}\n")
    except NoteError as error:
        return WitnessAnswer(400, f"{error}\n")
    if origin not in log_keys:
        return WitnessAnswer(404, "unknown log\n")
    return decide(request, log_keys[origin], heads.get(origin, NOTHING_WITNESSED), cosigner, timestamp)


def decide(
    request: AddCheckpoint, log_keys: Sequence[VerifierKey], head: WitnessedHead, cosigner: Cosigner, timestamp: int
) -> WitnessAnswer:
    """Decide on a request for a known log whose newest cosigned head is `head`; `timestamp` is in POSIX seconds."""
    checkpoint = parse_checkpoint_text(request.note.text)
    try:
        open_checkpoint_note(request.note, checkpoint.origin, log_keys)
    except SignatureRejectedError as error:
        return WitnessAnswer(403, f"{error}\n")
    except NoteError as error:
        return WitnessAnswer(422, f"{error}\n")
    if request.old_size > checkpoint.size:
        return WitnessAnswer(400, "the old size exceeds the checkpoint's\n")
    if request.old_size != head.size:
        return WitnessAnswer(409, f"{head.size}\n", SIZE_CONTENT_TYPE)
    try:
        verify_consistency(head.size, head.root, checkpoint.size, checkpoint.root, request.proof)
    except ProofError as error:
        return WitnessAnswer(422, f"consistency proof: {error}\n")
    return _cosigned(checkpoint, request.note.text, cosigner, timestamp)


def _cosigned(checkpoint: Checkpoint, text: str, cosigner: Cosigner, timestamp: int) -> WitnessAnswer:
    line = cosigner.cosign(text, timestamp).line()
    return WitnessAnswer(200, line, TEXT_CONTENT_TYPE, WitnessedHead(checkpoint.size, checkpoint.root))
