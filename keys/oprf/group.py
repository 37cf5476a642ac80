"""The group ristretto255 (RFC 9496) and its scalars, over libsodium, one element or many at a time.

Rules, in order, before any arithmetic:
1. Length: an element is 32 bytes, a batch a whole number of them.
2. Bit 255 is clear. libsodium 1.0.18 ignores it, so that two encodings would stand for one element.
3. The identity (32 zero bytes) is refused. libsodium calls it a valid point.
4. The encoding is canonical (RFC 9496 section 4.3.1). libsodium checks this in every operation.
5. Scalars are 32 bytes, little-endian, between 1 and L - 1.

Batches are bare concatenated encodings, as on the wire. Their loops run inside `map` with addresses as integers:
a call then costs little more than libsodium's own work. A sum may be the identity; nothing here takes it as input.
"""

from __future__ import annotations

import ctypes
import hashlib
import os
from collections.abc import Callable, Iterable, Sequence
from itertools import repeat

from keys.oprf import libsodium

ELEMENT_BYTES = 32
SCALAR_BYTES = 32
ORDER = 2**252 + 27742317777372353535851937790883648493
"""L, the prime order of the group (RFC 9496 section 4)."""
IDENTITY = bytes(ELEMENT_BYTES)

_sodium = libsodium.load()
_is_valid_point = _sodium.crypto_core_ristretto255_is_valid_point
_from_hash = _sodium.crypto_core_ristretto255_from_hash
_add = _sodium.crypto_core_ristretto255_add
_subtract = _sodium.crypto_core_ristretto255_sub
_multiply = _sodium.crypto_scalarmult_ristretto255
_multiply_base = _sodium.crypto_scalarmult_ristretto255_base

_UNIFORM_BYTES = 64
_sha512 = hashlib.sha512
_Z_PAD = _sha512(bytes(128))
_SURELY_BELOW_ORDER = 0x10
"""A scalar whose last byte is below this is below 2^252, hence below L."""


class InvalidElementError(ValueError):
    """These bytes are no element, or the identity. `position` counts from 0 in a batch; None for a single element."""

    def __init__(self, reason: str, position: int | None = None) -> None:
        self.reason = reason
        self.position = position
        super().__init__(reason if position is None else f"element {position}: {reason}")


class InvalidScalarError(ValueError):
    """These bytes are not a scalar between 1 and L - 1."""


# Elements


def check_element(element: bytes) -> None:
    """Raises InvalidElementError unless these are 32 bytes, bit 255 clear, canonical, and not the identity."""
    reason = _element_fault(element)
    if reason is not None:
        raise InvalidElementError(reason)


def check_elements(elements: bytes) -> None:
    """Checks each element of a batch (n * 32 bytes). Raises InvalidElementError naming the first bad one's position."""
    _count(elements)
    fault = _first_fault(elements)
    if fault is not None:
        raise fault


def check_batch_form(elements: bytes) -> None:
    """Rules 1 to 3 for a batch, at almost no cost. Rule 4 is left to the first operation on it.

    Raises InvalidElementError naming the position.
    """
    _count(elements)
    _refuse_identity(elements)


def hash_to_group(message: bytes, dst: bytes) -> bytes:
    """hash_to_ristretto255 (RFC 9380 appendix B) with expand_message_xmd over SHA-512; dst is at most 255 bytes."""
    return hash_to_group_each((message,), dst)


def hash_to_group_each(messages: Iterable[bytes], dst: bytes) -> bytes:
    """The element of each message, concatenated."""
    uniform = b"".join(map(expander(dst), messages))
    count = len(uniform) // _UNIFORM_BYTES
    start = _address(uniform)
    result = ctypes.create_string_buffer(count * ELEMENT_BYTES)
    _run(_from_hash, _steps(ctypes.addressof(result), count), range(start, start + len(uniform), _UNIFORM_BYTES))
    return result.raw


def multiply(scalar: bytes, element: bytes) -> bytes:
    """scalar * element. Raises InvalidScalarError, InvalidElementError."""
    check_scalar(scalar)
    if len(element) != ELEMENT_BYTES:
        check_element(element)
    return _multiply_each(scalar, element, alone=True)


def multiply_base(scalar: bytes) -> bytes:
    """scalar * generator. Raises InvalidScalarError."""
    check_scalar(scalar)
    result = ctypes.create_string_buffer(ELEMENT_BYTES)
    _multiply_base(result, scalar)
    return result.raw


def multiply_each(scalar: bytes, elements: bytes) -> bytes:
    """scalar * elements[i] for each i. Raises InvalidScalarError, InvalidElementError naming the position."""
    check_scalar(scalar)
    return _multiply_each(scalar, elements)


