"""Statements of the registrars: who is a member, with which keys, in which group, under which epoch.

A statement is canonical JSON in a DSSE envelope (Dead Simple Signing Envelope, protocol version 1). It is believed by
these rules, in order:
1. The envelope has exactly its three fields, the payload type of statements, bounded sizes, strict base64, and at most
   two signatures in one key's name.
2. The signed bytes are those received: nothing is decoded and written anew before the signatures are checked.
3. A signature counts if its keyid names a registrar of the root and it is right under that registrar's key. Each
   registrar counts once; other signatures count for nothing.
4. At least the root's quorum of registrars have signed.
5. Only then is the payload read: canonical JSON with type, sequence (1 to 2^31 - 1) and issued_at.
What a newer statement may change is the keyring's business (keys/statements/keyring.py).
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from keys.signatures.ed25519 import SignatureError, SigningKey, verify_signature
from keys.signatures.strict import (
    require_digest,
    require_fields,
    require_identifier,
    require_integer,
    require_list,
    require_literal,
    require_object,
    require_public_key,
    require_text,
    require_time,
)
from schemas.statements import EnvelopeSignature, StatementEnvelope
from schemas.values.canonical import canonical_json, parse_canonical_json, parse_unambiguous_json
from schemas.values.encoding import from_base64, to_base64

PAYLOAD_TYPE = "application/vnd.exchange.statement+json"
MAX_PAYLOAD_BYTES = 262_144
MAX_SIGNATURES = 64
MAX_OF_A_KEY = 2
"""Signatures in one key's name: a wrong one may stand beside the right one, but nobody is made to verify dozens."""
MAX_SEQUENCE = 2**31 - 1
"""Small beside 2^53 - 1, the largest number of a snapshot, which is a sum of sequences."""
SUBJECT_FIELDS = {"member": "member_id", "group": "group_id", "epoch": "epoch", "exchange": "exchange_id"}
ROOT = "root"
ROOT_SUBJECT = "registrars"
"""What a statement of the type `root` is about: there is one chain of roots, and the sequence is the version."""
MAX_ROOTS = 256
"""The length of a chain of roots: nobody is made to walk without end."""


class StatementError(ValueError):
    """A statement, an envelope or a root is refused; `reason` is a slug.

    One of: malformed, quorum, stale, conflict, inconsistent, gap (a root between is missing); of a draft at the
    exchange also waiting, discarded, suspended.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(detail)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Registrar:
    """One of those who sign: `registrar_id` and an Ed25519 public key of 32 bytes."""

    registrar_id: str
    public_key: bytes

    def to_wire(self) -> dict[str, str]:
        """The JSON object."""
        return {"registrar_id": self.registrar_id, "public_key": to_base64(self.public_key)}


def parse_registrars(value: object) -> tuple[Registrar, ...]:
    """The registrars of a JSON list, ids and keys distinct. Raises ValueError."""
    entries = [require_fields(entry, "registrar_id", "public_key") for entry in require_list(value, MAX_SIGNATURES)]
    found = tuple(
        Registrar(require_identifier(entry["registrar_id"]), require_public_key(entry["public_key"]))
        for entry in entries
    )
    for name in ("registrar_id", "public_key"):
        if len({getattr(registrar, name) for registrar in found}) != len(found):
            raise ValueError(f"the same {name} twice")
    return found


@dataclass(frozen=True, slots=True)
class Anchor:
    """How far a chain of roots was known when it was pinned: the newest root's version and fingerprint."""

    version: int
    fingerprint: str

    @classmethod
    def parse(cls, value: object) -> Anchor:
        """The anchor of a JSON object {version, fingerprint}. Raises ValueError."""
        fields = require_fields(value, "version", "fingerprint")
        return cls(require_integer(fields["version"], 2, MAX_ROOTS), require_digest(fields["fingerprint"]))


