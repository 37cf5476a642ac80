"""Signed notes: C2SP signed-note, with Ed25519 signatures (0x01) and timestamped cosignatures (0x04,
tlog-cosignature).

Rules of the reader, in order:
1. at most 256 KiB and 100 signatures, valid UTF-8, no control character but newline;
2. text ends in a newline, then one empty line, then one or more signature lines and nothing else; the last empty
   line divides;
3. a signature line is `— name base64`, the base64 canonical, at least a 4-byte key id and one byte more;
4. signatures by unknown keys are ignored; one that names a known key and fails rejects the whole note;
5. a note without one good signature by a known key is rejected.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable
from dataclasses import dataclass

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from schemas.values.encoding import from_base64, to_base64

ED25519 = 0x01
COSIGNATURE_V1 = 0x04

MAXIMUM_NOTE_BYTES = 256 * 1024
MAXIMUM_SIGNATURES = 100
_SIGNATURE_MARK = "\N{EM DASH} "
_KEY_ID = re.compile(r"[0-9a-f]{8}", re.ASCII)
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


class NoteError(ValueError):
    """The note or key is malformed, or the note carries no acceptable signature."""


class SignatureRejectedError(NoteError):
    """A signature that names a known key does not verify, or no known key signed."""


@dataclass(frozen=True)
class Signature:
    """One signature line: key name, 4-byte key id, and the bytes that the key's algorithm defines."""

    name: str
    key_id: bytes
    value: bytes

    def line(self) -> str:
        """`— name base64(key id || signature)` with its newline."""
        return f"{_SIGNATURE_MARK}{self.name} {to_base64(self.key_id + self.value)}\n"


@dataclass(frozen=True)
class Note:
    """A text, ending in a newline, and its signatures. Nothing in it is trusted until verify_note has passed."""

    text: str
    signatures: tuple[Signature, ...]

    def __str__(self) -> str:
        return f"{self.text}\n" + "".join(signature.line() for signature in self.signatures)


@dataclass(frozen=True)
class VerifierKey:
    """A public key with its name and algorithm (0x01 or 0x04); `public_key` is the 32-byte Ed25519 encoding."""

    name: str
    algorithm: int
    public_key: bytes

    def __post_init__(self) -> None:
        _check_name(self.name)
        if self.algorithm not in (ED25519, COSIGNATURE_V1):
            raise NoteError(f"keys of type {self.algorithm:#04x} are not known here")
        if len(self.public_key) != 32:
            raise NoteError("an Ed25519 public key is 32 bytes")

    @property
    def key_id(self) -> bytes:
        """SHA-256(name || newline || algorithm || public key), its first 4 bytes."""
        return hashlib.sha256(self.name.encode() + b"\n" + bytes([self.algorithm]) + self.public_key).digest()[:4]

    def __str__(self) -> str:
        return f"{self.name}+{self.key_id.hex()}+{to_base64(bytes([self.algorithm]) + self.public_key)}"

    def verify(self, text: str, signature: Signature) -> None:
        """Raise SignatureRejectedError unless the signature is this key's over the note text."""
        value, message = signature.value, text.encode()
        if self.algorithm == COSIGNATURE_V1:
            if len(value) != 72:
                raise SignatureRejectedError(f"the cosignature of {self.name} is not 72 bytes")
            message, value = cosigned_message(text, int.from_bytes(value[:8])), value[8:]
        try:
            Ed25519PublicKey.from_public_bytes(self.public_key).verify(value, message)
        except (InvalidSignature, ValueError) as error:
            raise SignatureRejectedError(f"invalid signature for key {self.name}+{self.key_id.hex()}") from error


class NoteSigner:
    """Signs notes with an Ed25519 key under a name. `seed` is the 32-byte private key of RFC 8032."""

    algorithm = ED25519

    def __init__(self, name: str, seed: bytes) -> None:
        _check_name(name)
        if len(seed) != 32:
            raise NoteError("an Ed25519 seed is 32 bytes")
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.verifier_key = VerifierKey(name, self.algorithm, self._key.public_key().public_bytes_raw())

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.verifier_key.name!r})"

    @property
    def name(self) -> str:
        """The key's name."""
        return self.verifier_key.name

    def sign(self, text: str) -> Signature:
        """A signature over the note text."""
        return self._signature(self._key.sign(text.encode()))

    def _signature(self, value: bytes) -> Signature:
        return Signature(self.name, self.verifier_key.key_id, value)