def multiply_pairs(scalars: bytes, elements: bytes) -> bytes:
    """scalars[i] * elements[i] for each i.

    Raises ValueError for unequal numbers, InvalidScalarError, InvalidElementError naming the position.
    """
    count = _count(elements)
    _check_same_length(scalars, elements)
    if count and max(scalars[31::32]) >= _SURELY_BELOW_ORDER:
        _check_each_scalar(scalars)
    result = ctypes.create_string_buffer(len(elements))
    if _run(
        _multiply,
        _steps(ctypes.addressof(result), count),
        _steps(_address(scalars), count),
        _steps(_address(elements), count),
    ):
        _check_each_scalar(scalars)  # a zero scalar fails like a bad element does
        raise _first_fault(elements) or InvalidElementError("the product is the identity")
    return result.raw


def add(left: bytes, right: bytes) -> bytes:
    """left + right. Raises InvalidElementError."""
    return _combine(_add, left, right, alone=True)


def subtract(left: bytes, right: bytes) -> bytes:
    """left - right. Raises InvalidElementError."""
    return _combine(_subtract, left, right, alone=True)


def add_pairs(left: bytes, right: bytes) -> bytes:
    """left[i] + right[i] for each i. Raises ValueError for unequal numbers, InvalidElementError naming the position."""
    return _combine(_add, left, right)


