"""Long lists in pieces that fit a statement's parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TypeVar

_Item = TypeVar("_Item")


def in_chunks(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    """The items in order, at most `size` at a time."""
    for start in range(0, len(items), size):
        yield items[start : start + size]


def in_even_chunks(items: Sequence[_Item], size: int) -> Iterator[Sequence[_Item]]:
    """The items in order, at most `size` (a power of two) at a time, for `IN (…)`: each piece is filled up to a power
    of two with its last item, so that lists of all lengths make few statements to compile and to keep.
    """
    for some in in_chunks(items, size):
        yield [*some, *[some[-1]] * ((1 << (len(some) - 1).bit_length()) - len(some))]
