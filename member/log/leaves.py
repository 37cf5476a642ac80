"""The leaves that the exchange keeps, as the log serves them in bundles of 256: are they those of the tree?

The tree's hashes are kept apart from the leaves, so that a changed leaf need not show in them. Own leaves are compared
with own entries, which names the entry; all others with the hashes of the verified tree.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from member.log.chain import LogFault, OwnLeaf
from tlog.hashing import leaf_hash
from tlog.tiles import TILE_WIDTH, Tile, TileError, TileHashReader, decode_entries, tile_at

AUDITED_BUNDLES = 1024
"""How many of the newest bundles are read whole: 20 days' of a log of 46 members that ticks every five minutes."""


class StoredLeaves:
    """Reads bundles, each as wide as the tree of that size has it, and each width once."""

    def __init__(self, fetch: Callable[[str], bytes]) -> None:
        self._fetch = fetch
        self._read: dict[tuple[int, int], list[bytes]] = {}

    def _bundle(self, number: int, size: int) -> list[bytes]:
        width = tile_at(0, number, size).width
        if (number, width) not in self._read:
            path = Tile(None, number, width).path().removeprefix("tile/")
            self._read[number, width] = decode_entries(self._fetch(path), width)
        return self._read[number, width]

    def check_own(self, leaves: Iterable[OwnLeaf], size: int) -> None:
        """Compare the stored leaves of own entries below `size` with the entries. Raises LogFault naming the entry."""
        for leaf in leaves:
            if leaf.index >= size:
                continue
            number, offset = divmod(leaf.index, TILE_WIDTH)
            try:
                stored = self._bundle(number, size)[offset]
            except TileError as error:
                raise LogFault(f"the bundle of leaves with it is wrong: {error}", **leaf.where) from error
            if stored != leaf.entry:
                raise LogFault("the leaf stored at its index is another", **leaf.where)

    def audit_newest(self, tree: TileHashReader) -> None:
        """Compare the newest AUDITED_BUNDLES, whoever's they are, with the tree's hashes. Raises LogFault."""
        bundles = -(-tree.size // TILE_WIDTH)
        for number in range(max(0, bundles - AUDITED_BUNDLES), bundles):
            first = number * TILE_WIDTH
            try:
                entries = self._bundle(number, tree.size)
                hashes = [tree.leaf(index) for index in range(first, first + len(entries))]
            except TileError as error:
                raise LogFault(f"a bundle of leaves is wrong: {error}", index=first) from error
            for index, (entry, expected) in enumerate(zip(entries, hashes, strict=True), first):
                if leaf_hash(entry) != expected:
                    raise LogFault("the stored leaf is not the one that the tree was built from", index=index)
