"""Details sealed by the one who holds them to the one who asked, twice: for who holds the identifier, and for whom the
registrars named.

1. Details are padded so that the sealed bytes have one of three sizes, whatever the key they are sealed to; what fits
   none is refused.
2. Inner seal: ChaCha20-Poly1305 (RFC 8439) under HKDF-SHA256(detail key, salt = request id, info =
   `exchange-response-v1`) and a random nonce. Only who computed the identifier's token itself has the detail key.
3. Outer seal: HPKE base mode (RFC 9180) to the requester's enrolled key, HKDF-SHA256 and ChaCha20-Poly1305. Its KEM is
   the hybrid of ML-KEM-768 and X25519 for a key of 1,216 bytes (draft-ietf-hpke-pq), DHKEM(X25519) for one of 32.
4. Both seals authenticate request, holder, requester and the digest of the terms: an answer opens as the answer to this
   request, from this holder, under these terms, and as nothing else.
5. What does not open says nothing of why.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TypeAlias

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hpke
from cryptography.hazmat.primitives.asymmetric.mlkem import MLKEM768PrivateKey, MLKEM768PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from keys.oprf.tokens import DETAIL_KEY_BYTES
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_base64

SIZE_CLASSES = (4096, 16_384, 65_536)
"""How many bytes a sealed answer may have."""
X25519_BYTES = 32
HYBRID_BYTES = 1216
"""ML-KEM-768's encapsulation key (1,184 bytes), then X25519's public key."""
PUBLIC_KEY_SIZES = (X25519_BYTES, HYBRID_BYTES)
_DOMAIN = b"exchange-response-v1"
_SEED_BYTES = 64  # of ML-KEM (FIPS 203: d, z)
_LENGTH_BYTES, _NONCE_BYTES, _TAG_BYTES = 4, 12, 16
_HYBRID = hpke.Suite(hpke.KEM.MLKEM768_X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
_CLASSICAL = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)
_PublicKey: TypeAlias = "hpke.MLKEM768X25519PublicKey | X25519PublicKey"
_PrivateKey: TypeAlias = "hpke.MLKEM768X25519PrivateKey | X25519PrivateKey"


class SealingError(ValueError):
    """Details cannot be sealed or do not open; the message says nothing of what is in them."""


@dataclass(frozen=True, slots=True)
class Binding:
    """What a sealed answer belongs to. `terms_sha256` is the digest of the request's terms
    (schemas.values.canonical).
    """

    request_id: str
    holder: str
    requester: str
    terms_sha256: bytes

    def to_bytes(self) -> bytes:
        """What both seals authenticate."""
        bound = {
            "request_id": self.request_id,
            "holder": self.holder,
            "requester": self.requester,
            "terms_sha256": to_base64(self.terms_sha256),
        }
        return _DOMAIN + b"\0" + canonical_json(bound)


class EncryptionKey:
    """A member's private encryption key. Does not show itself."""

    __slots__ = ("_private_key", "_secret", "public_bytes")

    def __init__(self, secret: bytes) -> None:
        """The key of 32 bytes (X25519), or of 96: ML-KEM-768's seed, then X25519. ValueError for another length."""
        if len(secret) not in (X25519_BYTES, _SEED_BYTES + X25519_BYTES):
            raise ValueError(f"a private encryption key has {X25519_BYTES} or {_SEED_BYTES + X25519_BYTES} bytes")
        classical = X25519PrivateKey.from_private_bytes(secret[-X25519_BYTES:])
        public = classical.public_key().public_bytes_raw()
        self._secret = secret
        self._private_key: _PrivateKey = classical
        if len(secret) > X25519_BYTES:
            post_quantum = MLKEM768PrivateKey.from_seed_bytes(secret[:_SEED_BYTES])
            public = post_quantum.public_key().public_bytes_raw() + public
            self._private_key = hpke.MLKEM768X25519PrivateKey(post_quantum, classical)
        self.public_bytes = public

    @classmethod
    def generate(cls) -> EncryptionKey:
        """A new random hybrid key."""
        return cls(MLKEM768PrivateKey.generate().private_bytes_raw() + X25519PrivateKey.generate().private_bytes_raw())

    def to_bytes(self) -> bytes:
        """The secret, for the vault and nothing else."""
        return self._secret

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """What HPKE sealed to this key under `info`. Raises SealingError."""
        try:
            return _suite_of(self.public_bytes).decrypt(sealed, self._private_key, info)
        except (InvalidTag, ValueError):
            raise SealingError("it does not open with our encryption key") from None

    def __repr__(self) -> str:
        return "EncryptionKey(…)"


