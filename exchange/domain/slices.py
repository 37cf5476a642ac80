"""Cutting the rows of a part into slices, so that no transaction holds its group's lock for long.

A row costs by the members that hold its token: each may have to be shown something new. Rules, in order:
1. A slice holds at least one row.
2. Beyond that its rows, and four times the rows that others hold of their tokens, are at most SLICE_ROWS together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

SLICE_ROWS = 20_000
"""What takes some tenths of a second if all that it can change changes."""
_HOLDER_COSTS = 4
"""To show another holder something new costs several times what storing a row costs."""


def end_of_slice(tokens: Sequence[bytes], start: int, held: Mapping[bytes, int], most: int = SLICE_ROWS) -> int:
    """The position behind the last row of the slice that begins at `start`, by the tokens of the rows and how many rows
    others `held` of each when they were counted.
    """
    left = most
    for position in range(start, len(tokens)):
        left -= 1 + _HOLDER_COSTS * held.get(tokens[position], 0)
        if left < 0:
            return max(position, start + 1)
    return len(tokens)
