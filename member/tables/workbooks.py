"""Reads a sheet of an XLSX workbook, row by row, as records like those of a CSV.

The rules, in order; each of 1 to 4 refuses the file as a whole before a cell is read:
1. It is a zip archive of at most 64 MB whose parts have plain names, are few, not encrypted, and unpack to no more than
   300 MB, whatever they declare (a part is unpacked to be counted, never kept). No part grows more than 1,000 times.
2. It is a workbook without macros, not another office format.
3. No part of it declares a document type: entities (XXE, "billion laughs") have nowhere to be declared. defusedxml
   would refuse them again where openpyxl parses.
4. The sheet that is named, or the first, has a header as a CSV has.
Only text says what an identifier is: a number or a date in the column of values is a fault of that row, since the
spreadsheet has dropped leading zeros or digits. Formulas count by the value that was saved with them. Lines are the
sheet's rows, from 1. Nothing in a workbook is run or fetched.
"""

from __future__ import annotations

import hashlib
import re
import stat
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

from member.tables.column_map import ACCOUNT_COLUMNS, ColumnMap
from member.tables.csv_dialect import CheckedFile, FileState, Record
from member.tables.csv_faults import EXPECTED_HEADER, FileChangedError, FileRefusedError, no_such_file
from member.tables.headers import Layout, known_columns, layout_of

_SIGNATURE = b"PK\x03\x04"
_MAX_BYTES = 64 << 20
_MAX_UNPACKED = 300 << 20
_MAX_PARTS = 2000
_MAX_RATIO = 1000
_SMALL_PART = 1 << 20
_MAX_ROWS = 1_048_576
_MAX_COLUMNS = 256
_CHUNK = 1 << 18
_DOCUMENT_TYPE = re.compile(
    rb"<\x00?!\x00?(?:D\x00?O\x00?C\x00?T\x00?Y\x00?P\x00?E|E\x00?N\x00?T\x00?I\x00?T\x00?Y)", re.IGNORECASE
)
_OVERLAP = 32
_SAVE_AS_XLSX = "in Excel: File > Save As > Excel Workbook (.xlsx), or CSV UTF-8"
_DAMAGES = (
    zipfile.BadZipFile, zlib.error, ParseError, EOFError, OSError, ValueError, KeyError, TypeError, IndexError,
    AttributeError, OverflowError, NotImplementedError, RuntimeError,
)  # fmt: skip
"""What zipfile and openpyxl raise for a workbook that is none."""
_AS_TEXT = (
    "format the column as text before the values are typed in or imported (leading zeros and long numbers are lost"
    " otherwise), and take the value from its source again"
)


@dataclass(frozen=True, slots=True)
class CellFault:
    """A row with a cell that cannot say what it should. `reason` never holds the value."""

    line: int
    column: str
    shown: str = field(repr=False)
    reason: str
    fields: list[str] = field(repr=False)


def is_workbook(path: str | Path) -> bool:
    """True for a file that begins as an XLSX does."""
    try:
        with Path(path).open("rb") as file:
            return stat.S_ISREG(Path(path).stat().st_mode) and file.read(4) == _SIGNATURE
    except OSError:
        return False


def check_workbook(path: Path, mapped: ColumnMap, sheet: str | None) -> CheckedFile:
    """Check a workbook and count the rows of a sheet. Raises FileRefusedError; nothing was used then."""
    try:
        with path.open("rb") as file:
            state = FileState.of(file)
            if state.size > _MAX_BYTES:
                raise _too_large(f"{state.size >> 20} MB", f"{_MAX_BYTES >> 20} MB")
            digest = hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as error:
        raise no_such_file() from error
    _check_parts(path)
    with _opened_sheet(path, sheet) as (name, rows):
        layout: Layout | None = None
        count = 0
        for line, cells in rows:
            if layout is None:
                layout = _header(line, cells, mapped)
            else:
                count += 1
    if layout is None:
        raise FileRefusedError(f"the sheet {name} is empty", f"{EXPECTED_HEADER}; or name another sheet")
    if not count:
        raise FileRefusedError("the sheet has a header and no rows", "expected: at least one row")
    return CheckedFile(path, "xlsx", layout, count, state, digest, mapped.digest, name)


def workbook_records(checked: CheckedFile) -> Iterator[Record | CellFault]:
    """Every row below the header that is not blank. FileChangedError if the file is not the one that was checked."""
    with checked.path.open("rb") as file:
        if FileState.of(file) != checked.state:
            raise FileChangedError
    reader = _CellReader(checked.layout)
    with _opened_sheet(checked.path, checked.sheet) as (_, rows):
        for line, cells in rows:
            if line > checked.layout.header_line:
                yield reader.record(line, cells)


def _check_parts(path: Path) -> None:
    try:
        with zipfile.ZipFile(path) as archive:
            parts = archive.infolist()
            _check_names(parts)
            unpacked = 0
            for part in parts:
                unpacked += _unpacked_bytes(archive, part, _MAX_UNPACKED - unpacked)
    except _DAMAGES as error:
        if isinstance(error, FileRefusedError):
            raise
        raise _damaged() from error


