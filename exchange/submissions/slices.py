"""Cutting the rows of a part into slices, so that no transaction holds its group's lock for long.

A row costs by the members that hold its token: each may have to be shown something new. Rules, in order:
1. A slice holds at least one row.
2. Beyond that its rows, and four times the most members that can hold their tokens besides, are at most SLICE_ROWS
   together.
3. How many can hold a token is what its member learns by its hit and knows of its group: where a part is cut shows in
   its log, and must tell it no more (docs/adr/0046).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from exchange.indicators.matching import band_of
from schemas.terms import InstitutionBand

SLICE_ROWS = 20_000
"""What takes some tenths of a second if all that it can change changes."""
_HOLDER_COSTS = 4
"""To show another holder something new costs several times what storing a row costs."""
_MAX_OTHERS = {InstitutionBand.ONE.value: 1, InstitutionBand.TWO_TO_FOUR.value: 4}


def max_holders(others: int, group_members: int) -> int:
    """How many others can hold a token that so many hold, at least 1, for all that one of them knows: the upper end of
    their band, where it has one, and at most the others of their group.
    """
    return min(_MAX_OTHERS.get(band_of(others), group_members), max(group_members - 1, 1))


def end_of_slice(tokens: Sequence[bytes], start: int, held: Mapping[bytes, int], most: int = SLICE_ROWS) -> int:
    """The position behind the last row of the slice that begins at `start`, by the tokens of the rows and how many
    others can hold each that anybody holds.
    """
    left = most
    for position in range(start, len(tokens)):
        left -= 1 + _HOLDER_COSTS * held.get(tokens[position], 0)
        if left < 0:
            return max(position, start + 1)
    return len(tokens)
