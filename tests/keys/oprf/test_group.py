"""The group refuses all but the one encoding of an element, and its loops agree with its single operations."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from keys.oprf import group
from keys.oprf.group import ELEMENT_BYTES, IDENTITY, ORDER, InvalidElementError, InvalidScalarError
from tests.keys.oprf.ristretto_reference import BAD_ENCODINGS, GENERATOR_MULTIPLES, is_element

G, TWO_G, THREE_G = (bytes.fromhex(multiple) for multiple in GENERATOR_MULTIPLES)
TWO = group.scalar_from_int(2)
BIT_255 = bytes((*G[:31], G[31] | 0x80))

BATCH_OPERATIONS: dict[str, Callable[[bytes], object]] = {
    "check_elements": group.check_elements,
    "multiply_each": lambda batch: group.multiply_each(TWO, batch),
    "multiply_pairs": lambda batch: group.multiply_pairs(TWO * (len(batch) // 32), batch),
    "add_pairs_left": lambda batch: group.add_pairs(batch, G * (len(batch) // 32)),
    "add_pairs_right": lambda batch: group.add_pairs(G * (len(batch) // 32), batch),
    "sum_elements": group.sum_elements,
}

batch_operations = pytest.mark.parametrize("operate", BATCH_OPERATIONS.values(), ids=BATCH_OPERATIONS)
bad_encodings = pytest.mark.parametrize(
    "bad", [*map(bytes.fromhex, BAD_ENCODINGS), IDENTITY, BIT_255], ids=[*BAD_ENCODINGS, "identity", "bit 255"]
)


def test_multiples_of_the_generator_are_those_of_the_rfc() -> None:
    assert group.multiply_base(group.scalar_from_int(1)) == G
    assert group.multiply_base(TWO) == group.multiply(TWO, G) == group.add(G, G) == TWO_G
    assert group.add(TWO_G, G) == group.sum_elements(G + G + G) == THREE_G
    assert group.subtract(THREE_G, TWO_G) == G


@bad_encodings
def test_a_bad_encoding_is_refused_alone(bad: bytes) -> None:
    for operate in (
        group.check_element,
        lambda element: group.multiply(TWO, element),
        lambda element: group.add(element, G),
        lambda element: group.add(G, element),
        lambda element: group.subtract(G, element),
    ):
        with pytest.raises(InvalidElementError):
            operate(bad)


@bad_encodings
@batch_operations
def test_a_bad_encoding_in_a_batch_is_refused_and_its_position_named(
    operate: Callable[[bytes], object], bad: bytes
) -> None:
    with pytest.raises(InvalidElementError) as refusal:
        operate(G * 5 + bad + G * 2)
    assert refusal.value.position == 5
    assert "element 5" in str(refusal.value)


@batch_operations
def test_a_batch_that_is_no_whole_number_of_elements_is_refused(operate: Callable[[bytes], object]) -> None:
    with pytest.raises(InvalidElementError, match="whole number"):
        operate(G + G[:31])


@pytest.mark.parametrize("length", [0, 31, 33, 64])
def test_an_element_of_another_length_is_refused(length: int) -> None:
    wrong = (G * 2)[:length]
    for operate in (
        group.check_element,
        lambda element: group.multiply(TWO, element),
        lambda element: group.add(element, element),
    ):
        with pytest.raises(InvalidElementError):
            operate(wrong)


def test_zeros_that_straddle_two_elements_are_not_taken_for_the_identity() -> None:
    left, right = bytes((*G[:16], *bytes(16))), bytes((*bytes(16), *G[16:]))
    with pytest.raises(InvalidElementError) as refusal:
        group.check_elements(left + right)
    assert "identity" not in refusal.value.reason
    group.check_batch_form(left + right)


def test_the_form_of_a_batch_is_checked_without_its_encodings() -> None:
    group.check_batch_form(G + bytes.fromhex(BAD_ENCODINGS[-1]))
    for bad in (IDENTITY, BIT_255):
        with pytest.raises(InvalidElementError) as refusal:
            group.check_batch_form(G + bad)
        assert refusal.value.position == 1


def test_the_form_of_a_batch_is_tested_without_looking_at_points(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key holder does so before it charges anything."""
    monkeypatch.setattr(group, "_is_valid_point", lambda _: pytest.fail("a point was looked at"))
    with pytest.raises(group.InvalidElementError) as caught:
        group.check_batch_form(G * 3 + BIT_255 + G)
    assert caught.value.position == 3


@given(st.binary(min_size=ELEMENT_BYTES, max_size=ELEMENT_BYTES))
@settings(deadline=None, max_examples=300)
def test_exactly_the_encodings_of_the_rfc_are_accepted(encoding: bytes) -> None:
    assert_accepted_as_the_rfc_says(encoding)


