"""Tiles: C2SP tlog-tiles. Paths, entry bundles, and a hash reader that believes no tile before the root vouches
for it.

A full tile holds 256 hashes: at level 0 the leaf hashes, above it the roots of the full tiles of the level below.
The tree of `size` leaves has one partial tile, or none, at the right edge of each level.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from tlog.hashing import HASH_BYTES, node_hash
from tlog.proofs import Node, fold, range_nodes

TILE_HEIGHT = 8
TILE_WIDTH = 1 << TILE_HEIGHT
FULL_TILE_BYTES = TILE_WIDTH * HASH_BYTES
MAXIMUM_LEVEL = 63
_PATH = re.compile(r"tile/(entries|0|[1-9][0-9]?)/((?:x[0-9]{3}/){0,6}[0-9]{3})(?:\.p/([1-9][0-9]{0,2}))?", re.ASCII)


class TileError(ValueError):
    """A tile, bundle or path is malformed, or is not part of the tree that the root stands for."""


@dataclass(frozen=True)
class Tile:
    """A tile by level (None for a bundle of entries), index within the level, and width (256 when full)."""

    level: int | None
    index: int
    width: int = TILE_WIDTH

    def path(self) -> str:
        """`tile/<L>/<N>[.p/<W>]`, N in zero-padded groups of three digits, all but the last marked by an x."""
        digits = str(self.index)
        digits = digits.zfill(-(-len(digits) // 3) * 3)
        groups = [digits[i : i + 3] for i in range(0, len(digits), 3)]
        name = "/".join([*(f"x{group}" for group in groups[:-1]), groups[-1]])
        level = "entries" if self.level is None else str(self.level)
        return f"tile/{level}/{name}" + (f".p/{self.width}" if self.width != TILE_WIDTH else "")


def parse_tile_path(path: str) -> Tile:
    """The tile of a path. TileError unless it is exactly the path that the tile has."""
    match = _PATH.fullmatch(path)
    if match is None:
        raise TileError("not the path of a tile")
    level, groups, width = match.groups()
    index = int(groups.replace("x", "").replace("/", ""))
    tile = Tile(None if level == "entries" else int(level), index, int(width or TILE_WIDTH))
    # superfluous groups (or a width written where a full tile needs none), a width above 256, a level above 63
    if tile.path() != path or tile.width > TILE_WIDTH or (tile.level or 0) > MAXIMUM_LEVEL:
        raise TileError("not the path of a tile")
    return tile


def tile_at(level: int, index: int, size: int) -> Tile:
    """The tile, full or partial, that a tree of `size` leaves has there. TileError if it has none."""
    width = min((size >> (TILE_HEIGHT * level)) - index * TILE_WIDTH, TILE_WIDTH)
    if width <= 0:
        raise TileError("the tree has no such tile")
    return Tile(level, index, width)


def encode_entries(entries: Sequence[bytes]) -> bytes:
    """An entry bundle: each entry, at most 65,535 bytes, behind its length as a big-endian uint16."""
    return b"".join(len(entry).to_bytes(2) + entry for entry in entries)


def decode_entries(data: bytes, count: int) -> list[bytes]:
    """The `count` entries of a bundle. TileError unless it holds exactly that many."""
    entries = []
    position = 0
    while position < len(data):
        end = position + 2 + int.from_bytes(data[position : position + 2])
        if position + 2 > len(data) or end > len(data):
            raise TileError("the entry bundle is cut short")
        entries.append(data[position + 2 : end])
        position = end
    if len(entries) != count:
        raise TileError(f"the entry bundle holds {len(entries)} entries, expected {count}")
    return entries


def tile_root(hashes: Sequence[bytes]) -> bytes:
    """The root of a full tile's 256 hashes, which is its one hash in the level above."""
    return _pyramid(hashes)[-1][0]


def _pyramid(hashes: Sequence[bytes]) -> list[list[bytes]]:
    """All complete nodes inside a tile: row r holds those over 2**r hashes."""
    rows = [list(hashes)]
    while len(rows[-1]) > 1:
        below = rows[-1]
        rows.append([node_hash(below[i], below[i + 1]) for i in range(0, len(below) - 1, 2)])
    return rows


class TileHashReader:
    """Reads the hashes of a tree from its tiles, and checks everything that it uses against the root.

    `fetch` gives the bytes of a tile by its path. The partial tiles at the right edge together must give the root;
    any full tile must hash to its place in the tile above, up to that edge. Tiles are fetched once and kept.
    TileError names the first wrong tile.
    """

    def __init__(self, size: int, root: bytes, fetch: Callable[[str], bytes]) -> None:
        self.size = size
        self._fetch = fetch
        self._tiles: dict[tuple[int, int], list[list[bytes]]] = {}
        self._load_edge(root)

    def read(self, nodes: Sequence[Node]) -> list[bytes]:
        """The hashes of these nodes (a tlog.proofs.HashReader). TileError for a node outside the tree or a wrong
        tile.
        """
        return [self._node(node) for node in nodes]

    def leaf(self, index: int) -> bytes:
        """The verified leaf hash at an index: finding it here is proof of inclusion."""
        return self._node(Node(0, index))

    def _node(self, node: Node) -> bytes:
        if node.position < 0 or (node.position + 1) << node.level > self.size:
            raise TileError("the node lies outside the tree")
        level, row = divmod(node.level, TILE_HEIGHT)
        index, place = divmod(node.position, TILE_WIDTH >> row)
        return self._verified(level, index)[row][place]

    def _verified(self, level: int, index: int) -> list[list[bytes]]:
        known = self._tiles.get((level, index))
        if known is not None:
            return known
        tile = tile_at(level, index, self.size)
        rows = self._fetch_rows(tile)
        # Not at the edge, hence full: its root is a hash of the level above.
        if rows[-1][0] != self._node(Node((level + 1) * TILE_HEIGHT, index)):
            raise TileError(f"{tile.path()} does not hash to the root of the tree")
        self._tiles[level, index] = rows
        return rows

    def _load_edge(self, root: bytes) -> None:
        """Fetch the partial tiles of every level and check that their complete nodes fold to the root."""
        if self.size == 0:
            return
        edge: dict[tuple[int, int], list[list[bytes]]] = {}
        for level in range((self.size.bit_length() - 1) // TILE_HEIGHT + 1):
            index, width = divmod(self.size >> (TILE_HEIGHT * level), TILE_WIDTH)
            if width:
                edge[level, index] = self._fetch_rows(Tile(level, index, width))
        hashes = []
        for node in range_nodes(0, self.size):
            level, row = divmod(node.level, TILE_HEIGHT)
            index, place = divmod(node.position, TILE_WIDTH >> row)
            hashes.append(edge[level, index][row][place])
        if fold(hashes) != root:
            raise TileError("the tiles at the edge of the tree do not give its root")
        self._tiles.update(edge)

    def _fetch_rows(self, tile: Tile) -> list[list[bytes]]:
        data = self._fetch(tile.path())
        if len(data) != tile.width * HASH_BYTES:
            raise TileError(f"{tile.path()} has {len(data)} bytes, not {tile.width * HASH_BYTES}")
        return _pyramid([data[i : i + HASH_BYTES] for i in range(0, len(data), HASH_BYTES)])