def sum_elements(elements: bytes) -> bytes:
    """The sum of a batch; the identity for an empty one. Raises InvalidElementError naming the position."""
    return sum_groups(bytes(len(elements) // ELEMENT_BYTES), elements, 1)


def sum_groups(group_of: Sequence[int], elements: bytes, groups: int) -> bytes:
    """The sum of each group's elements, `groups` * 32 bytes; element i is in group group_of[i], from 0 to groups - 1.

    The identity stands for an empty group. Raises ValueError for a group out of range or unequal numbers,
    InvalidElementError naming the position.
    """
    count = _count(elements)
    if len(group_of) != count:
        raise ValueError("every element is in one group")
    if count and not 0 <= min(group_of) <= max(group_of) < groups:
        raise ValueError("a group is out of range")
    _refuse_identity(elements)
    sums = ctypes.create_string_buffer(groups * ELEMENT_BYTES)
    slots = list(_steps(ctypes.addressof(sums), groups))
    totals = [slots[group] for group in group_of]
    # Each addition reads both operands before it writes, so a sum may be its own operand.
    if _run(_add, totals, totals, _steps(_address(elements), count)):
        raise _first_fault(elements) or InvalidElementError("not an element")
    return sums.raw


# Scalars


def check_scalar(scalar: bytes) -> None:
    """Raises InvalidScalarError unless these are 32 bytes, little-endian, between 1 and L - 1."""
    scalar_to_int(scalar)


def scalar_to_int(scalar: bytes) -> int:
    """The integer of a scalar. Raises InvalidScalarError unless 32 bytes and between 1 and L - 1."""
    if len(scalar) != SCALAR_BYTES:
        raise InvalidScalarError(f"a scalar is {SCALAR_BYTES} bytes, these are {len(scalar)}")
    value = int.from_bytes(scalar, "little")
    if not 0 < value < ORDER:
        raise InvalidScalarError("a scalar lies between 1 and the order of the group")
    return value


def scalar_from_int(value: int) -> bytes:
    """The 32 bytes of value mod L."""
    return (value % ORDER).to_bytes(SCALAR_BYTES, "little")


def join_scalars(values: Iterable[int]) -> bytes:
    """The scalars of integers already between 0 and L - 1, concatenated."""
    return b"".join([value.to_bytes(SCALAR_BYTES, "little") for value in values])


def random_scalar() -> bytes:
    """A uniform scalar between 1 and L - 1 (RFC 9497 section 2.1, RandomScalar)."""
    return scalar_from_int(random_ints(1)[0])


def random_ints(count: int) -> list[int]:
    """`count` integers, uniform between 1 and L - 1: 512 random bits each, so the bias is below 2^-258."""
    noise = os.urandom(count * _UNIFORM_BYTES)
    from_bytes = int.from_bytes
    values = [from_bytes(noise[at : at + 64], "little") % ORDER for at in range(0, len(noise), _UNIFORM_BYTES)]
    return values if all(values) else random_ints(count)


def invert_batch(values: Sequence[int]) -> list[int]:
    """1/v mod L of each value, with one inversion and three products a value (Montgomery's trick).

    Raises InvalidScalarError if a value is 0 mod L.
    """
    products = []
    product = 1
    for value in values:
        products.append(product)
        product = product * value % ORDER
    if product == 0:
        raise InvalidScalarError("zero has no inverse")
    inverse = pow(product, -1, ORDER)
    inverses = [0] * len(values)
    for at in range(len(values) - 1, -1, -1):
        inverses[at] = inverse * products[at] % ORDER
        inverse = inverse * values[at] % ORDER
    return inverses


def hash_to_scalar(message: bytes, dst: bytes) -> int:
    """HashToScalar of RFC 9497 section 4.1: 64 bytes of expand_message_xmd, little-endian, mod L."""
    return int.from_bytes(expander(dst)(message), "little") % ORDER


def expander(dst: bytes) -> Callable[[bytes], bytes]:
    """expand_message_xmd (RFC 9380 section 5.3.1) with SHA-512 and 64 bytes out, so that its first block is enough."""
    if not 0 < len(dst) <= 255:
        raise ValueError("a domain separation tag is 1 to 255 bytes")
    dst_prime = dst + bytes((len(dst),))
    tail = _UNIFORM_BYTES.to_bytes(2, "big") + b"\x00" + dst_prime
    last = b"\x01" + dst_prime

    def expand(message: bytes) -> bytes:
        state = _Z_PAD.copy()
        state.update(message + tail)
        return _sha512(state.digest() + last).digest()

    return expand


# The loops


def _run(function: Callable[..., int], *operands: Iterable[int]) -> bool:
    """Calls a libsodium function along addresses, and stops at the first that fails (whether one did)."""
    return any(map(function, *operands))


def _steps(address: int, count: int) -> range:
    return range(address, address + count * ELEMENT_BYTES, ELEMENT_BYTES)


def _address(data: bytes) -> int:
    """Where the bytes lie; the caller keeps them alive while the address is in use."""
    return ctypes.cast(ctypes.c_char_p(data), ctypes.c_void_p).value or 0


def _multiply_each(scalar: bytes, elements: bytes, *, alone: bool = False) -> bytes:
    count = _count(elements)
    result = ctypes.create_string_buffer(len(elements))
    if _run(
        _multiply,
        _steps(ctypes.addressof(result), count),
        repeat(_address(scalar)),
        _steps(_address(elements), count),
    ):
        raise _first_fault(elements, alone=alone) or InvalidElementError("the product is the identity")
    return result.raw


def _combine(function: Callable[..., int], left: bytes, right: bytes, *, alone: bool = False) -> bytes:
    if alone:
        for element in (left, right):
            if len(element) != ELEMENT_BYTES:
                check_element(element)
    count = _count(left)
    _count(right)
    _check_same_length(left, right)
    _refuse_identity(left)
    _refuse_identity(right)
    result = ctypes.create_string_buffer(len(left))
    if _run(
        function,
        _steps(ctypes.addressof(result), count),
        _steps(_address(left), count),
        _steps(_address(right), count),
    ):
        raise _first_fault(left) or _first_fault(right) or InvalidElementError("not an element")
    return result.raw


# The checks


def _count(elements: bytes) -> int:
    """The number of elements of a batch, after rules 1 and 2."""
    count, rest = divmod(len(elements), ELEMENT_BYTES)
    if rest:
        raise InvalidElementError(f"a batch is a whole number of {ELEMENT_BYTES} bytes, this is {len(elements)}")
    highest = elements[ELEMENT_BYTES - 1 :: ELEMENT_BYTES]
    if not highest.isascii():  # one test of all last bytes: bit 255 is their highest bit
        at = next(at for at, byte in enumerate(highest) if byte & 0x80)
        raise InvalidElementError("bit 255 is set", at)
    return count


def _refuse_identity(elements: bytes) -> None:
    if IDENTITY in elements:  # rare: only then is it worth looking at each position
        for at in range(0, len(elements), ELEMENT_BYTES):
            if elements[at : at + ELEMENT_BYTES] == IDENTITY:
                raise InvalidElementError("the identity is refused", at // ELEMENT_BYTES)


def _first_fault(elements: bytes, *, alone: bool = False) -> InvalidElementError | None:
    for at in range(0, len(elements), ELEMENT_BYTES):
        reason = _element_fault(elements[at : at + ELEMENT_BYTES])
        if reason is not None:
            return InvalidElementError(reason, None if alone else at // ELEMENT_BYTES)
    return None


def _element_fault(element: bytes) -> str | None:
    if len(element) != ELEMENT_BYTES:
        return f"an element is {ELEMENT_BYTES} bytes, these are {len(element)}"
    if element[31] & 0x80:
        return "bit 255 is set"
    if element == IDENTITY:
        return "the identity is refused"
    if not _is_valid_point(element):
        return "not a canonical encoding of an element"
    return None


def _check_same_length(left: bytes, right: bytes) -> None:
    if len(left) != len(right):
        raise ValueError("the two batches are of unequal length")


def _check_each_scalar(scalars: bytes) -> None:
    for at in range(0, len(scalars), SCALAR_BYTES):
        check_scalar(scalars[at : at + SCALAR_BYTES])
