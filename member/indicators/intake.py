"""From a CSV file to canonical indicators: reading and normalising joined, and the report of what was left out."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from tempfile import NamedTemporaryFile
from types import MappingProxyType, TracebackType
from typing import Self

from member.indicators.left_out import LeftOut
from member.normalise.circumstances import DEFAULT, Circumstances
from member.normalise.outcome import Canonical, NormalisationError
from member.normalise.rules import normalise
from member.tables.exporting import as_it_was, formula_safe
from member.tables.headers import REPORT_COLUMNS, folded
from member.tables.reading import CheckedFile, Rejected, Row, read_indicators


@dataclass(frozen=True, slots=True)
class Accepted:
    """A row and its canonical form."""

    row: Row
    canonical: Canonical


Read = Accepted | Rejected | LeftOut
"""What becomes of a record on this machine before anything leaves it."""


def read_to_submit(
    source: CheckedFile | str | Path,
    circumstances: Circumstances = DEFAULT,
    kept_back: Mapping[tuple[str, str], str] = MappingProxyType({}),
) -> Iterator[Read]:
    """Every record of a file to submit, in order: a good row that is not to be listed is a LeftOut. `kept_back` gives
    the reason by type and canonical form. Raises what read_indicators raises.
    """
    for item in read_normalised(source, circumstances):
        if kept_back and isinstance(item, Accepted):
            reason = kept_back.get((item.canonical.indicator_type, item.canonical.canonical))
            if reason is not None:
                yield LeftOut(item.row.line, reason)
                continue
        yield item


def read_normalised(
    source: CheckedFile | str | Path, circumstances: Circumstances = DEFAULT
) -> Iterator[Accepted | Rejected]:
    """Every record of a file, normalised or rejected, in order. Raises what read_indicators raises."""
    for row in read_indicators(source):
        yield row if isinstance(row, Rejected) else normalised(row, circumstances)


def normalised(row: Row, circumstances: Circumstances = DEFAULT) -> Accepted | Rejected:
    """One row, normalised or rejected."""
    try:
        return Accepted(row, normalise(row.indicator_type, row.value, circumstances))
    except NormalisationError as error:
        return Rejected(row.line, "value", row.value, str(error), row.fields)


class RejectedRows:
    """Writes rejected rows to a CSV that can be corrected and submitted again: reading takes its columns as extra.

    The file appears, whole and readable by its owner only, when the block ends without an error and a row was written;
    an older one of that name is replaced. Until then nothing stands at `path`. The three columns of the report stand in
    front. Every cell is formula-safe, for a spreadsheet may open the file; reading knows a report by its columns and
    takes each cell as it was (member.tables.exporting), so that nothing is changed by being mended and submitted again.
    """

    def __init__(self, path: str | Path, header: Sequence[str]) -> None:
        self.path = Path(path)
        self._rows: list[tuple[int, list[str]]] = []
        self._kept = [position for position, name in enumerate(header) if folded(name) not in REPORT_COLUMNS]
        is_report = len(self._kept) < len(header)
        self._header = tuple(map(as_it_was, header) if is_report else header)

    def __enter__(self) -> Self:
        self._file = NamedTemporaryFile(
            "w", encoding="utf-8", newline="", dir=self.path.parent, prefix=f".{self.path.name}.", delete=False
        )
        return self

    @property
    def count(self) -> int:
        """How many rows were added."""
        return len(self._rows)

    def write(self, rejected: Rejected) -> None:
        """Add one row. A row whose fields do not fit the header is written as it was split."""
        fields = rejected.fields
        if len(fields) == len(self._header):
            fields = [fields[position] for position in self._kept]
        cells = (rejected.column, rejected.reason, *fields)
        self._rows.append((rejected.line, [formula_safe(cell) for cell in cells]))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        temporary = Path(self._file.name)
        try:
            if kind is None and self.count:
                self._write_all()
                self._file.flush()
                os.fsync(self._file.fileno())
                temporary.replace(self.path)
        finally:
            self._file.close()
            temporary.unlink(missing_ok=True)

    def _write_all(self) -> None:
        """In the order of the file: what the exchange refuses comes later than what was refused here."""
        writer = csv.writer(self._file, lineterminator="\n")
        writer.writerow([*REPORT_COLUMNS, *(formula_safe(self._header[position]) for position in self._kept)])
        writer.writerows([line, *cells] for line, cells in sorted(self._rows, key=itemgetter(0)))
