"""Proofs against the recursive definition of RFC 6962, and against everyone who bends one."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.tlog.trees import MemoryTree, entries_of, oracle_consistency, oracle_path, oracle_root
from tlog.hashing import EMPTY_ROOT, leaf_hash
from tlog.proofs import (
    ProofError,
    prove_consistency,
    prove_inclusion,
    tree_root,
    verify_consistency,
    verify_inclusion,
)

LARGEST = 300
ENTRIES = entries_of(LARGEST)
TREE = MemoryTree(ENTRIES)
ROOTS = [tree_root(size, TREE.read) for size in range(LARGEST + 1)]

# The eight leaves that the implementations of Certificate Transparency have tested with since 2013.
REFERENCE_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
REFERENCE_ROOTS = {
    0: "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    1: "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    2: "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    3: "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    5: "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    8: "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
}


@st.composite
def index_and_size(draw: st.DrawFn) -> tuple[int, int]:
    size = draw(st.integers(1, LARGEST))
    return draw(st.integers(0, size - 1)), size


@st.composite
def two_sizes(draw: st.DrawFn) -> tuple[int, int]:
    new = draw(st.integers(0, LARGEST))
    return draw(st.integers(0, new)), new


def flip(data: bytes, bit: int) -> bytes:
    position = bit % (8 * len(data))
    return data[: position // 8] + bytes([data[position // 8] ^ 1 << position % 8]) + data[position // 8 + 1 :]


@pytest.mark.parametrize(("size", "root"), REFERENCE_ROOTS.items())
def test_the_reference_tree_has_its_published_roots(size: int, root: str) -> None:
    tree = MemoryTree([bytes.fromhex(leaf) for leaf in REFERENCE_LEAVES])
    assert tree_root(size, tree.read).hex() == root


def test_every_root_up_to_300_is_the_definition_s() -> None:
    for size in range(LARGEST + 1):
        assert ROOTS[size] == oracle_root(ENTRIES[:size])


def test_every_inclusion_proof_up_to_70_is_the_definition_s_and_verifies() -> None:
    for size in range(1, 71):
        for index in range(size):
            proof = prove_inclusion(index, size, TREE.read)
            assert proof == oracle_path(index, ENTRIES[:size])
            verify_inclusion(leaf_hash(ENTRIES[index]), index, size, proof, ROOTS[size])


def test_every_consistency_proof_up_to_70_is_the_definition_s_and_verifies() -> None:
    for new in range(1, 71):
        for old in range(new + 1):
            proof = prove_consistency(old, new, TREE.read)
            assert proof == (oracle_consistency(old, ENTRIES[:new]) if old else [])
            verify_consistency(old, ROOTS[old], new, ROOTS[new], proof)


@given(index_and_size())
def test_larger_inclusion_proofs_verify(case: tuple[int, int]) -> None:
    index, size = case
    proof = prove_inclusion(index, size, TREE.read)
    assert proof == oracle_path(index, ENTRIES[:size])
    verify_inclusion(leaf_hash(ENTRIES[index]), index, size, proof, ROOTS[size])


@given(two_sizes())
def test_larger_consistency_proofs_verify(case: tuple[int, int]) -> None:
    old, new = case
    verify_consistency(old, ROOTS[old], new, ROOTS[new], prove_consistency(old, new, TREE.read))


@given(index_and_size(), st.integers(0, 2**16), st.data())
def test_attacker_cannot_flip_a_bit_of_anything_in_an_inclusion_proof(
    case: tuple[int, int], bit: int, data: st.DataObject
) -> None:
    index, size = case
    values = [leaf_hash(ENTRIES[index]), ROOTS[size], *prove_inclusion(index, size, TREE.read)]
    target = data.draw(st.integers(0, len(values) - 1))
    values[target] = flip(values[target], bit)
    leaf, root, *proof = values
    with pytest.raises(ProofError):
        verify_inclusion(leaf, index, size, proof, root)


@given(index_and_size(), index_and_size())
def test_attacker_cannot_move_a_leaf_to_another_index_or_size(one: tuple[int, int], other: tuple[int, int]) -> None:
    (index, size), (other_index, other_size) = one, other
    proof = prove_inclusion(index, size, TREE.read)
    leaf = leaf_hash(ENTRIES[index])
    if other_index != index and other_index < size:  # size and root are signed together
        with pytest.raises(ProofError):
            verify_inclusion(leaf, other_index, size, proof, ROOTS[size])
    if other_size != size:
        with pytest.raises(ProofError):
            verify_inclusion(leaf, index, other_size, proof, ROOTS[other_size])


@given(index_and_size(), st.binary(min_size=32, max_size=32))
def test_attacker_cannot_lengthen_or_shorten_an_inclusion_proof(case: tuple[int, int], extra: bytes) -> None:
    index, size = case
    proof = prove_inclusion(index, size, TREE.read)
    leaf, root = leaf_hash(ENTRIES[index]), ROOTS[size]
    bent = [[*proof, extra], [extra, *proof], [*proof, root], *([proof[:-1], proof[1:]] if proof else [])]
    for wrong in bent:
        with pytest.raises(ProofError):
            verify_inclusion(leaf, index, size, wrong, root)


@given(two_sizes(), st.integers(0, 2**16), st.data())
def test_attacker_cannot_flip_a_bit_of_anything_in_a_consistency_proof(
    case: tuple[int, int], bit: int, data: st.DataObject
) -> None:
    old, new = case
    values = [ROOTS[old], ROOTS[new], *prove_consistency(old, new, TREE.read)]
    # Any tree grows from the empty one, so a new root beside size 0 is bound by nothing yet.
    target = data.draw(st.sampled_from([0] if old == 0 else range(len(values))))
    values[target] = flip(values[target], bit)
    old_root, new_root, *proof = values
    with pytest.raises(ProofError):
        verify_consistency(old, old_root, new, new_root, proof)


@given(two_sizes(), st.integers(1, LARGEST))
def test_attacker_cannot_claim_another_old_size(case: tuple[int, int], other: int) -> None:
    old, new = case
    if old in (0, other):
        return
    with pytest.raises(ProofError):
        verify_consistency(other, ROOTS[old], new, ROOTS[new], prove_consistency(old, new, TREE.read))


@given(two_sizes(), st.binary(min_size=32, max_size=32))
def test_attacker_cannot_lengthen_or_shorten_a_consistency_proof(case: tuple[int, int], extra: bytes) -> None:
    old, new = case
    proof = prove_consistency(old, new, TREE.read)
    for wrong in [[*proof, extra], [extra, *proof], *([proof[:-1], proof[1:]] if proof else [])]:
        with pytest.raises(ProofError):
            verify_consistency(old, ROOTS[old], new, ROOTS[new], wrong)


@settings(max_examples=30)
@given(st.integers(2, LARGEST), st.data())
def test_attacker_cannot_fork_history(new: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, new - 1))
    forked = MemoryTree([b"forged", *ENTRIES[1:new]])
    proof = prove_consistency(old, new, forked.read)
    with pytest.raises(ProofError):
        verify_consistency(old, ROOTS[old], new, tree_root(new, forked.read), proof)


@pytest.mark.parametrize("number", [-1, 2**63, 2**64])
def test_numbers_outside_63_bits_are_refused(number: int) -> None:
    with pytest.raises(ProofError):
        verify_inclusion(EMPTY_ROOT, number, 1, [], EMPTY_ROOT)
    with pytest.raises(ProofError):
        verify_consistency(1, EMPTY_ROOT, number, EMPTY_ROOT, [])


def test_proofs_beyond_the_tree_are_not_made() -> None:
    with pytest.raises(ProofError):
        prove_inclusion(5, 5, TREE.read)
    with pytest.raises(ProofError):
        prove_consistency(6, 5, TREE.read)
