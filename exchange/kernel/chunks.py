"""Long lists in pieces that fit a statement's parameters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, tuple_
from sqlalchemy.orm import InstrumentedAttribute

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


def is_among(columns: Sequence[InstrumentedAttribute[Any]], keys: Sequence[tuple[Any, ...]]) -> ColumnElement[bool]:
    """Whether the columns, the first of which an index begins with, are one of the keys. That column is named by itself
    too: for two whole keys and more SQLite reads the whole table.
    """
    return columns[0].in_([key[0] for key in keys]) & tuple_(*columns).in_(keys)
