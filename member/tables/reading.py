"""Reads a member's CSV of indicators, row by row.

`check_file` looks at the whole file first and refuses it before anything of it is used; `read_indicators` then yields
every record as a Row or as a Rejected with line, column, value and reason. A faulty row never costs another. Memory is
constant.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from member.normalise.rules import RULES, nearest_type
from member.tables.column_map import NO_MAP, ColumnMap
from member.tables.csv_dialect import BrokenRecord, CheckedFile, FileState, Record, check_csv, open_text, records
from member.tables.csv_faults import FileChangedError, FileRefusedError, bad_first_seen, wrong_field_count
from member.tables.exporting import as_it_was
from member.tables.headers import Layout
from member.tables.workbooks import CellFault, check_workbook, is_workbook, workbook_records
from schemas.terms import IndicatorType

__all__ = ["CheckedFile", "FileChangedError", "FileRefusedError", "Rejected", "Row", "check_file", "read_indicators"]


_ACCOUNT_LENGTHS = (6, 8)
_SEPARATORS = re.compile(r"[\s./:_-]+")
_SHOWN = 500
"""Characters of a broken record that its report shows."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row whose type is known and whose first_seen is a date or absent; its value is not normalised yet.

    `line` is the physical line on which the record starts, the header being 1. `value` is as in the file. `extra` holds
    the columns that the exchange does not know, by their names; they stay in the vault. `fields` is the record as read.
    """

    line: int
    indicator_type: str
    value: str = field(repr=False)
    reason: str = field(repr=False)
    first_seen: date | None
    source_ref: str = field(repr=False)
    extra: dict[str, str] = field(repr=False)
    fields: list[str] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is not used. `column` is empty if the row as a whole is at fault. `reason` never holds the value."""

    line: int
    column: str
    value: str = field(repr=False)
    reason: str
    fields: list[str] = field(repr=False, default_factory=list)


def check_file(path: str | Path, mapped: ColumnMap = NO_MAP, sheet: str | None = None) -> CheckedFile:
    """Check a whole file, CSV or workbook. Raises FileRefusedError; nothing of it was used then.

    `sheet`: of a workbook, its first one if not said.
    """
    if is_workbook(path):
        return check_workbook(Path(path), mapped, sheet)
    if sheet is not None:
        raise FileRefusedError("a CSV file has no sheets", "leave out the name of a sheet")
    return check_csv(path, mapped)


def read_indicators(source: CheckedFile | str | Path) -> Iterator[Row | Rejected]:
    """Every record of a file, in order. A path is checked first.

    Raises FileRefusedError before the first row if the file as a whole is at fault, FileChangedError (one of them) as
    soon as it is seen that the file is not the one that was checked.
    """
    checked = source if isinstance(source, CheckedFile) else check_file(source)
    reader = _RowReader(checked.layout)
    for record in _records(checked):
        if isinstance(record, BrokenRecord):
            yield reader.broken(record)
        elif isinstance(record, CellFault):
            yield Rejected(record.line, record.column, record.shown, record.reason, record.fields)
        else:
            yield reader.row(*record)


def _records(checked: CheckedFile) -> Iterator[Record | BrokenRecord | CellFault]:
    try:
        if checked.sheet is not None:
            yield from workbook_records(checked)
            return
        with open_text(checked.path, checked.encoding) as text:
            if FileState.of(text) != checked.state:
                raise FileChangedError
            yield from records(text, checked.layout)
            if FileState.of(text) != checked.state:
                raise FileChangedError
    except (UnicodeDecodeError, OSError) as error:
        raise FileChangedError from error


