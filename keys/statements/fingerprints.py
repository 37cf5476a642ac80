"""Fingerprints: what two people read to each other to know that they have the same key."""

from __future__ import annotations

import hashlib


def fingerprint_of(key: bytes) -> str:
    """SHA-256 of a public key's bytes, 64 hexadecimal digits."""
    return hashlib.sha256(key).hexdigest()


def in_fours(fingerprint: str) -> str:
    """Hexadecimal digits in groups of four, for reading aloud."""
    return " ".join(fingerprint[start : start + 4] for start in range(0, len(fingerprint), 4))
