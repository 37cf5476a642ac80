"""What a leaf of the exchange's log holds, and the chain that numbers each member's leaves.

An entry is 33 bytes: `0x01 || SHA-256("exchange-entry-v1" NUL || salt || view)`, or `0x01` and 32 random bytes for
padding, which nobody can tell from it. The leaf in the tree is RFC 6962's hash of those 33 bytes.
"""

from __future__ import annotations

import hashlib

from tlog.hashing import leaf_hash

ENTRY_BYTES = 33
SALT_BYTES = 32
CHAIN_START = bytes(32)
_DOMAIN = b"exchange-entry-v1\x00"
_VERSION = b"\x01"


def entry_commitment(salt: bytes, view: bytes) -> bytes:
    """The 33-byte entry that commits to a view (canonical JSON) under a 32-byte salt. ValueError for another salt
    length.
    """
    if len(salt) != SALT_BYTES:
        raise ValueError("the salt of an entry is 32 bytes")
    return _VERSION + hashlib.sha256(_DOMAIN + salt + view).digest()


def padding_entry(random_bytes: bytes) -> bytes:
    """An entry that commits to nothing, from 32 random bytes."""
    if len(random_bytes) != SALT_BYTES:
        raise ValueError("padding is made from 32 random bytes")
    return _VERSION + random_bytes


def next_chain_head(chain_head: bytes, entry: bytes) -> bytes:
    """SHA-256(previous head || leaf hash of the entry); a member's first entry follows 32 zero bytes."""
    return hashlib.sha256(chain_head + leaf_hash(entry)).digest()
