"""Ed25519 keys (RFC 8032): signing, and strict verification.

1. A public key has 32 bytes and is no point of small order.
2. A signature has 64 bytes; the library refuses an S that is not reduced.
"""

from __future__ import annotations

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

PUBLIC_KEY_BYTES = 32
SEED_BYTES = 32
SIGNATURE_BYTES = 64

# y coordinates of the curve's points of small order, sign bit aside (0, 1, -1, two of order 8, and 0 and 1 unreduced):
# under such a "key" anyone can make a signature of any message.
_P = 2**255 - 19
_ORDER_8_Y = 0x7A03AC9277FDC74EC6CC392CFA53202A0F67100D760B3CBA4FD84D3D706A17C7
_SMALL_ORDER_Y = frozenset({0, 1, _P - 1, _P, _P + 1, _ORDER_8_Y, _P - _ORDER_8_Y})


class SignatureError(ValueError):
    """A signature, or the key it is checked with, is not right."""


class SigningKey:
    """An Ed25519 private key (RFC 8032). Does not show itself."""

    __slots__ = ("private_key", "public_bytes")

    def __init__(self, key: Ed25519PrivateKey) -> None:
        self.private_key = key
        self.public_bytes: bytes = key.public_key().public_bytes_raw()

    @classmethod
    def generate(cls) -> SigningKey:
        """A new random key."""
        return cls(Ed25519PrivateKey.generate())

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """The key of a 32-byte seed. Raises ValueError for another length."""
        if len(seed) != SEED_BYTES:
            raise ValueError(f"a seed has {SEED_BYTES} bytes")
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def to_seed(self) -> bytes:
        """The 32-byte seed, for custody and nothing else."""
        return self.private_key.private_bytes_raw()

    def sign(self, message: bytes) -> bytes:
        """The signature, 64 bytes."""
        return self.private_key.sign(message)

    def __repr__(self) -> str:
        return "SigningKey(…)"


def check_public_key(public: bytes) -> None:
    """Raise SignatureError unless these are 32 bytes that can be somebody's Ed25519 key, no point of small order."""
    if len(public) != PUBLIC_KEY_BYTES:
        raise SignatureError(f"a public key has {PUBLIC_KEY_BYTES} bytes")
    if int.from_bytes(public, "little") & ((1 << 255) - 1) in _SMALL_ORDER_Y:
        raise SignatureError("the public key is a point of small order")


def verify_signature(public: bytes, message: bytes, signature: bytes) -> None:
    """Raise SignatureError unless `signature` (64 bytes) is that of `message` under `public` (32 bytes)."""
    check_public_key(public)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(signature, message)
    except (InvalidSignature, ValueError):
        raise SignatureError("the signature is wrong") from None