@given(st.integers(1, ORDER - 1), st.integers(0, 255))
@settings(deadline=None)
def test_an_element_with_a_flipped_bit_is_decoded_as_the_rfc_says(scalar: int, bit: int) -> None:
    element = int.from_bytes(group.multiply_base(group.scalar_from_int(scalar)), "little")
    assert_accepted_as_the_rfc_says(element.to_bytes(32, "little"))
    assert_accepted_as_the_rfc_says((element ^ (1 << bit)).to_bytes(32, "little"))


def assert_accepted_as_the_rfc_says(encoding: bytes) -> None:
    if is_element(encoding) and encoding != IDENTITY:
        group.check_element(encoding)
    else:
        with pytest.raises(InvalidElementError):
            group.check_element(encoding)
        with pytest.raises(InvalidElementError):
            group.multiply(TWO, encoding)


@given(st.integers(0, 2**256 - 1) | st.integers(ORDER - 2, ORDER + 2) | st.integers(0, 2))
@settings(deadline=None)
def test_exactly_the_scalars_between_one_and_the_order_are_accepted(value: int) -> None:
    scalar = value.to_bytes(32, "little")
    if 0 < value < ORDER:
        assert group.scalar_to_int(scalar) == value
        assert len(group.multiply(scalar, G)) == ELEMENT_BYTES
        return
    for operate in (
        group.check_scalar,
        group.multiply_base,
        lambda bad: group.multiply(bad, G),
        lambda bad: group.multiply_each(bad, G),
        lambda bad: group.multiply_pairs(TWO + bad, G + G),
    ):
        with pytest.raises(InvalidScalarError):
            operate(scalar)


@given(st.binary(max_size=70).filter(lambda data: len(data) != group.SCALAR_BYTES))
def test_a_scalar_of_another_length_is_refused(scalar: bytes) -> None:
    with pytest.raises(InvalidScalarError):
        group.scalar_to_int(scalar)


@given(st.lists(st.tuples(st.integers(1, ORDER - 1), st.integers(1, ORDER - 1)), max_size=6))
@settings(deadline=None, max_examples=30)
def test_batches_agree_with_arithmetic_in_the_exponent(pairs: list[tuple[int, int]]) -> None:
    left, right = [pair[0] for pair in pairs], [pair[1] for pair in pairs]

    def elements(values: list[int]) -> bytes:
        return b"".join(group.multiply_base(group.scalar_from_int(value)) for value in values)

    products = [a * b for a, b in pairs]
    assert group.multiply_pairs(group.join_scalars(left), elements(right)) == elements(products)
    assert group.multiply_each(TWO, elements(left)) == elements([2 * a for a in left])
    if all((a + b) % ORDER for a, b in pairs):
        assert group.add_pairs(elements(left), elements(right)) == elements([a + b for a, b in pairs])
    if sum(left) % ORDER:
        assert group.sum_elements(elements(left)) == elements([sum(left)])
    assert [a * b % ORDER for a, b in zip(left, group.invert_batch(left), strict=True)] == [1] * len(left)


def test_sums_go_to_the_group_of_each_element() -> None:
    assert group.sum_groups([1, 0, 1], G + TWO_G + TWO_G, 3) == TWO_G + THREE_G + IDENTITY
    with pytest.raises(ValueError, match="out of range"):
        group.sum_groups([3], G, 3)
    with pytest.raises(ValueError, match="out of range"):
        group.sum_groups([-1], G, 3)
    with pytest.raises(ValueError, match="one group"):
        group.sum_groups([0, 0], G, 3)


def test_unequal_batches_are_refused() -> None:
    with pytest.raises(ValueError, match="unequal"):
        group.add_pairs(G, G + G)
    with pytest.raises(ValueError, match="unequal"):
        group.multiply_pairs(TWO, G + G)


def test_zero_among_scalars_has_no_inverse() -> None:
    with pytest.raises(InvalidScalarError):
        group.invert_batch([1, 0, 2])


def test_random_scalars_are_in_range_and_differ() -> None:
    values = group.random_ints(100)
    assert len(set(values)) == 100
    assert all(0 < value < ORDER for value in values)


def test_empty_batches_give_empty_results() -> None:
    assert group.multiply_each(TWO, b"") == group.add_pairs(b"", b"") == group.hash_to_group_each([], b"dst") == b""
    assert group.sum_elements(b"") == IDENTITY


@pytest.mark.parametrize("dst", [b"", bytes(256)])
def test_a_domain_separation_tag_has_1_to_255_bytes(dst: bytes) -> None:
    with pytest.raises(ValueError, match="domain separation tag"):
        group.hash_to_group(b"message", dst)