@dataclass(frozen=True, slots=True)
class Root:
    """The registrars and how many of them (`quorum`) must sign. The first root is pinned; each later one is stated by
    its predecessor (keys/statements/roots.py). With an `anchor` nothing counts before the chain has reached that later
    root.
    """

    quorum: int
    registrars: tuple[Registrar, ...]
    anchor: Anchor | None = None

    @classmethod
    def parse(cls, value: object) -> Root:
        """The root of a JSON object {quorum, registrars:[{registrar_id, public_key}]}, and after a change of registrars
        newest:{version, fingerprint}. Raises StatementError.
        """
        try:
            given = dict(require_object(value))
            anchor = Anchor.parse(given.pop("newest")) if "newest" in given else None
            root = require_fields(given, "quorum", "registrars")
            registrars = parse_registrars(root["registrars"])
            quorum = require_integer(root["quorum"], 1, len(registrars))
        except ValueError as error:
            raise StatementError("malformed", f"registrars: {error}") from None
        return cls(quorum, registrars, anchor)

    @classmethod
    def load(cls, path: Path) -> Root:
        """The root in a JSON file. Raises StatementError, also if the file cannot be read."""
        try:
            data = path.read_bytes()
        except OSError as error:
            raise StatementError("malformed", f"{path} cannot be read: {error.strerror}") from None
        try:
            return cls.parse(parse_unambiguous_json(data))
        except StatementError:
            raise
        except (ValueError, RecursionError):
            raise StatementError("malformed", f"{path} is not JSON, or has a field twice") from None

    def to_wire(self) -> dict[str, Any]:
        """The JSON object."""
        first = {"quorum": self.quorum, "registrars": [registrar.to_wire() for registrar in self.registrars]}
        if self.anchor is None:
            return first
        return {**first, "newest": {"version": self.anchor.version, "fingerprint": self.anchor.fingerprint}}

    @property
    def fingerprint(self) -> str:
        """What a new member compares by telephone, 64 hexadecimal digits: SHA-256 of the canonical JSON, or the
        anchor's, which stands for the whole chain.
        """
        return (
            hashlib.sha256(canonical_json(self.to_wire())).hexdigest()
            if self.anchor is None
            else self.anchor.fingerprint
        )

    @property
    def ids(self) -> frozenset[str]:
        """The registrars' ids."""
        return frozenset(registrar.registrar_id for registrar in self.registrars)

    def public_key(self, key_id: str) -> bytes | None:
        """The key behind the keyid `registrar/<id>`, or None."""
        keys = {f"registrar/{registrar.registrar_id}": registrar.public_key for registrar in self.registrars}
        return keys.get(key_id)


@dataclass(frozen=True, slots=True)
class Statement:
    """A payload whose head has been read. `signers` are the registrars who signed it, without duplicates."""

    payload: bytes
    type: str
    subject: str
    sequence: int
    issued_at: datetime
    body: Mapping[str, Any]
    signers: frozenset[str]

    @property
    def digest(self) -> str:
        """SHA-256 of the payload, 64 hexadecimal digits: what a registrar is shown and approves."""
        return payload_digest(self.payload)


def payload_digest(payload: bytes) -> str:
    """SHA-256 of a statement's bytes, 64 hexadecimal digits."""
    return hashlib.sha256(payload).hexdigest()


