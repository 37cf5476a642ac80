"""The oracle of these tests: RFC 6962 section 2.1 word for word, slow and plain, and trees served as tiles."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from tlog.hashing import leaf_hash
from tlog.proofs import Node
from tlog.tiles import TILE_WIDTH, parse_tile_path


def entries_of(count: int) -> list[bytes]:
    return [b"entry %d" % number for number in range(count)]


def oracle_root(entries: Sequence[bytes]) -> bytes:
    """MTH(D[n])."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    k = oracle_split(len(entries))
    return hashlib.sha256(b"\x01" + oracle_root(entries[:k]) + oracle_root(entries[k:])).digest()


def oracle_split(count: int) -> int:
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def oracle_path(index: int, entries: Sequence[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(entries) == 1:
        return []
    k = oracle_split(len(entries))
    if index < k:
        return [*oracle_path(index, entries[:k]), oracle_root(entries[k:])]
    return [*oracle_path(index - k, entries[k:]), oracle_root(entries[:k])]


def oracle_consistency(size: int, entries: Sequence[bytes], complete: bool = True) -> list[bytes]:
    """SUBPROOF(m, D[n], b)."""
    if size == len(entries):
        return [] if complete else [oracle_root(entries)]
    k = oracle_split(len(entries))
    if size <= k:
        return [*oracle_consistency(size, entries[:k], complete), oracle_root(entries[k:])]
    return [*oracle_consistency(size - k, entries[k:], False), oracle_root(entries[:k])]


class MemoryTree:
    """All complete nodes of a tree, served to provers by node and to readers by tile."""

    def __init__(self, entries: Sequence[bytes]) -> None:
        self.size = len(entries)
        self.rows = [[leaf_hash(entry) for entry in entries]]
        while len(self.rows[-1]) > 1:
            below = self.rows[-1]
            self.rows.append(
                [hashlib.sha256(b"\x01" + below[i] + below[i + 1]).digest() for i in range(0, len(below) - 1, 2)]
            )
        self.fetched: list[str] = []

    def read(self, nodes: Sequence[Node]) -> list[bytes]:
        return [self.rows[node.level][node.position] for node in nodes]

    def tile(self, path: str) -> bytes:
        self.fetched.append(path)
        tile = parse_tile_path(path)
        assert tile.level is not None
        start = tile.index * TILE_WIDTH
        return b"".join(self.rows[tile.level * 8][start : start + tile.width])