class _RowReader:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._width = len(layout.header)
        self._is_report = layout.is_report
        self._type = layout.columns.get("indicator_type")
        self._value = layout.columns.get("value")
        self._account = layout.account
        self._reason = layout.columns.get("reason")
        self._first_seen = layout.columns.get("first_seen")
        self._source_ref = layout.columns.get("source_ref")

    def row(self, line: int, fields: list[str]) -> Row | Rejected:
        if self._is_report:
            fields = [as_it_was(cell) for cell in fields]
        if len(fields) != self._width:
            return self._wrong_width(line, fields)
        indicator_type = self._type_of(fields)
        if indicator_type is None:
            return self._unknown_type(line, fields)
        fault = self._account_fault(line, indicator_type, fields)
        if fault is not None:
            return fault
        value = self._value_of(indicator_type, fields)
        if not value or value.isspace():
            return Rejected(line, "value", value, "the value is empty", fields)
        seen = fields[self._first_seen].strip() if self._first_seen is not None else ""
        first_seen = None
        if seen:
            first_seen = _iso_date(seen)
            if first_seen is None:
                return Rejected(line, "first_seen", seen, bad_first_seen(seen), fields)
        return Row(
            line=line,
            indicator_type=indicator_type,
            value=value,
            reason=fields[self._reason].strip() if self._reason is not None else "",
            first_seen=first_seen,
            source_ref=fields[self._source_ref].strip() if self._source_ref is not None else "",
            extra={name: fields[position] for name, position in self._layout.extra},
            fields=fields,
        )

    def _type_of(self, fields: list[str]) -> str | None:
        if self._type is None:
            return self._layout.fixed_type
        written = fields[self._type]
        if written in RULES:
            return written
        spelt = written.strip().lower()
        kind = self._layout.types.get(spelt, spelt)
        return kind if kind in RULES else None if spelt else self._layout.fixed_type

    def _account_fault(self, line: int, indicator_type: str, fields: list[str]) -> Rejected | None:
        """Sort code and account number each have their length: joined, one digit too many here and one too few there
        would make another account.
        """
        if self._account is None or indicator_type != IndicatorType.BANK_ACCOUNT:
            return None
        empty = [at for at in self._account if not fields[at].strip()]
        if len(empty) == 1 or (empty and self._value is None):
            return Rejected(line, self._layout.header[empty[0]], "", "the field is empty", fields)
        for at, wanted in zip(self._account, _ACCOUNT_LENGTHS, strict=True):
            digits = _SEPARATORS.sub("", fields[at])
            if digits and len(digits) != wanted:
                reason = f"{len(digits)} digits; expected: {wanted}, zeros in front included; export the column as text"
                return Rejected(line, self._layout.header[at], fields[at], reason, fields)
        return None

    def _value_of(self, indicator_type: str, fields: list[str]) -> str:
        if self._account is not None and indicator_type == IndicatorType.BANK_ACCOUNT:
            sort_code, number = (fields[at].strip() for at in self._account)
            if sort_code or number:
                return f"{sort_code} {number}"
        return "" if self._value is None else fields[self._value]

    def broken(self, record: BrokenRecord) -> Rejected:
        reason = (
            "a field of more than 131,072 characters"
            if record.too_long
            else 'text after the closing quote of a field: write a " inside a quoted field twice'
        )
        text = record.text.rstrip("\r\n")
        shown = text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
        return Rejected(record.line, "", shown, reason, [text])

    def _wrong_width(self, line: int, fields: list[str]) -> Rejected:
        reason = wrong_field_count(len(fields), self._width, self._layout.delimiter)
        if len(fields) < self._width:
            return Rejected(line, self._layout.header[len(fields)], "", reason, fields)
        return Rejected(line, "", self._layout.delimiter.join(fields[self._width :]), reason, fields)

    def _unknown_type(self, line: int, fields: list[str]) -> Rejected:
        found = fields[self._type] if self._type is not None else ""
        reason = (
            "the indicator type is empty" if not found.strip() else f"no such indicator type; {nearest_type(found)}"
        )
        return Rejected(line, "indicator_type", found, reason, fields)


def _iso_date(text: str) -> date | None:
    if len(text) != 10 or text[4] != "-" or text[7] != "-":
        return None
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None