@dataclass(frozen=True, slots=True)
class Envelope:
    """A decoded DSSE envelope: the payload as received and (keyid, 64-byte signature) pairs, nothing verified yet."""

    payload: bytes
    signatures: tuple[tuple[str, bytes], ...]

    @classmethod
    def parse(cls, value: object) -> Envelope:
        """The envelope of a message or of a decoded JSON object; StatementError unless it is exactly one."""
        received = msgspec.to_builtins(value) if isinstance(value, StatementEnvelope) else value
        try:
            envelope = require_fields(received, "payloadType", "payload", "signatures")
            require_literal(envelope["payloadType"], PAYLOAD_TYPE)
            payload = from_base64(require_text(envelope["payload"], 4 * MAX_PAYLOAD_BYTES // 3 + 4))
            signatures = _read_signatures(envelope["signatures"])
        except ValueError as error:
            raise StatementError("malformed", f"envelope: {error}") from None
        return cls(payload, signatures)

    def to_wire(self) -> StatementEnvelope:
        """As it is passed on."""
        return StatementEnvelope(
            payloadType=PAYLOAD_TYPE,
            payload=to_base64(self.payload),
            signatures=[EnvelopeSignature(keyid=key_id, sig=to_base64(sig)) for key_id, sig in self.signatures],
        )


def _read_signatures(value: object) -> tuple[tuple[str, bytes], ...]:
    entries = [require_fields(entry, "keyid", "sig") for entry in require_list(value, MAX_SIGNATURES)]
    found = tuple(
        (require_text(entry["keyid"], 128), from_base64(require_text(entry["sig"], 88), 64)) for entry in entries
    )
    if any(times > MAX_OF_A_KEY for times in Counter(key_id for key_id, _ in found).values()):
        raise ValueError(f"more than {MAX_OF_A_KEY} signatures of one key")
    return found


def pre_authentication_encoding(payload: bytes) -> bytes:
    """What is signed (DSSE protocol, "PAE"): `DSSEv1 <length> <payload type> <length> <payload>`."""
    kind = PAYLOAD_TYPE.encode("ascii")
    return b"DSSEv1 %d %s %d %s" % (len(kind), kind, len(payload), payload)


def sign_statement(payload: bytes, registrar_id: str, key: SigningKey) -> StatementEnvelope:
    """An envelope with one registrar's signature of `payload`.

    Raises StatementError if the payload is no statement: nobody signs what nobody could read.
    """
    read_payload(payload)
    signature = key.sign(pre_authentication_encoding(payload))
    return Envelope(payload, ((f"registrar/{registrar_id}", signature),)).to_wire()


def merge(first: object, second: object) -> StatementEnvelope:
    """One envelope with the signatures of both, duplicates dropped.

    Raises StatementError if the payloads differ.
    """
    left, right = Envelope.parse(first), Envelope.parse(second)
    if left.payload != right.payload:
        raise StatementError("conflict", "these signatures are of different statements")
    signatures = tuple(dict.fromkeys(left.signatures + right.signatures))
    if len(signatures) > MAX_SIGNATURES:
        raise StatementError("malformed", f"more than {MAX_SIGNATURES} signatures")
    return Envelope(left.payload, signatures).to_wire()


def valid_signers(envelope: object, root: Root) -> frozenset[str]:
    """The ids of the root's registrars whose signature in `envelope` is right. Raises StatementError."""
    return frozenset(valid_signatures(envelope, root))


def valid_signatures(envelope: object, root: Root) -> dict[str, bytes]:
    """The right signature of each of the root's registrars in `envelope`, by the registrar's id: what else is there in
    a registrar's name is left out. Raises StatementError.
    """
    parsed = Envelope.parse(envelope)
    message = pre_authentication_encoding(parsed.payload)
    found: dict[str, bytes] = {}
    for key_id, signature in parsed.signatures:
        public_key = root.public_key(key_id)
        if public_key is None:
            continue
        try:
            verify_signature(public_key, message, signature)
        except SignatureError:
            continue
        found.setdefault(key_id.removeprefix("registrar/"), signature)
    return found


def read_payload(payload: bytes, signers: frozenset[str] = frozenset()) -> Statement:
    """The head of a statement's canonical JSON bytes, whoever signed them. Raises StatementError."""
    if len(payload) > MAX_PAYLOAD_BYTES:
        raise StatementError("malformed", f"a statement has at most {MAX_PAYLOAD_BYTES} bytes")
    try:
        body = require_object(parse_canonical_json(payload))
        kind = require_literal(body.get("type"), *SUBJECT_FIELDS, ROOT)
        sequence = require_integer(body.get("sequence"), 1, MAX_SEQUENCE)
        issued_at = require_time(body.get("issued_at"))
        subject = _subject(kind, body)
    except ValueError as error:
        raise StatementError("malformed", f"statement: {error}") from None
    return Statement(payload, kind, subject, sequence, issued_at, body, signers)


def _subject(kind: str, body: Mapping[str, Any]) -> str:
    if kind == ROOT:
        return ROOT_SUBJECT
    named = body.get(SUBJECT_FIELDS[kind])
    return str(require_integer(named, 1, 65_535)) if kind == "epoch" else require_identifier(named)
