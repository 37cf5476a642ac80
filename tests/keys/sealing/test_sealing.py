"""Sealing answers, and proving that one holds an identifier: what is meant, and every way around it."""

from __future__ import annotations

import dataclasses
import hashlib
import hmac
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.sealing.holding import HoldingClaim, HoldingError, prove_holding, verify_holding
from keys.sealing.hybrid import (
    HYBRID_BYTES,
    SIZE_CLASSES,
    Binding,
    EncryptionKey,
    SealingError,
    check_encryption_key,
    open_details,
    seal_details,
)
from schemas.requests.messages import SEALED_SIZES
from schemas.values.canonical import canonical_json, digest
from schemas.values.encoding import to_base64

DETAIL_KEY, OTHER_DETAIL_KEY = b"d" * 32, b"D" * 32
BOUND = Binding("018f0000-0000-7000-8000-000000000001", "b", "a", digest({"mode": "request"}))
HYBRID, CLASSICAL = EncryptionKey.generate(), EncryptionKey(b"x" * 32)
either_key = pytest.mark.parametrize("key", [HYBRID, CLASSICAL], ids=["hybrid", "x25519"])


@either_key
def test_details_open_for_whom_they_were_sealed(key: EncryptionKey) -> None:
    for details in (b"", b'{"narrative":"x"}', bytes(5000), bytes(40_000)):
        sealed = seal_details(details, DETAIL_KEY, key.public_bytes, BOUND)
        assert open_details(sealed, DETAIL_KEY, key, BOUND) == details
        assert seal_details(details, DETAIL_KEY, key.public_bytes, BOUND) != sealed


def test_the_wire_takes_the_sizes_that_are_made() -> None:
    assert SEALED_SIZES == SIZE_CLASSES


@either_key
def test_a_sealed_answer_tells_its_size_class_and_no_more(key: EncryptionKey) -> None:
    room = SIZE_CLASSES[0] - len(seal_overhead(key))
    for length, size in ((0, 0), (1, 0), (room, 0), (room + 1, 1), (60_000, 2)):
        assert len(seal_details(bytes(length), DETAIL_KEY, key.public_bytes, BOUND)) == SIZE_CLASSES[size]
    with pytest.raises(SealingError, match="too long"):
        seal_details(bytes(65_536), DETAIL_KEY, key.public_bytes, BOUND)


def seal_overhead(key: EncryptionKey) -> bytes:
    """As many bytes as sealing adds: encapsulated key, two tags, nonce, length."""
    return bytes((1120 if len(key.public_bytes) == HYBRID_BYTES else 32) + 16 + 16 + 12 + 4)


@either_key
def test_without_the_identifier_the_requesters_key_opens_nothing(key: EncryptionKey) -> None:
    sealed = seal_details(b"details", DETAIL_KEY, key.public_bytes, BOUND)
    with pytest.raises(SealingError, match="holds the identifier"):
        open_details(sealed, OTHER_DETAIL_KEY, key, BOUND)


@either_key
def test_with_the_identifier_another_members_key_opens_nothing(key: EncryptionKey) -> None:
    sealed = seal_details(b"details", DETAIL_KEY, key.public_bytes, BOUND)
    for other in (EncryptionKey.generate(), EncryptionKey(b"y" * 32)):
        with pytest.raises(SealingError):
            open_details(sealed, DETAIL_KEY, other, BOUND)


@pytest.mark.parametrize(
    "change",
    [
        {"request_id": "018f0000-0000-7000-8000-000000000002"},
        {"holder": "c"},
        {"requester": "c"},
        {"terms_sha256": digest({"mode": "alert"})},
    ],
)
@either_key
def test_an_answer_opens_as_the_answer_to_nothing_else(key: EncryptionKey, change: dict[str, Any]) -> None:
    sealed = seal_details(b"details", DETAIL_KEY, key.public_bytes, BOUND)
    with pytest.raises(SealingError):
        open_details(sealed, DETAIL_KEY, key, dataclasses.replace(BOUND, **change))


