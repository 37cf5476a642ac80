"""Reads a member's CSV of indicators, row by row.

`check_file` looks at the whole file first and refuses it before anything of it is used; `read_indicators` then yields
every record as a Row or as a Rejected with line, column, value and reason. A faulty row never costs another. Memory is
constant.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from member.csv_dialect import BrokenRecord, CheckedFile, FileState, Layout, check_file, open_text, records
from member.csv_faults import FileChangedError, FileRefusedError, bad_first_seen, wrong_field_count
from member.normalise.rules import RULES, nearest_type

__all__ = ["CheckedFile", "FileChangedError", "FileRefusedError", "Rejected", "Row", "check_file", "read_indicators"]


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


def read_indicators(source: CheckedFile | str | Path) -> Iterator[Row | Rejected]:
    """Every record of a file, in order. A path is checked first.

    Raises FileRefusedError before the first row if the file as a whole is at fault, FileChangedError (one of them) as
    soon as it is seen that the file is not the one that was checked.
    """
    checked = source if isinstance(source, CheckedFile) else check_file(source)
    return _read(checked)


def _read(checked: CheckedFile) -> Iterator[Row | Rejected]:
    reader = _RowReader(checked.layout)
    try:
        with open_text(checked.path, checked.encoding) as text:
            if FileState.of(text) != checked.state:
                raise FileChangedError
            for record in records(text, checked.layout):
                yield reader.broken(record) if isinstance(record, BrokenRecord) else reader.row(*record)
            if FileState.of(text) != checked.state:
                raise FileChangedError
    except (UnicodeDecodeError, OSError) as error:
        raise FileChangedError from error


class _RowReader:
    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._width = len(layout.header)
        self._type = layout.columns["indicator_type"]
        self._value = layout.columns["value"]
        self._reason = layout.columns.get("reason")
        self._first_seen = layout.columns.get("first_seen")
        self._source_ref = layout.columns.get("source_ref")

    def row(self, line: int, fields: list[str]) -> Row | Rejected:
        if len(fields) != self._width:
            return self._wrong_width(line, fields)
        indicator_type = fields[self._type]
        if indicator_type not in RULES:
            indicator_type = indicator_type.strip().lower()
            if indicator_type not in RULES:
                return self._unknown_type(line, fields)
        value = fields[self._value]
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
        found = fields[self._type]
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
