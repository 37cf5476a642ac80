"""The growing side of a tree: its right edge, onto which leaf hashes are appended, giving up each tile as it fills.

Holds at most 255 hashes a level, whatever the size of the tree.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tlog.hashing import EMPTY_ROOT, node_hash
from tlog.proofs import Node, fold, range_nodes
from tlog.tiles import TILE_HEIGHT, TILE_WIDTH, tile_root


@dataclass(frozen=True)
class FullTile:
    """A tile that has just filled: level, index in the level, its 256 hashes (8,192 bytes), and their root."""

    level: int
    index: int
    hashes: bytes
    root: bytes


class TreeEdge:
    """The partial tiles of a tree of `size` leaves: `levels[l]` holds the last floor(size / 256**l) mod 256 hashes
    of level l.

    ValueError if the hashes given are not that many.
    """

    def __init__(self, size: int = 0, levels: Sequence[Sequence[bytes]] = ()) -> None:
        self.size = size
        self._levels = [list(level) for level in levels]
        if [len(level) for level in self._levels] != edge_widths(size):
            raise ValueError("these are not the partial tiles of a tree of this size")

    def append(self, leaf_hashes: Iterable[bytes]) -> list[FullTile]:
        """Append leaf hashes in order; the tiles that filled, each level's in order of index."""
        filled: list[FullTile] = []
        for value in leaf_hashes:
            self.size += 1
            self._push(0, value, filled)
        return filled

    def root(self) -> bytes:
        """The root of the tree as it stands."""
        if self.size == 0:
            return EMPTY_ROOT
        return fold([self._peak(node) for node in range_nodes(0, self.size)])

    def _push(self, level: int, value: bytes, filled: list[FullTile]) -> None:
        if level == len(self._levels):
            self._levels.append([])
        hashes = self._levels[level]
        hashes.append(value)
        if len(hashes) == TILE_WIDTH:
            index = (self.size >> (TILE_HEIGHT * (level + 1))) - 1
            root = tile_root(hashes)
            filled.append(FullTile(level, index, b"".join(hashes), root))
            self._levels[level] = []
            self._push(level + 1, root, filled)

    def _peak(self, node: Node) -> bytes:
        level, row = divmod(node.level, TILE_HEIGHT)
        start = (node.position << row) % TILE_WIDTH
        return _complete_root(self._levels[level][start : start + (1 << row)])


def edge_widths(size: int) -> list[int]:
    """The widths of the partial tiles, level 0 first, of a tree of `size` leaves; 0 where a level has none."""
    widths = []
    while size:
        widths.append(size % TILE_WIDTH)
        size >>= TILE_HEIGHT
    return widths


def _complete_root(hashes: Sequence[bytes]) -> bytes:
    row = list(hashes)
    while len(row) > 1:
        row = [node_hash(row[i], row[i + 1]) for i in range(0, len(row), 2)]
    return row[0]
