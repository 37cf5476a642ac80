"""What a leaf of the exchange's log holds, and the chain that numbers each member's leaves.

An entry is 33 bytes: `0x01 || SHA-256("exchange-entry-v1" NUL || salt || view)`, or `0x01` and 32 random bytes for
padding, which nobody can tell from it. The leaf in the tree is RFC 6962's hash of those 33 bytes.

A member has one leaf at each tick of the log, however much waits for it (docs/adr/0034). Where more waits than its next
leaves can take, one leaf holds several entries, a batch: `0x01 || SHA-256("exchange-batch-v1" NUL || count || root)`,
the count in 8 bytes, the root that of RFC 6962's tree over the entries. Nobody can tell it from an entry either.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from tlog.hashing import leaf_hash, node_hash
from tlog.proofs import Node, ProofError, prove_inclusion, tree_root, verify_inclusion

ENTRY_BYTES = 33
SALT_BYTES = 32
CHAIN_START = bytes(32)
_DOMAIN = b"exchange-entry-v1\x00"
_BATCH_DOMAIN = b"exchange-batch-v1\x00"
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


def leaf_entry(entries: Sequence[bytes]) -> bytes:
    """The 33 bytes of the leaf that holds these entries of one member, in order: the entry itself where it is the only
    one, otherwise the batch of them. ValueError for none.
    """
    if not entries:
        raise ValueError("a leaf holds at least one entry")
    if len(entries) == 1:
        return entries[0]
    return _batch(len(entries), tree_root(len(entries), _Hashes(entries).read))


@dataclass(frozen=True)
class BatchPlace:
    """Where an entry stands among the `count` entries of its leaf, from 0: their tree's root, and RFC 6962's inclusion
    proof in it.
    """

    position: int
    count: int
    root: bytes
    proof: Sequence[bytes]


def place_in_batch(position: int, entries: Sequence[bytes]) -> BatchPlace:
    """The place of the entry at a position among the entries of its leaf."""
    read = _Hashes(entries).read
    proof = prove_inclusion(position, len(entries), read)
    return BatchPlace(position, len(entries), tree_root(len(entries), read), tuple(proof))


def verify_in_batch(leaf: bytes, entry: bytes, place: BatchPlace) -> None:
    """Raise ProofError unless the 33-byte leaf is the batch of that count and root, and the entry is at the place."""
    if place.count < 2 or leaf != _batch(place.count, place.root):
        raise ProofError("the leaf is not the batch of that count and root")
    verify_inclusion(leaf_hash(entry), place.position, place.count, place.proof, place.root)


def next_chain_head(chain_head: bytes, entry: bytes) -> bytes:
    """SHA-256(previous head || leaf hash of the entry); a member's first entry follows 32 zero bytes."""
    return hashlib.sha256(chain_head + leaf_hash(entry)).digest()


def _batch(count: int, root: bytes) -> bytes:
    return _VERSION + hashlib.sha256(_BATCH_DOMAIN + count.to_bytes(8, "big") + root).digest()


class _Hashes:
    """The nodes of the small tree over the entries of one leaf, level by level."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self._levels = [[leaf_hash(entry) for entry in entries]]
        while len(below := self._levels[-1]) > 1:
            pairs = zip(below[::2], below[1::2], strict=False)
            self._levels.append([node_hash(left, right) for left, right in pairs])

    def read(self, nodes: Sequence[Node]) -> list[bytes]:
        return [self._levels[node.level][node.position] for node in nodes]
