"""Rows of a file that are good and yet not listed, each with the reason: part of the sum of a file's rows.

A row is left out before it is tokenised (reading yields a `LeftOut` in its place), or later, because it was taken back.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge, nsmallest


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A row that is not listed. `line` is the physical line on which its record starts; `reason` never holds the value,
    and says what lists the row all the same.
    """

    line: int
    reason: str


class LeftOutRows:
    """The rows of one file that were left out. Eight bytes a row: a file may be left out whole."""

    def __init__(self) -> None:
        self._lines: dict[str, array[int]] = {}

    def __len__(self) -> int:
        return sum(len(lines) for lines in self._lines.values())

    def add(self, row: LeftOut) -> None:
        """Take one in."""
        self._lines.setdefault(row.reason, array("Q")).append(row.line)

    def by_reason(self, first: int) -> dict[str, tuple[int, list[int]]]:
        """How many were left out for each reason, and the `first` of their lines, in order."""
        return {reason: (len(lines), nsmallest(first, lines)) for reason, lines in self._lines.items()}

    def in_order(self) -> Iterator[LeftOut]:
        """Each as `--json` gives it, in the order of the lines."""
        for line, reason in merge(*(_with_reason(reason, lines) for reason, lines in self._lines.items())):
            yield LeftOut(line, reason)


def _with_reason(reason: str, lines: Iterable[int]) -> Iterator[tuple[int, str]]:
    return ((line, reason) for line in sorted(lines))