class Cosigner(NoteSigner):
    """A witness's key: its signature states that a checkpoint is the newest and consistent one it saw
    (cosignature/v1).
    """

    algorithm = COSIGNATURE_V1

    def cosign(self, checkpoint_text: str, timestamp: int) -> Signature:
        """A cosignature over the checkpoint's text at `timestamp`, POSIX seconds from 1 to 2^63 - 1."""
        if not 0 < timestamp < 2**63:
            raise NoteError("a cosignature's time lies between 1 and 2^63 - 1")
        value = self._key.sign(cosigned_message(checkpoint_text, timestamp))
        return self._signature(timestamp.to_bytes(8) + value)

    def sign(self, text: str) -> Signature:
        """Refused: a cosigner's key signs nothing but timed cosignatures."""
        raise NoteError("a cosigner's key makes cosignatures only")


def cosigned_message(checkpoint_text: str, timestamp: int) -> bytes:
    """What a cosignature/v1 signs. NoteError when the time exceeds 2^63 - 1."""
    if timestamp >= 2**63:
        raise SignatureRejectedError("the time of a cosignature exceeds 2^63 - 1")
    return f"cosignature/v1\ntime {timestamp}\n{checkpoint_text}".encode()


def parse_verifier_key(text: str) -> VerifierKey:
    """The key of a vkey `name+hex key id+base64(type || public key)`. NoteError when malformed or when the id is
    not the key's.
    """
    name, _, rest = text.partition("+")
    key_id, _, encoded = rest.partition("+")  # base64 may hold a plus itself
    if not _KEY_ID.fullmatch(key_id):
        raise NoteError("a verifier key is name+key id+key, the id 8 lower-case hexadecimal digits")
    try:
        material = from_base64(encoded, 33)
    except ValueError as error:
        raise NoteError("the key of a verifier key is the base64 of 33 bytes") from error
    key = VerifierKey(name, material[0], material[1:])
    if key.key_id.hex() != key_id:
        raise NoteError("the key id does not belong to this name and key")
    return key


def parse_note(data: bytes | str) -> Note:
    """The note in these bytes, unverified. NoteError unless it has exactly the form that signed-note gives."""
    text = _decode(data)
    body, divider, tail = text.rpartition("\n\n")
    if not divider or not tail.endswith("\n"):
        raise NoteError("a note is a text, an empty line, and signature lines, each ended by a newline")
    lines = tail[:-1].split("\n")
    if len(lines) > MAXIMUM_SIGNATURES:
        raise NoteError(f"a note carries at most {MAXIMUM_SIGNATURES} signatures")
    return Note(body + "\n", tuple(parse_signature_line(line) for line in lines))


def parse_signature_line(line: str) -> Signature:
    """The signature in one line without its newline."""
    if not line.startswith(_SIGNATURE_MARK):
        raise NoteError("a signature line starts with an em dash and a space")
    name, _, encoded = line.removeprefix(_SIGNATURE_MARK).partition(" ")
    _check_name(name)
    try:
        value = from_base64(encoded)
    except ValueError as error:
        raise SignatureRejectedError(f"invalid signature: not canonical base64 beside {name}") from error
    if len(value) < 5:
        raise NoteError("a signature is a 4-byte key id and at least one byte")
    return Signature(name, value[:4], value[4:])


def verify_note(note: Note, keys: Iterable[VerifierKey]) -> list[Signature]:
    """The signatures by known keys, all verified; SignatureRejectedError if one fails or there is none (rules 4
    and 5).
    """
    known = {(key.name, key.key_id): key for key in keys}
    verified = []
    for signature in dict.fromkeys(note.signatures):
        key = known.get((signature.name, signature.key_id))
        if key is not None:
            key.verify(note.text, signature)
            verified.append(signature)
    if not verified:
        raise SignatureRejectedError("no known key signed the note")
    return verified


def _decode(data: bytes | str) -> str:
    try:
        raw = data.encode() if isinstance(data, str) else data
        text = raw.decode()
    except UnicodeError as error:
        raise NoteError("a note is UTF-8") from error
    if len(raw) > MAXIMUM_NOTE_BYTES:
        raise NoteError(f"a note is at most {MAXIMUM_NOTE_BYTES} bytes")
    if _CONTROL.search(text):
        raise NoteError("a note holds no control character but newline")
    return text


def _check_name(name: str) -> None:
    if not name or "+" in name or any(character.isspace() for character in name) or _CONTROL.search(name):
        raise NoteError("a key name is not empty and has neither spaces nor a plus")
    if _SURROGATE.search(name):
        raise NoteError("a key name is text that UTF-8 can write")