def check_encryption_key(public: bytes) -> None:
    """Raise SealingError unless something can be sealed to this public key (no point of small order, FIPS 203's check
    of the modulus).
    """
    seal_to(public, b"", b"")


def seal_details(details: bytes, detail_key: bytes, public_key: bytes, binding: Binding) -> bytes:
    """Details sealed under the identifier's detail key (32 bytes), then to the requester's key (32 or 1,216 bytes).

    The answer has one of SIZE_CLASSES. Raises SealingError for details that fit none, and for a key that is none.
    """
    padded = pad(details, _NONCE_BYTES + _TAG_BYTES + overhead(public_key))
    nonce, bound = secrets.token_bytes(_NONCE_BYTES), binding.to_bytes()
    inner = nonce + _inner_cipher(detail_key, binding).encrypt(nonce, padded, bound)
    return seal_to(public_key, inner, bound)


def open_details(sealed: bytes, detail_key: bytes, key: EncryptionKey, binding: Binding) -> bytes:
    """The details in a sealed answer. Raises SealingError unless it was sealed so, for this key and this binding."""
    if len(sealed) not in SIZE_CLASSES:
        raise SealingError("a sealed answer has another size")
    bound = binding.to_bytes()
    inner = key.open(sealed, bound)
    try:
        padded = _inner_cipher(detail_key, binding).decrypt(inner[:_NONCE_BYTES], inner[_NONCE_BYTES:], bound)
    except (InvalidTag, ValueError):
        raise SealingError("it was not sealed by someone who holds the identifier") from None
    return unpad(padded)


def pad(content: bytes, room: int) -> bytes:
    """Content with its length before and zeros behind, so that with `room` bytes of seals it has one of SIZE_CLASSES.
    Raises SealingError for what fits none.
    """
    length = _LENGTH_BYTES + len(content)
    size = next((size for size in SIZE_CLASSES if length + room <= size), None)
    if size is None:
        most = SIZE_CLASSES[-1] - room - _LENGTH_BYTES
        raise SealingError(f"the details are too long: {len(content):,} bytes, at most {most:,}")
    return len(content).to_bytes(_LENGTH_BYTES, "big") + content + bytes(size - room - length)


def unpad(padded: bytes) -> bytes:
    """The content. Raises SealingError for other padding than pad's."""
    end = _LENGTH_BYTES + int.from_bytes(padded[:_LENGTH_BYTES], "big")
    if end > len(padded) or any(padded[end:]):
        raise SealingError("its padding is wrong")
    return padded[_LENGTH_BYTES:end]


def _inner_cipher(detail_key: bytes, binding: Binding) -> ChaCha20Poly1305:
    if len(detail_key) != DETAIL_KEY_BYTES:
        raise SealingError(f"a detail key has {DETAIL_KEY_BYTES} bytes")
    return ChaCha20Poly1305(HKDF(SHA256(), 32, binding.request_id.encode(), _DOMAIN).derive(detail_key))


def seal_to(public: bytes, plain: bytes, info: bytes) -> bytes:
    """What only the key behind `public` (32 or 1,216 bytes) opens, under the same `info` (HPKE, RFC 9180). Raises
    SealingError for a key that is none.
    """
    try:
        return _suite_of(public).encrypt(plain, _read_public_key(public), info)
    except ValueError:
        raise SealingError("this is not a valid encryption key") from None


def _read_public_key(public: bytes) -> _PublicKey:
    classical = X25519PublicKey.from_public_bytes(public[-X25519_BYTES:])
    if len(public) == X25519_BYTES:
        return classical
    return hpke.MLKEM768X25519PublicKey(MLKEM768PublicKey.from_public_bytes(public[:-X25519_BYTES]), classical)


def _suite_of(public: bytes) -> hpke.Suite:
    if len(public) not in PUBLIC_KEY_SIZES:
        raise SealingError(f"an encryption key has {X25519_BYTES} or {HYBRID_BYTES} bytes")
    return _HYBRID if len(public) == HYBRID_BYTES else _CLASSICAL


def overhead(public: bytes) -> int:
    """How many bytes HPKE adds: the encapsulated key and a tag."""
    kem = hpke.KEM.MLKEM768_X25519 if _suite_of(public) is _HYBRID else hpke.KEM.X25519
    return kem.enc_length() + _TAG_BYTES