def _check_names(parts: Sequence[zipfile.ZipInfo]) -> None:
    names = {part.filename for part in parts}
    if len(parts) > _MAX_PARTS or len(names) < len(parts):
        raise FileRefusedError("a workbook with too many parts, or one part twice", _SAVE_AS_XLSX)
    if any(part.flag_bits & 1 for part in parts):
        raise FileRefusedError("an encrypted archive", "save the workbook without a password")
    if any(name.startswith("/") or "\\" in name or ".." in name.split("/") for name in names):
        raise FileRefusedError(
            "an archive with names that lead out of it", "this is not a workbook that a spreadsheet wrote"
        )
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        raise FileRefusedError("a workbook with macros", f"save it without them; {_SAVE_AS_XLSX}")
    if "xl/workbook.bin" in names:
        raise FileRefusedError("a binary workbook (.xlsb)", _SAVE_AS_XLSX)
    if "content.xml" in names and "mimetype" in names:
        raise FileRefusedError("an OpenDocument file (.ods)", f"save it as .xlsx or CSV; {_SAVE_AS_XLSX}")
    if "xl/workbook.xml" not in names:
        raise FileRefusedError(
            "a zip archive that is not an Excel workbook", f"expected: a CSV or .xlsx file; {_SAVE_AS_XLSX}"
        )


def _unpacked_bytes(archive: zipfile.ZipFile, part: zipfile.ZipInfo, left: int) -> int:
    """The bytes of a part, counted and not kept: what it declares may be wrong."""
    count, tail = 0, b""
    with archive.open(part) as stream:
        while chunk := stream.read(_CHUNK):
            count += len(chunk)
            if count > left:
                raise _too_large("more", f"{_MAX_UNPACKED >> 20} MB when unpacked")
            if count > _SMALL_PART and count > _MAX_RATIO * max(part.compress_size, 1):
                raise FileRefusedError(
                    "a part that unpacks to more than 1,000 times its size", "this is not a workbook of rows"
                )
            if _DOCUMENT_TYPE.search(tail + chunk) and part.filename.endswith((".xml", ".rels", ".vml")):
                raise FileRefusedError(
                    "a part that declares a document type", "this is not a workbook that a spreadsheet wrote"
                )
            tail = chunk[-_OVERLAP:]
    return count


@contextmanager
def _opened_sheet(path: Path, sheet: str | None) -> Iterator[tuple[str, Iterator[tuple[int, list[Any]]]]]:
    """The name of the sheet and its rows that are not blank, with their numbers, the cells behind the last one with
    something in it left out.
    """
    from openpyxl import load_workbook  # noqa: PLC0415 - slow to import, needed here only

    with path.open("rb") as file:  # by a name openpyxl would judge its ending; the content is judged already
        try:
            book = load_workbook(file, read_only=True, data_only=True, keep_links=False)
        except _DAMAGES as error:
            raise _damaged() from error
        with closing(book):
            names = [each.title for each in book.worksheets]
            if not names or (sheet is not None and sheet not in names):
                raise FileRefusedError(
                    "there is no such sheet", f"it has: {', '.join(names[:20]) or 'none with cells'}"
                )
            name = names[0] if sheet is None else sheet
            yield name, _rows(book.worksheets[names.index(name)])


def _rows(sheet: Any) -> Iterator[tuple[int, list[Any]]]:
    sheet.reset_dimensions()  # what the file says of its size is not believed
    try:
        for line, row in enumerate(sheet.iter_rows(max_row=_MAX_ROWS, max_col=_MAX_COLUMNS, values_only=True), 1):
            if row.count(None) == len(row):
                continue  # a sheet may have a million of these
            cells = list(row)
            while cells and (cells[-1] is None or (isinstance(cells[-1], str) and not cells[-1].strip())):
                cells.pop()
            if cells:
                yield line, cells
    except _DAMAGES as error:
        if isinstance(error, FileRefusedError):
            raise
        raise _damaged() from error


def _header(line: int, cells: Sequence[Any], mapped: ColumnMap) -> Layout:
    header = tuple("" if cell is None else str(cell).strip() for cell in cells)
    if not known_columns(header, mapped) and len(header) == 1:
        raise FileRefusedError(
            f"row {line} is not a header: a title stands above it", "remove the rows above the header"
        )
    return layout_of(",", header, line, mapped)


class _CellReader:
    """Turns the cells of a row into fields, or names the cell that cannot be one."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        value = layout.columns.get("value")
        self._texts = {at for at in (value, *(layout.account or ())) if at is not None}

    def record(self, line: int, cells: Sequence[Any]) -> Record | CellFault:
        header = self._layout.header
        padded = [*cells, *[None] * (len(header) - len(cells))]
        fields = [_text(cell) for cell in padded]
        if len(padded) > len(header):
            return CellFault(line, "", "", "cells with something in them beyond the last column of the header", fields)
        for at in sorted(self._texts):
            fault = _fault(padded[at])
            if fault is not None:
                return CellFault(line, header[at] or ACCOUNT_COLUMNS[0], fields[at], f"{fault}; {_AS_TEXT}", fields)
        return line, fields


def _fault(cell: Any) -> str | None:
    if cell is None or isinstance(cell, str):
        return None
    if isinstance(cell, (date, time, timedelta)):
        return "a cell that the spreadsheet holds as a date or time, not as text"
    return "a cell that the spreadsheet holds as a number, not as text"


def _text(cell: Any) -> str:
    if cell is None:
        return ""
    if isinstance(cell, datetime):
        return cell.date().isoformat() if cell.time() == time() else cell.isoformat()
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    return cell.isoformat() if isinstance(cell, date) else str(cell)


def _too_large(found: str, most: str) -> FileRefusedError:
    return FileRefusedError(f"a workbook of {found}", f"{most} is the most; save the sheet as CSV, which may be longer")


def _damaged() -> FileRefusedError:
    return FileRefusedError(
        "not a whole Excel workbook", f"open it and save it again; expected: CSV, or .xlsx; {_SAVE_AS_XLSX}"
    )
