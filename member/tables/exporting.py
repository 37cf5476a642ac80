"""Rows for a spreadsheet, as CSV or XLSX: no cell is ever taken for a formula.

1. In a CSV, a cell that a spreadsheet would take for a formula begins with an apostrophe, and so does one that begins
   with an apostrophe itself: taking one leading apostrophe away gives every cell back (OWASP, "CSV Injection").
2. In an XLSX, every cell is text and formatted as text: it stays text when it is edited, and keeps its zeros.
3. The file is new, for its owner alone (mode 0600), and gone again if writing it fails.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from io import TextIOWrapper
from pathlib import Path
from typing import Any, BinaryIO

from member.errors import MemberError, UsageError, quoted
from member.inputs import InputError

FORMS = (".csv", ".xlsx")
_MAX_XLSX_ROWS = 1_048_576
_MAX_XLSX_CELL = 32_767
"""Limits of a sheet (Microsoft, "Excel specifications and limits")."""

_BEGINS_FORMULA = re.compile(r"[\s'\uff07]*[=+\-@|%\uff1d\uff0b\uff0d\uff20]|[\t\r\n']")
_NOT_IN_XML = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
"""What XML 1.0, section 2.2, has no form for."""


def formula_safe(text: str) -> str:
    """The text as a CSV cell that no spreadsheet takes for a formula."""
    return f"'{text}" if _BEGINS_FORMULA.match(text) else text


def as_it_was(cell: str) -> str:
    """The text that formula_safe made this cell of; a cell that it never makes stays as it is."""
    return cell[1:] if cell.startswith("'") and _BEGINS_FORMULA.match(cell[1:]) else cell


def check_output(path: Path) -> Path:
    """The path, if rows can be written to it; to be asked before anything else is done. Raises UsageError."""
    if path.suffix.lower() not in FORMS:
        raise InputError("output", f"{quoted(str(path))} ends in neither .csv nor .xlsx", "hits.xlsx")
    if path.exists():
        raise UsageError(f"{path} exists already", "name a new file")
    return path


def write_rows(path: Path, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """Write a header and the rows to a new file, CSV or XLSX by its name; how many rows. None is an empty cell, a list
    its items separated by `; `. Raises UsageError if the file exists, MemberError if the rows do not fit an XLSX.
    """
    check_output(path)
    write = _write_xlsx if path.suffix.lower() == ".xlsx" else _write_csv
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except FileExistsError:
        raise UsageError(f"{path} exists already", "name a new file") from None
    try:
        with os.fdopen(descriptor, "wb") as stream:
            return write(stream, columns, rows)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _write_csv(stream: BinaryIO, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    """UTF-8 with a byte order mark, without which Excel takes it for its own code page."""
    count = 0
    text = TextIOWrapper(stream, encoding="utf-8-sig", errors="backslashreplace", newline="")
    writer = csv.writer(text)
    writer.writerow(columns)
    for row in rows:
        writer.writerow([formula_safe(cell) for cell in _cells(row)])
        count += 1
    text.flush()
    text.detach()
    return count


def _write_xlsx(stream: BinaryIO, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> int:
    from openpyxl import Workbook  # noqa: PLC0415 - slow to import, needed here only
    from openpyxl.cell import WriteOnlyCell  # noqa: PLC0415 - likewise

    book = Workbook(write_only=True)
    sheet = book.create_sheet("rows")
    sheet.freeze_panes = "A2"

    def as_text(value: str) -> Any:
        cell = WriteOnlyCell(sheet, value=_NOT_IN_XML.sub(_code_point, value))
        cell.data_type, cell.number_format = "s", "@"
        return cell

    count = 0
    sheet.append([as_text(column) for column in columns])
    for count, row in enumerate(rows, 1):
        cells = list(_cells(row))
        if count >= _MAX_XLSX_ROWS or any(len(cell) > _MAX_XLSX_CELL for cell in cells):
            what = f"row {count:,} does not fit a sheet of {_MAX_XLSX_ROWS:,} rows and {_MAX_XLSX_CELL:,} characters"
            raise MemberError(f"{what} in a cell", "name a .csv file", slug="too-large")
        sheet.append([as_text(cell) for cell in cells])
    book.save(stream)
    return count


def _code_point(found: re.Match[str]) -> str:
    return f"<U+{ord(found[0]):04X}>"


def _cells(row: Sequence[object]) -> Iterator[str]:
    for value in row:
        if value is None:
            yield ""
        elif isinstance(value, (list, tuple)):
            yield "; ".join(map(str, value))
        elif isinstance(value, bool):
            yield "yes" if value else "no"
        else:
            yield str(value)
