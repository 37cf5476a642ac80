"""The 33 bytes of an entry, and the chain over a member's entries."""

from __future__ import annotations

import hashlib

import pytest

from tlog.entries import CHAIN_START, entry_commitment, next_chain_head, padding_entry
from tlog.hashing import leaf_hash


def test_an_entry_commits_to_salt_and_view() -> None:
    salt = bytes(range(32))
    entry = entry_commitment(salt, b"{}")
    assert entry == b"\x01" + hashlib.sha256(b"exchange-entry-v1\x00" + salt + b"{}").digest()
    assert entry != entry_commitment(bytes(32), b"{}")
    assert entry != entry_commitment(salt, b"[]")


def test_padding_looks_like_any_entry() -> None:
    assert padding_entry(bytes(range(32))) == b"\x01" + bytes(range(32))
    assert len(padding_entry(bytes(32))) == len(entry_commitment(bytes(32), b""))


def test_the_chain_covers_every_entry_and_its_order() -> None:
    one, two = padding_entry(bytes(32)), padding_entry(bytes([1]) * 32)
    head = next_chain_head(CHAIN_START, one)
    assert head == hashlib.sha256(bytes(32) + leaf_hash(one)).digest()
    assert next_chain_head(head, two) != next_chain_head(next_chain_head(CHAIN_START, two), one)


def test_other_lengths_are_refused() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        entry_commitment(bytes(31), b"")
    with pytest.raises(ValueError, match="32 random bytes"):
        padding_entry(bytes(33))
