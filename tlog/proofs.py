"""Inclusion and consistency proofs: RFC 6962 sections 2.1.1 and 2.1.2, made from a hash reader, and checked.

Rules of the checks, in order:
1. sizes and indices are whole numbers below 2^63, the index below the size, the old size at most the new;
2. every hash is exactly 32 bytes, and the proof has exactly the length that index and sizes demand;
3. the roots recomputed from the proof equal the roots given.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable, Sequence
from typing import NamedTuple

from tlog.hashing import EMPTY_ROOT, HASH_BYTES, node_hash

MAXIMUM_SIZE = 2**63 - 1


class Node(NamedTuple):
    """A complete subtree: the 2**level leaves that start at position * 2**level."""

    level: int
    position: int


HashReader = Callable[[Sequence[Node]], list[bytes]]
"""Gives the 32-byte hash of each node asked for, in that order."""


class ProofError(ValueError):
    """The proof does not show what it is meant to show, or its shape is wrong."""


def range_nodes(start: int, end: int) -> list[Node]:
    """The complete subtrees, left to right, that make up leaves start..end of a range that RFC 6962 hashes.

    Such a range starts at a multiple of the largest power of two within it, so the subtrees only shrink to the right.
    """
    nodes = []
    while start < end:
        level = (end - start).bit_length() - 1
        nodes.append(Node(level, start >> level))
        start += 1 << level
    return nodes


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash of a range from the hashes of its complete subtrees, left to right."""
    result = hashes[-1]
    for left in reversed(hashes[:-1]):
        result = node_hash(left, result)
    return result


def tree_root(size: int, read: HashReader) -> bytes:
    """The root of the first `size` leaves; the hash of the empty string for none."""
    return fold(read(range_nodes(0, size))) if size else EMPTY_ROOT


def prove_inclusion(index: int, size: int, read: HashReader) -> list[bytes]:
    """The proof, leaf's sibling first, that leaf `index` is in the tree of `size` leaves. ProofError for an index
    outside.
    """
    _check_numbers(index, size)
    if index >= size:
        raise ProofError("the index lies outside the tree")
    ranges = []
    start, end = 0, size
    while end - start > 1:
        middle = start + _split(end - start)
        if index < middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start = middle
    return _read_ranges(ranges[::-1], read)


def prove_consistency(old_size: int, new_size: int, read: HashReader) -> list[bytes]:
    """The proof that the tree of `old_size` leaves is the beginning of the tree of `new_size`. Empty for 0 and for
    equal sizes.
    """
    _check_numbers(old_size, new_size)
    if old_size > new_size:
        raise ProofError("the old tree is larger than the new one")
    if old_size in (0, new_size):
        return []
    ranges = []
    start, end, whole = 0, new_size, True
    while old_size != end:
        middle = start + _split(end - start)
        if old_size <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((start, middle))
            start, whole = middle, False
    if not whole:
        ranges.append((start, end))
    return _read_ranges(ranges[::-1], read)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> None:
    """Raise ProofError unless the leaf hash is at `index` of the tree with this size and root (RFC 9162 section
    2.1.3.2).
    """
    _check_numbers(index, size)
    _check_hashes([leaf, root, *proof])
    if index >= size:
        raise ProofError("the index lies outside the tree")
    node, last, result = index, size - 1, leaf
    for sibling in proof:
        if last == 0:
            raise ProofError("the proof is too long")
        if node & 1 or node == last:
            result = node_hash(sibling, result)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            result = node_hash(result, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError("the proof is too short")
    _check_root(result, root, "the leaf is not in the tree")


def verify_consistency(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    """Raise ProofError unless the old tree is the beginning of the new one (RFC 9162 section 2.1.4.2)."""
    _check_numbers(old_size, new_size)
    if old_size > new_size:
        raise ProofError("the old tree is larger than the new one")
    if old_size in (0, new_size):
        if proof:
            raise ProofError("the proof must be empty")
        if old_size == 0:
            _check_root(old_root, EMPTY_ROOT, "the root of no leaves is another")
        if old_size == new_size:
            _check_root(old_root, new_root, "the roots of one size differ")
        else:
            _check_hashes([new_root])
        return
    _check_hashes([old_root, new_root, *proof])
    _verify_growth(old_size, old_root, new_size, new_root, proof)


def _verify_growth(old_size: int, old_root: bytes, new_size: int, new_root: bytes, proof: Sequence[bytes]) -> None:
    path = list(proof)
    if old_size & (old_size - 1) == 0:
        path.insert(0, old_root)  # a complete old tree is itself the first node; RFC 6962 leaves it out
    if not path:
        raise ProofError("the proof is too short")
    node, last = old_size - 1, new_size - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    old = new = path[0]
    for sibling in path[1:]:
        if last == 0:
            raise ProofError("the proof is too long")
        if node & 1 or node == last:
            old, new = node_hash(sibling, old), node_hash(sibling, new)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            new = node_hash(new, sibling)
        node, last = node >> 1, last >> 1
    if last:
        raise ProofError("the proof is too short")
    _check_root(old, old_root, "the proof does not lead to the old root")
    _check_root(new, new_root, "the proof does not lead to the new root")


def _split(width: int) -> int:
    """The largest power of two below `width` (RFC 6962's k)."""
    return 1 << ((width - 1).bit_length() - 1)


def _read_ranges(ranges: Sequence[tuple[int, int]], read: HashReader) -> list[bytes]:
    needed = [range_nodes(start, end) for start, end in ranges]
    hashes = iter(read([node for nodes in needed for node in nodes]))
    return [fold([next(hashes) for _ in nodes]) for nodes in needed]


def _check_numbers(*numbers: int) -> None:
    for number in numbers:
        if not 0 <= number <= MAXIMUM_SIZE:
            raise ProofError("a size or index lies outside 0 to 2^63 - 1")


def _check_hashes(hashes: Sequence[bytes]) -> None:
    for value in hashes:
        if len(value) != HASH_BYTES:
            raise ProofError("a hash is 32 bytes")


def _check_root(computed: bytes, claimed: bytes, fault: str) -> None:
    if not hmac.compare_digest(computed, claimed):
        raise ProofError(fault)
