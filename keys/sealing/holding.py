"""Proof that whoever asks about a token holds the identifier behind it: HMAC-SHA256 under a key that only those can
derive who computed the token themselves.

It covers the request's id, the requester, the key that answers are sealed to, and all terms. A proof that was seen
elsewhere is therefore worth nothing to another member, under another key, for another request or other terms; and a
token taken from a database comes without the detail key.
"""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keys.oprf.tokens import DETAIL_KEY_BYTES
from schemas.values.canonical import canonical_json, digest
from schemas.values.encoding import to_base64

PROOF_BYTES = 32
_INFO = b"request"


class HoldingError(ValueError):
    """The proof of holding is wrong."""


@dataclass(frozen=True, slots=True)
class HoldingClaim:
    """What is proved: that `requester`, to whose `encryption_key` answers are sealed, asks under these `terms` (the
    request's JSON object without its proof).
    """

    request_id: str
    requester: str
    encryption_key: bytes
    terms: Mapping[str, Any]

    def to_bytes(self) -> bytes:
        """Canonical JSON of all four; the key in base64."""
        return canonical_json(
            {
                "request_id": self.request_id,
                "requester": self.requester,
                "encryption_key": to_base64(self.encryption_key),
                "terms": dict(self.terms),
            }
        )

    @property
    def terms_sha256(self) -> bytes:
        """The digest of the terms, 32 bytes."""
        return digest(dict(self.terms))


def prove_holding(detail_key: bytes, claim: HoldingClaim) -> bytes:
    """The proof, 32 bytes, under an identifier's detail key (32 bytes)."""
    if len(detail_key) != DETAIL_KEY_BYTES:
        raise ValueError(f"a detail key has {DETAIL_KEY_BYTES} bytes")
    key = HKDF(SHA256(), 32, None, _INFO).derive(detail_key)
    return hmac.digest(key, claim.to_bytes(), hashlib.sha256)


def verify_holding(detail_key: bytes, claim: HoldingClaim, proof: bytes) -> None:
    """Raise HoldingError unless the proof was made with this detail key for this very claim."""
    if not hmac.compare_digest(prove_holding(detail_key, claim), proof):
        raise HoldingError("whoever asks has not shown that it holds the identifier itself")
