"""A new key for a representative, as its member asks for it in a file that the exchange's operator is given.

The new key signs, so that nobody can put forward a key that he does not hold, over the name and the key that it
replaces, so that the file serves one replacement and no other. It gives no authority: that takes the registrars'
quorum, who compare the new key with the member another way.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keys.signatures.ed25519 import SignatureError, SigningKey, verify_signature
from keys.signatures.strict import require_fields, require_public_key, require_text
from schemas.values.canonical import canonical_json
from schemas.values.encoding import from_base64, to_base64

_DOMAIN = b"exchange-replacement-v1\0"


class ReplacementError(ValueError):
    """A replacement is malformed, not proved, or not of the key that is stated."""


@dataclass(frozen=True, slots=True)
class Replacement:
    """A proved wish: `public_key` in place of `replaces`, each Ed25519 of 32 bytes."""

    representative_id: str
    replaces: bytes
    public_key: bytes


def sign_replacement(representative_id: str, replaces: bytes, key: SigningKey) -> dict[str, Any]:
    """The JSON object that asks for `key` in place of the public key `replaces`."""
    asked = _asked(representative_id, replaces, key.public_bytes)
    return {**asked, "proof": to_base64(key.sign(_DOMAIN + canonical_json(asked)))}


def verify_replacement(value: object) -> Replacement:
    """The replacement in a JSON object. Raises ReplacementError."""
    try:
        fields = require_fields(value, "representative_id", "replaces", "public_key", "proof")
        wanted = Replacement(
            require_text(fields["representative_id"], 129),
            require_public_key(fields["replaces"]),
            require_public_key(fields["public_key"]),
        )
        proof = from_base64(require_text(fields["proof"], 88), 64)
    except ValueError as error:
        raise ReplacementError(f"this asks for no new key: {error}") from None
    asked = _asked(wanted.representative_id, wanted.replaces, wanted.public_key)
    try:
        verify_signature(wanted.public_key, _DOMAIN + canonical_json(asked), proof)
    except SignatureError:
        raise ReplacementError("whoever asks for this new key did not prove to hold it") from None
    return wanted


def _asked(representative_id: str, replaces: bytes, public_key: bytes) -> dict[str, Any]:
    return {
        "representative_id": representative_id,
        "replaces": to_base64(replaces),
        "public_key": to_base64(public_key),
    }
