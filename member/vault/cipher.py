"""The cryptography of the vault: field encryption and blind look-ups, all under one vault key.

Rules, in order:
1. The vault key itself encrypts nothing: HKDF-SHA256 derives one key per table and one per kind of look-up.
2. A payload is ChaCha20-Poly1305 (RFC 8439) under the table's key with a random 12-byte nonce. With at most 2^32
   payloads a table, two nonces meet with probability 2^-33 or less.
3. The associated data name the table and the place (row id, look-up), so that a payload moved elsewhere does not open.
4. A look-up is the first 16 bytes of HMAC-SHA256 over length-prefixed parts: equal values can be found, but neither
   read nor tested without the vault key.
5. The vault key is 32 bytes, and 32 more for each time that it was changed. Payloads are sealed under the last of these
   parts; a look-up is keyed by the first, and what comes of it by each of the others in turn, so that look-ups are made
   anew without knowing what they stand for, and whoever has all parts but the last can test none. What is sent to
   others (idempotency keys, the witness's key) stays under the first.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from functools import cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from member.errors import VaultTamperedError

KEY_BYTES = 32
MAX_KEYS = 64
"""Parts of a vault key."""
LOOKUP_BYTES = 16
_NONCE_BYTES = 12


class VaultCipher:
    """Seals and opens payloads, and makes look-ups, for one vault."""

    def __init__(self, vault_key: bytes) -> None:
        """Takes the vault key, 32 bytes and 32 for each change; ValueError for any other length."""
        if not vault_key or len(vault_key) % KEY_BYTES or len(vault_key) > MAX_KEYS * KEY_BYTES:
            raise ValueError(f"a vault key has {KEY_BYTES} bytes, and {KEY_BYTES} for each change")
        parts = [vault_key[start : start + KEY_BYTES] for start in range(0, len(vault_key), KEY_BYTES)]
        self._first, self._last, self._later = parts[0], parts[-1], parts[1:]
        self._aead = cache(lambda table: ChaCha20Poly1305(self._derive(self._last, f"seal/{table}")))
        self._mac_key = cache(lambda purpose: self._derive(self._first, f"mac/{purpose}"))
        self._renewing = [self._derive(part, "renew") for part in self._later]

    def __repr__(self) -> str:
        return "VaultCipher(<key hidden>)"

    @staticmethod
    def _derive(part: bytes, purpose: str) -> bytes:
        info = b"exchange-vault-v1/" + purpose.encode("ascii")
        return HKDF(algorithm=SHA256(), length=KEY_BYTES, salt=None, info=info).derive(part)

    def seal(self, table: str, place: bytes, payload: bytes) -> bytes:
        """Nonce (12 bytes), ciphertext and tag (16 bytes) of a payload that belongs in `table` at `place`."""
        nonce = os.urandom(_NONCE_BYTES)
        sealed: bytes = self._aead(table).encrypt(nonce, payload, table.encode("ascii") + b"\0" + place)
        return nonce + sealed

    def open(self, table: str, place: bytes, sealed: bytes) -> bytes:
        """The payload; VaultTamperedError if it was altered, or was sealed for another place or under another key."""
        try:
            nonce, body = sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:]
            payload: bytes = self._aead(table).decrypt(nonce, body, table.encode("ascii") + b"\0" + place)
        except (InvalidTag, ValueError, TypeError) as error:  # TypeError: a column that holds no bytes any more
            raise VaultTamperedError(
                f"a record of the vault's table {table} does not open: it was altered or moved",
                "restore the vault from a backup (vault backup writes one)",
            ) from error
        return payload

    def mac(self, purpose: str, *parts: bytes) -> bytes:
        """HMAC-SHA256 (32 bytes) over length-prefixed parts, under a key of this purpose alone."""
        message = b"".join(len(part).to_bytes(4, "big") + part for part in parts)
        return hmac.digest(self._mac_key(purpose), message, hashlib.sha256)

    def lookup(self, purpose: str, *parts: bytes) -> bytes:
        """The 16 bytes under which a record is found."""
        found = self.mac(purpose, *parts)[:LOOKUP_BYTES]
        for key in self._renewing:
            found = _renew(key, found)
        return found

    def renew(self, lookup: bytes) -> bytes:
        """What a look-up under the key before the last change is under this one."""
        return _renew(self._renewing[-1], lookup)


def _renew(key: bytes, lookup: bytes) -> bytes:
    return hmac.digest(key, lookup, hashlib.sha256)[:LOOKUP_BYTES]
