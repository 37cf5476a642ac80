"""A new key for a representative, as its member asks for it in a file that the exchange's operator is given.

The new key signs, so that nobody can put forward a key that he does not hold, over the name and the key that it
replaces, so that the file serves one replacement and no other. It gives no authority: that takes the registrars'
quorum, who compare the new key with the member another way.
"""

from __future__ import annotations

import msgspec

from keys.signatures.ed25519 import SignatureError, SigningKey, verify_signature
from keys.signatures.strict import require_fields, require_public_key, require_text
from schemas.enrolments import KeyReplacement, SignedReplacement
from schemas.values.canonical import canonical_json
from schemas.values.encoding import from_base64

_DOMAIN = b"exchange-replacement-v1\0"


class ReplacementError(ValueError):
    """A replacement is malformed, not proved, or not of the key that is stated."""


def sign_replacement(representative_id: str, replaces: bytes, key: SigningKey) -> SignedReplacement:
    """What asks for `key` in place of the public key `replaces`."""
    replacement = KeyReplacement(representative_id=representative_id, replaces=replaces, public_key=key.public_bytes)
    return SignedReplacement(**msgspec.structs.asdict(replacement), proof=key.sign(_signed(replacement)))


def verify_replacement(value: object) -> KeyReplacement:
    """The replacement in a JSON object. Raises ReplacementError."""
    try:
        fields = require_fields(value, *SignedReplacement.__struct_fields__)
        replacement = KeyReplacement(
            representative_id=require_text(fields["representative_id"], 129),
            replaces=require_public_key(fields["replaces"]),
            public_key=require_public_key(fields["public_key"]),
        )
        proof = from_base64(require_text(fields["proof"], 88), 64)
    except ValueError as error:
        raise ReplacementError(f"this asks for no new key: {error}") from None
    try:
        verify_signature(replacement.public_key, _signed(replacement), proof)
    except SignatureError:
        raise ReplacementError("whoever asks for this new key did not prove to hold it") from None
    return replacement


def _signed(replacement: KeyReplacement) -> bytes:
    return _DOMAIN + canonical_json(msgspec.to_builtins(replacement))
