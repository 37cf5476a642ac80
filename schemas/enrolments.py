"""Enrolment on the wire: the answer to a one-time code."""

from __future__ import annotations

from typing import Annotated

import msgspec

from schemas.terms import Role
from schemas.values.canonical import canonical_json
from schemas.values.message import Count, Digest, Form, Identifier, Message, RepresentativeId, one_of


class EnrolmentCode(Message, frozen=True, forbid_unknown_fields=True):
    """What a one-time code says, given out of band as base64url of its canonical JSON: the registrars' root too, so
    that the member can pin it (keys.statements.envelopes reads that).
    """

    exchange_url: str
    member_id: str
    secret: str
    registrars: dict[str, object]

    def __repr__(self) -> str:
        return f"EnrolmentCode(exchange_url={self.exchange_url!r}, member_id={self.member_id!r})"


class ProvedEnrolment(Message, frozen=True):
    """What a representative signs to prove, for this code, this member and these roles, that it holds its key;
    `code_sha256` has 64 hexadecimal digits.
    """

    member_id: str
    code_sha256: str
    encryption_key: bytes
    public_key: bytes
    roles: list[str]

    @property
    def signed(self) -> bytes:
        """The bytes that are signed."""
        return b"exchange-enrolment-v1\0" + canonical_json(msgspec.to_builtins(self))


class ClaimedRepresentative(Message, frozen=True):
    """A representative, its Ed25519 key, its roles as sent (they are part of what is proved), and the proof that it
    holds the key.
    """

    representative_id: RepresentativeId
    public_key: Digest
    roles: Annotated[list[Annotated[str, one_of(Role)]], Count(1, len(Role))]
    proof: Annotated[bytes, Form("Base64", 64)]


class NewEnrolment(Message, frozen=True):
    """The claim of a new member. `encryption_key` is ML-KEM-768's and X25519's (1,216 bytes), or X25519's alone."""

    code: Annotated[str, Form("matching", r"[A-Za-z0-9_-]{32,65536}\Z")]
    member_id: Identifier
    encryption_key: Annotated[bytes, Form("Base64", 32, 1216)]
    representatives: Annotated[list[ClaimedRepresentative], Count(1, 64)]

    def __repr__(self) -> str:
        return f"NewEnrolment(member_id={self.member_id!r})"


class EnrolmentAnswer(Message, frozen=True):
    """Where the enrolment stands."""

    state: Annotated[str, Form("choice", "awaiting_registrars")]


class KeyReplacement(Message, frozen=True):
    """A wish for the Ed25519 key `public_key` of a representative in place of `replaces`."""

    representative_id: RepresentativeId
    replaces: Digest
    public_key: Digest


class SignedReplacement(KeyReplacement, frozen=True):
    """The same with the new key's signature, in a file (keys/statements/replacement.py)."""

    proof: Annotated[bytes, Form("Base64", 64)]