@given(st.data())
@settings(max_examples=40, deadline=None)
def test_a_sealed_answer_changed_anywhere_does_not_open(data: st.DataObject) -> None:
    key = data.draw(st.sampled_from([HYBRID, CLASSICAL]))
    sealed = bytearray(seal_details(b"details", DETAIL_KEY, key.public_bytes, BOUND))
    sealed[data.draw(st.integers(0, len(sealed) - 1))] ^= 1 << data.draw(st.integers(0, 7))
    with pytest.raises(SealingError):
        open_details(bytes(sealed), DETAIL_KEY, key, BOUND)


@given(st.one_of(st.binary(max_size=200), st.sampled_from(SIZE_CLASSES).map(bytes)))
@settings(deadline=None)
def test_any_bytes_are_refused_as_what_they_are(sealed: bytes) -> None:
    for key in (HYBRID, CLASSICAL):
        with pytest.raises(SealingError):
            open_details(sealed, DETAIL_KEY, key, BOUND)


def test_each_half_of_the_hybrid_key_is_needed() -> None:
    sealed = seal_details(b"details", DETAIL_KEY, HYBRID.public_bytes, BOUND)
    secret, other = HYBRID.to_bytes(), EncryptionKey.generate().to_bytes()
    for half in (secret[:64] + other[64:], other[:64] + secret[64:]):
        with pytest.raises(SealingError):
            open_details(sealed, DETAIL_KEY, EncryptionKey(half), BOUND)
    assert open_details(sealed, DETAIL_KEY, EncryptionKey(secret), BOUND) == b"details"


@pytest.mark.parametrize(
    "public",
    [
        *(b"", bytes(31), bytes(33), bytes(HYBRID_BYTES - 1), bytes(HYBRID_BYTES + 1)),
        # points of small order; a modulus that is not reduced (FIPS 203 section 7.2)
        bytes(32),
        b"\1" + bytes(31),
        HYBRID.public_bytes[:1184] + bytes(32),
        b"\xff" * 1184 + HYBRID.public_bytes[1184:],
    ],
)
def test_nothing_is_sealed_to_what_is_no_key(public: bytes) -> None:
    with pytest.raises(SealingError):
        check_encryption_key(public)
    with pytest.raises(SealingError):
        seal_details(b"details", DETAIL_KEY, public, BOUND)


def test_a_private_key_has_one_of_two_lengths_and_does_not_show_itself() -> None:
    for length in (0, 31, 33, 64, 95, 97):
        with pytest.raises(ValueError, match="private encryption key"):
            EncryptionKey(bytes(length))
    assert repr(HYBRID) == "EncryptionKey(…)"
    check_encryption_key(HYBRID.public_bytes)
    check_encryption_key(CLASSICAL.public_bytes)


def test_the_hybrid_key_is_the_one_of_the_draft() -> None:
    # draft-connolly-cfrg-xwing-kem appendix C, first vector: a seed of 32 bytes is spread over ours by SHAKE256.
    seed = bytes.fromhex("7f9c2ba4e88f827d616045507605853ed73b8093f6efbc88eb1a6eacfa66ef26")
    public = EncryptionKey(hashlib.shake_256(seed).digest(96)).public_bytes
    assert public.hex().startswith("e2236b35a8c24b39b10aa1323a96a919a2ced88400633a7b07131713fc14b2b5")


# RFC 9180 written out, for DHKEM(X25519, HKDF-SHA256), HKDF-SHA256, ChaCha20-Poly1305 in base mode.
_KEM, _HPKE = b"KEM" + bytes.fromhex("0020"), b"HPKE" + bytes.fromhex("002000010003")


def extract(suite: bytes, salt: bytes, label: bytes, material: bytes) -> bytes:
    return hmac.digest(salt, b"HPKE-v1" + suite + label + material, hashlib.sha256)


