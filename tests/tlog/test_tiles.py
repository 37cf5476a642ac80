"""Tiles: paths, bundles, and a reader that believes nothing the root does not vouch for."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tlog.trees import MemoryTree, entries_of
from tlog.growth import TreeEdge
from tlog.hashing import leaf_hash
from tlog.proofs import Node, prove_consistency, prove_inclusion, tree_root, verify_consistency, verify_inclusion
from tlog.tiles import (
    Tile,
    TileError,
    TileHashReader,
    decode_entries,
    encode_entries,
    parse_tile_path,
    tile_at,
)

LARGE = MemoryTree(entries_of(66_000))
LARGE_ROOT = tree_root(66_000, LARGE.read)


def reader(size: int, tree: MemoryTree = LARGE) -> TileHashReader:
    return TileHashReader(size, tree_root(size, tree.read), tree.tile)


def test_paths_are_written_as_tlog_tiles_says() -> None:
    assert Tile(0, 1234067).path() == "tile/0/x001/x234/067"
    assert Tile(1, 0, 17).path() == "tile/1/000.p/17"
    assert Tile(None, 1000, 112).path() == "tile/entries/x001/000.p/112"


@given(st.one_of(st.none(), st.integers(0, 63)), st.integers(0, 10**18 - 1), st.integers(1, 256))
def test_paths_round_trip(level: int | None, index: int, width: int) -> None:
    tile = Tile(level, index, width)
    assert parse_tile_path(tile.path()) == tile


@pytest.mark.parametrize(
    "path",
    [
        "tile/0/0",
        "tile/0/00",
        "tile/0/0000",
        "tile/0/x000/067",
        "tile/0/001/067",
        "tile/0/x001",
        "tile/64/000",
        "tile/00/000",
        "tile/-1/000",
        "tile/0/000.p/0",
        "tile/0/000.p/256",
        "tile/0/000.p/999",
        "tile/0/000.p/01",
        "tile/0/000.p/",
        "tile/0/٠٠٠",
        "tile/0/000\n",
        "tile/entry/000",
        "tile/0/" + "x001/" * 7 + "000",
        "/tile/0/000",
        "",
    ],
)
def test_other_paths_are_refused(path: str) -> None:
    with pytest.raises(TileError):
        parse_tile_path(path)


def test_the_specification_s_tree_of_70_000_has_its_tiles() -> None:
    assert tile_at(0, 272, 70_000) == Tile(0, 272)
    assert tile_at(0, 273, 70_000) == Tile(0, 273, 112)
    assert tile_at(1, 0, 70_000) == Tile(1, 0)
    assert tile_at(1, 1, 70_000) == Tile(1, 1, 17)
    assert tile_at(2, 0, 70_000) == Tile(2, 0, 1)
    for level, index in [(0, 274), (1, 2), (2, 1), (3, 0)]:
        with pytest.raises(TileError):
            tile_at(level, index, 70_000)


@given(st.lists(st.binary(max_size=80), max_size=20))
def test_bundles_round_trip(entries: list[bytes]) -> None:
    data = encode_entries(entries)
    assert decode_entries(data, len(entries)) == entries
    with pytest.raises(TileError):
        decode_entries(data, len(entries) + 1)
    with pytest.raises(TileError):
        decode_entries(data + b"\x00", len(entries))


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 66_000), st.data())
def test_leaves_and_proofs_come_out_right_at_any_size(size: int, data: st.DataObject) -> None:
    tiles = reader(size)
    index = data.draw(st.integers(0, size - 1))
    old = data.draw(st.integers(0, size))
    assert tiles.leaf(index) == LARGE.rows[0][index]
    proof = prove_inclusion(index, size, tiles.read)
    root = tree_root(size, LARGE.read)
    verify_inclusion(tiles.leaf(index), index, size, proof, root)
    verify_consistency(old, tree_root(old, tiles.read), size, root, prove_consistency(old, size, tiles.read))
    assert tree_root(old, tiles.read) == tree_root(old, LARGE.read)


@settings(max_examples=40, deadline=None)
@given(st.integers(1, 66_000), st.data())
def test_attacker_cannot_flip_a_bit_of_any_tile_that_is_used(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    LARGE.fetched.clear()
    reader(size).leaf(index)
    target = data.draw(st.sampled_from(LARGE.fetched))
    bit = data.draw(st.integers(0, 10**6))

    def bent(path: str) -> bytes:
        raw = bytearray(LARGE.tile(path))
        if path == target:
            raw[bit // 8 % len(raw)] ^= 1 << bit % 8
        return bytes(raw)

    with pytest.raises(TileError):
        TileHashReader(size, tree_root(size, LARGE.read), bent).leaf(index)


@pytest.mark.parametrize("change", [lambda data: data[:-1], lambda data: data + bytes(32), lambda data: b""])
def test_tiles_of_the_wrong_length_are_refused(change: object) -> None:
    assert callable(change)
    with pytest.raises(TileError):
        TileHashReader(66_000, LARGE_ROOT, lambda path: change(LARGE.tile(path)))


def test_tiles_of_another_tree_are_refused() -> None:
    other = MemoryTree([b"forged", *entries_of(1_000)[1:]])
    with pytest.raises(TileError):
        TileHashReader(1_000, tree_root(1_000, LARGE.read), other.tile).leaf(0)
    with pytest.raises(TileError):
        TileHashReader(1_000, tree_root(999, LARGE.read), LARGE.tile)


def test_nodes_outside_the_tree_are_refused() -> None:
    tiles = reader(1_000)
    for node in (Node(0, 1_000), Node(0, -1), Node(9, 1), Node(10, 0)):
        with pytest.raises(TileError):
            tiles.read([node])


def test_each_tile_is_fetched_once() -> None:
    LARGE.fetched.clear()
    tiles = reader(66_000)
    for index in range(0, 66_000, 100):
        tiles.leaf(index)
    assert len(LARGE.fetched) == len(set(LARGE.fetched))


def test_the_tree_of_nothing_needs_no_tiles() -> None:
    tiles = TileHashReader(0, tree_root(0, LARGE.read), LARGE.tile)
    with pytest.raises(TileError):
        tiles.leaf(0)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, 700), min_size=1, max_size=6))
def test_the_growing_edge_gives_the_same_roots_and_tiles(steps: list[int]) -> None:
    edge = TreeEdge()
    for step in steps:
        start = edge.size
        for tile in edge.append(LARGE.rows[0][start : start + step]):
            assert tile.hashes == LARGE.tile(Tile(tile.level, tile.index).path())
            assert tile.root == LARGE.rows[8 * (tile.level + 1)][tile.index]
        assert edge.root() == tree_root(edge.size, LARGE.read)


def test_the_edge_grows_through_the_second_level() -> None:
    edge = TreeEdge()
    filled = edge.append(LARGE.rows[0])
    assert [(tile.level, tile.index) for tile in filled if tile.level == 1] == [(1, 0)]
    assert len(filled) == 66_000 // 256 + 1
    assert edge.root() == LARGE_ROOT


def test_an_edge_that_does_not_fit_its_size_is_refused() -> None:
    cases: list[tuple[int, list[list[bytes]]]] = [
        (1, []),
        (0, [[leaf_hash(b"")]]),
        (256, [[], []]),
        (2, [[leaf_hash(b"")]]),
    ]
    for size, levels in cases:
        with pytest.raises(ValueError, match="partial tiles"):
            TreeEdge(size, levels)
