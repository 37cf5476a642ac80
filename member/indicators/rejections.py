"""Rows that were refused, here or by the exchange: reported in the result, and written to a CSV that can be mended."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from member.indicators.intake import RejectedRows
from member.tables.reading import CheckedFile, Rejected


class RejectedLine(msgspec.Struct, frozen=True, order=True):
    """A refused row as `--json` gives it."""

    line: int
    column: str
    value: str
    reason: str


class Rejections:
    """The refused rows of one file."""

    def __init__(self, report: RejectedRows) -> None:
        self._report = report
        self._told: list[RejectedLine] = []

    def __len__(self) -> int:
        return len(self._told)

    def add(self, row: Rejected) -> None:
        """Take one in."""
        self._report.write(row)
        self._told.append(RejectedLine(row.line, row.column, row.value, row.reason))

    @property
    def path(self) -> Path | None:
        """The CSV, once it is written; None if no row was refused."""
        return self._report.path if self._told else None

    def in_order(self) -> Iterator[RejectedLine]:
        """Each as `--json` gives it, in the order of the lines."""
        return iter(sorted(self._told))


@contextmanager
def collect_rejections(path: Path, checked: CheckedFile) -> Iterator[Rejections]:
    """Collect while the block lasts; the CSV at `path` (mode 0600) replaces an older one if it ends well."""
    path.unlink(missing_ok=True)
    with RejectedRows(path, checked.layout.header) as report:
        yield Rejections(report)