def expand(suite: bytes, key: bytes, label: bytes, info: bytes, length: int) -> bytes:
    """One block is enough for all lengths here."""
    labelled = length.to_bytes(2, "big") + b"HPKE-v1" + suite + label + info
    return hmac.digest(key, labelled + b"\1", hashlib.sha256)[:length]


def open_base(secret: bytes, sealed: bytes, info: bytes) -> bytes:
    private = X25519PrivateKey.from_private_bytes(secret)
    shared = private.exchange(X25519PublicKey.from_public_bytes(sealed[:32]))
    eae = extract(_KEM, b"", b"eae_prk", shared)
    key = expand(_KEM, eae, b"shared_secret", sealed[:32] + private.public_key().public_bytes_raw(), 32)
    hashes = extract(_HPKE, b"", b"psk_id_hash", b""), extract(_HPKE, b"", b"info_hash", info)
    schedule, secret_ = b"\0" + b"".join(hashes), extract(_HPKE, key, b"secret", b"")
    cipher = ChaCha20Poly1305(expand(_HPKE, secret_, b"key", schedule, 32))
    return cipher.decrypt(expand(_HPKE, secret_, b"base_nonce", schedule, 12), sealed[32:], b"")


def test_a_sealed_answer_is_what_the_documents_say_byte_for_byte() -> None:
    sealed = seal_details(b"details", DETAIL_KEY, CLASSICAL.public_bytes, BOUND)
    bound = b"exchange-response-v1\0" + canonical_json(
        {"holder": "b", "request_id": BOUND.request_id, "requester": "a", "terms_sha256": to_base64(BOUND.terms_sha256)}
    )
    inner = open_base(CLASSICAL.to_bytes(), sealed, bound)
    key = hmac.digest(BOUND.request_id.encode(), DETAIL_KEY, hashlib.sha256)  # RFC 5869, extract
    key = hmac.digest(key, b"exchange-response-v1\1", hashlib.sha256)  # and expand
    padded = ChaCha20Poly1305(key).decrypt(inner[:12], inner[12:], bound)
    assert padded == b"\0\0\0\7details" + bytes(len(padded) - 11)


# proof of holding

CLAIM = HoldingClaim(BOUND.request_id, "a", HYBRID.public_bytes, {"mode": "request", "fields": ["reason"]})


def test_a_proof_of_holding_is_right_for_its_claim() -> None:
    proof = prove_holding(DETAIL_KEY, CLAIM)
    verify_holding(DETAIL_KEY, CLAIM, proof)
    key = hmac.digest(bytes(32), DETAIL_KEY, hashlib.sha256)
    key = hmac.digest(key, b"request\1", hashlib.sha256)
    told = {
        "encryption_key": to_base64(HYBRID.public_bytes),
        "request_id": BOUND.request_id,
        "requester": "a",
        "terms": {"fields": ["reason"], "mode": "request"},
    }
    assert proof == hmac.digest(key, canonical_json(told), hashlib.sha256)


@pytest.mark.parametrize(
    "change",
    [
        {"request_id": "018f0000-0000-7000-8000-000000000002"},
        {"requester": "thief"},
        {"encryption_key": CLASSICAL.public_bytes},
        {"terms": {"mode": "request", "fields": ["reason", "contact"]}},
    ],
)
def test_a_proof_that_was_seen_elsewhere_is_worth_nothing(change: dict[str, Any]) -> None:
    with pytest.raises(HoldingError):
        verify_holding(DETAIL_KEY, dataclasses.replace(CLAIM, **change), prove_holding(DETAIL_KEY, CLAIM))


def test_who_has_the_token_and_not_the_detail_key_proves_nothing() -> None:
    for proof in (prove_holding(OTHER_DETAIL_KEY, CLAIM), b"", bytes(32), prove_holding(DETAIL_KEY, CLAIM)[:31]):
        with pytest.raises(HoldingError):
            verify_holding(DETAIL_KEY, CLAIM, proof)
