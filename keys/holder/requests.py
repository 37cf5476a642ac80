"""What a key holder is asked: by whom, for what, and how it is refused."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import msgspec

from keys.oprf.group import ELEMENT_BYTES
from keys.signatures.messages import HeaderFields, VerifiedRequest
from keys.statements.envelopes import (
    ROOT,
    ROOT_SUBJECT,
    SUBJECT_FIELDS,
    StatementError,
)
from keys.statements.keyring import (
    MemberStatement,
    StatedRepresentative,
)
from schemas.values.canonical import canonical_json


class StoreTamperedError(Exception):
    """The store holds a statement that the registrars did not sign; nothing is answered from it."""


class RequestRefusedError(Exception):
    """A request is refused; `reason` is a slug and the message may be shown to the asker.

    One of: member-suspended, key-revoked, member-not-allowed, role-missing, replayed-request, unknown-epoch,
    epoch-not-served, wrong-quorum, bad-length, idempotency-key, idempotency-conflict, answered-before, unknown-batch.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


class InProgressError(Exception):
    """Not now: this very request is in progress, or too many of the member's are. The message may be shown."""


@dataclass(frozen=True, slots=True)
class MemberCaller:
    """Who a request is from: a member, through one of its representatives."""

    member_id: str
    key_id: str


@dataclass(frozen=True, slots=True)
class ReceivedRequest:
    """A request as it came: `target` is path and query, still encoded."""

    method: str
    target: str
    headers: HeaderFields
    body: bytes


@dataclass(frozen=True, slots=True)
class AuthenticatedRequest:
    """A request whose signature is right, and whose key it is by the statements of that moment."""

    request: VerifiedRequest
    member: MemberStatement
    person: StatedRepresentative


@dataclass(frozen=True, slots=True)
class EvaluationRequest:
    """What is to be evaluated: n * 32 bytes of elements, for a quorum of an epoch, with a proof or without."""

    epoch: int
    quorum: tuple[int, ...]
    proof: bool
    elements: bytes = field(repr=False)
    idempotency_key: str
    checked_batch: str | None = None
    """The idempotency key of the batch that this checks."""

    @property
    def count(self) -> int:
        """How many elements."""
        return len(self.elements) // ELEMENT_BYTES

    @property
    def quorum_text(self) -> str:
        """The quorum as in the request's target."""
        return ",".join(map(str, self.quorum))

    @property
    def digest(self) -> bytes:
        """SHA-256, 32 bytes, of all but the key. The elements are blinded, so it tells nothing of what they hide."""
        named = {"epoch": self.epoch, "quorum": list(self.quorum), "proof": self.proof, "batch": self.checked_batch}
        return hashlib.sha256(canonical_json(named) + self.elements).digest()


class UnverifiedHead(msgspec.Struct, frozen=True):
    """What a payload says about itself, before anything of it is verified."""

    type: str
    sequence: int
    member_id: str = ""
    group_id: str = ""
    epoch: int = 0
    exchange_id: str = ""


def unverified_head(payload: bytes) -> tuple[str, str, int]:
    """Type, subject and sequence that a statement's bytes name, whatever else is in them. Raises StatementError."""
    try:
        claim = msgspec.json.decode(payload, type=UnverifiedHead)
    except (msgspec.DecodeError, RecursionError):
        raise StatementError("malformed", "expected a statement with type, subject and sequence") from None
    if claim.type == ROOT:
        return ROOT, ROOT_SUBJECT, claim.sequence
    if claim.type not in SUBJECT_FIELDS:
        raise StatementError("malformed", "a statement of this type is not known")
    return claim.type, str(getattr(claim, SUBJECT_FIELDS[claim.type])), claim.sequence
