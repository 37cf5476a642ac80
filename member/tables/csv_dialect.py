"""How a CSV file is written: encoding, separator, header and quotes, checked over the whole file before a row is used.

The checks, in order; each refuses the file as a whole (FileRefusedError):
1. It is a regular file, not empty, and does not start like another format (a workbook, an archive).
2. It is UTF-8 (with or without byte order mark) or UTF-16 with one, from the first byte to the last; no NUL; no line
   over a megabyte or two.
3. Its first line that is not blank is a header, separated by comma, semicolon or tab, with the required columns, none
   twice.
4. Every quoted field ends. There is at least one row.
Lines end with LF, CRLF or CR. Memory is bounded whatever the file.
"""

from __future__ import annotations

import codecs
import csv
import hashlib
import os
import re
import stat
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO, TextIO

from member.tables.column_map import NO_MAP, ColumnMap
from member.tables.csv_faults import (
    EXPECTED_HEADER,
    ONE_OF_SEPARATORS,
    SAVE_AS_UTF8,
    FileChangedError,
    FileRefusedError,
    no_such_file,
    not_utf8,
    nul_byte,
    other_format,
    unbalanced_quote,
)
from member.tables.csv_quotes import quote_left_open
from member.tables.headers import Layout, known_columns, layout_of

_CHUNK = 1 << 20
DELIMITERS = (",", ";", "\t")
_SEPARATOR_LINE = re.compile(r"sep=(.)", re.IGNORECASE)
_HIGHEST_HEADER = 20
"""Lines in which a header that does not come first is looked for."""


@dataclass(frozen=True, slots=True)
class FileState:
    """What tells one version of a file from the next."""

    device: int
    inode: int
    size: int
    modified_ns: int

    @staticmethod
    def of(file: BinaryIO | TextIO) -> FileState:
        """The state of an open file."""
        found = os.fstat(file.fileno())
        return FileState(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns)


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A file that may be read. `records` counts the rows to come (header and blank lines left out), good and bad.

    `sheet` names the one that is read of a workbook. `map_digest` names the map of columns, empty for none.
    """

    path: Path
    encoding: str
    layout: Layout
    records: int
    state: FileState
    sha256: str
    map_digest: str = ""
    sheet: str | None = None


Record = tuple[int, list[str]]
"""The physical line on which a record starts (the first line of the file is 1), and its fields."""


@dataclass(frozen=True, slots=True)
class BrokenRecord:
    """A record whose quotes are wrong (or that holds a field over 131,072 characters), from `line` to `last_line`."""

    line: int
    last_line: int
    text: str = field(repr=False)
    too_long: bool


def check_csv(path: str | Path, mapped: ColumnMap = NO_MAP) -> CheckedFile:
    """Check a whole file, in two cheap passes and constant memory. Raises FileRefusedError; nothing was used then."""
    path = Path(path)
    try:
        with path.open("rb") as file:
            state = FileState.of(file)
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise FileRefusedError("not a regular file", "expected: a CSV file on disk")
            encoding, sha256 = _check_bytes(file, path)
        layout = _find_layout(path, encoding, mapped)
        records = _check_quotes(path, encoding, layout)
        with path.open("rb") as file:
            if FileState.of(file) != state:
                raise FileChangedError
    except UnicodeDecodeError as error:
        raise FileChangedError from error
    except FileNotFoundError as error:
        raise no_such_file() from error
    except OSError as error:
        raise FileRefusedError(
            f"the file cannot be read ({error.strerror or 'no reason given'})", "expected: a readable CSV file"
        ) from error
    return CheckedFile(path, encoding, layout, records, state, sha256, mapped.digest)


@contextmanager
def open_text(path: Path, encoding: str) -> Iterator[TextIO]:
    """The file as text, its line ends kept as they are: each line read is one physical line."""
    with path.open(encoding=encoding, newline="") as text:
        yield text


def records(text: TextIO, layout: Layout) -> Iterator[Record | BrokenRecord]:
    """Every record below the header that is not a blank line, in order, in constant memory."""
    lines = _LastLine(text)
    reader = csv.reader(lines, delimiter=layout.delimiter, strict=True)
    read = 0
    while True:
        try:
            for fields in reader:
                line, read = read + 1, reader.line_num
                if line > layout.header_line and fields and (len(fields) > 1 or fields[0].strip()):
                    yield line, fields
        except csv.Error as error:
            line, read = read + 1, reader.line_num
            too_long = "limit" in str(error)
        else:
            return
        yield BrokenRecord(line, read, lines.last, too_long)


class _LastLine:
    """Lines as they come, the last one kept for the report of a broken record."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self.last = ""

    def __iter__(self) -> Iterator[str]:
        for line in self._lines:
            self.last = line
            yield line


def _check_bytes(file: BinaryIO, path: Path) -> tuple[str, str]:
    head = file.read(4096)
    if not head:
        raise FileRefusedError("the file is empty", EXPECTED_HEADER)
    refusal = other_format(head)
    if refusal:
        raise refusal
    sixteen = head.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    encoding = "utf-16" if sixteen else "utf-8-sig"
    decoder = codecs.getincrementaldecoder(encoding)()
    digest = hashlib.sha256()
    file.seek(0)
    offset = 0
    while True:
        chunk = file.read(_CHUNK)
        if not sixteen and b"\0" in chunk:  # before the decoder takes a picture or a program for badly encoded text
            raise nul_byte(_position(path, offset + chunk.index(b"\0"))[0], head)
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(chunk, final=not chunk)
        except UnicodeDecodeError as error:
            raise _undecodable(path, encoding, offset - pending + error.start) from error
        if not chunk:
            return encoding, digest.hexdigest()
        digest.update(chunk)
        if "\0" in text:
            raise nul_byte(None, b"")
        if len(chunk) == _CHUNK and b"\n" not in chunk and b"\r" not in chunk:
            raise FileRefusedError(
                f"line {_position(path, offset)[0]} is over a megabyte long", "expected: one row a line"
            )
        offset += len(chunk)


def _undecodable(path: Path, encoding: str, offset: int) -> FileRefusedError:
    if encoding == "utf-16":
        return FileRefusedError(f"byte {offset + 1} is not valid UTF-16", f"expected: CSV as UTF-8; {SAVE_AS_UTF8}")
    line, byte_in_line = _position(path, offset)
    with path.open("rb") as file:
        file.seek(offset)
        byte = file.read(1)
    return not_utf8(line, byte_in_line, byte[0]) if byte else FileChangedError()


def _position(path: Path, offset: int) -> tuple[int, int]:
    """Line of a byte and its place in that line, both from 1. A CRLF is one end of line."""
    line, line_start, position, after_return = 1, 0, 0, False
    with path.open("rb") as file:
        while position < offset:
            chunk = file.read(min(_CHUNK, offset - position))
            if not chunk:
                break
            crlf_split = after_return and chunk.startswith(b"\n")
            line += chunk.count(b"\n") + chunk.count(b"\r") - chunk.count(b"\r\n") - crlf_split
            last_end = max(chunk.rfind(b"\n"), chunk.rfind(b"\r"))
            if last_end >= 0:
                line_start = position + last_end + 1
            after_return = chunk.endswith(b"\r")
            position += len(chunk)
    return line, offset - line_start + 1


def _find_layout(path: Path, encoding: str, mapped: ColumnMap) -> Layout:
    """The separator under which the first line that is not blank holds most known columns, or the one that a line
    `sep=;` in front of it says.
    """
    said = _said_separator(path, encoding)
    headers = []
    for delimiter in (said[0],) if said else DELIMITERS:
        with open_text(path, encoding) as text:
            try:
                headers.append((delimiter, *_first_record(text, delimiter, said[1] if said else 0)))
            except csv.Error:
                continue
    if not headers:
        raise unbalanced_quote(_first_line(path, encoding))
    delimiter, found, line = max(
        headers, key=lambda header: (known := known_columns(header[1], mapped), 0 if known else len(header[1]))
    )
    if not found:
        raise FileRefusedError("the file holds blank lines only", EXPECTED_HEADER)
    if not known_columns(found, mapped):
        _refuse_title(path, encoding, line, mapped)
    return layout_of(delimiter, tuple(name.strip() for name in found), line, mapped)


def _said_separator(path: Path, encoding: str) -> tuple[str, int] | None:
    """What `sep=;`, a line that spreadsheets write and read, says, and the number of that line."""
    with open_text(path, encoding) as text:
        for number, line in enumerate(islice(text, _HIGHEST_HEADER), 1):
            said = _SEPARATOR_LINE.fullmatch(line.strip('\r\n \ufeff\u200b"'))
            if said and said[1] not in DELIMITERS:
                raise FileRefusedError(f"line {number} says that {said[1]} separates the columns", ONE_OF_SEPARATORS)
            if said:
                return said[1], number
            if line.strip():
                return None
    return None


def _refuse_title(path: Path, encoding: str, first: int, mapped: ColumnMap) -> None:
    """FileRefusedError if a line further down is the header: a title or an export's notes stand above it."""
    with open_text(path, encoding) as text:
        for number, line in enumerate(islice(text, _HIGHEST_HEADER), 1):
            if number > first and any(known_columns(line.split(by), mapped) > 1 for by in DELIMITERS):
                raise FileRefusedError(
                    f"line {first} is not a header; line {number} looks like it",
                    f"remove the lines above line {number}",
                )


def _first_record(text: TextIO, delimiter: str, start: int) -> tuple[list[str], int]:
    """The first record behind the first `start` lines that is not blank, and the line on which it begins."""
    deque(islice(text, start), maxlen=0)
    skipped = start
    reader = csv.reader(text, delimiter=delimiter, strict=True)
    for fields in reader:
        if any(field.strip() for field in fields):
            return fields, start + 1
        start = skipped + reader.line_num
    return [], start + 1


def _first_line(path: Path, encoding: str) -> int:
    with open_text(path, encoding) as text:
        return next((number for number, line in enumerate(text, 1) if line.strip()), 1)


def _check_quotes(path: Path, encoding: str, layout: Layout) -> int:
    """The number of records. A fault inside one line costs that row only; one that runs over lines refuses the file."""
    count = 0
    with open_text(path, encoding) as text:
        for record in records(text, layout):
            count += 1
            if isinstance(record, BrokenRecord):
                _refuse_open_quote(path, encoding, layout, record)
    if not count:
        raise FileRefusedError("the file has a header and no rows", "expected: at least one row")
    return count


def _refuse_open_quote(path: Path, encoding: str, layout: Layout, record: BrokenRecord) -> None:
    with open_text(path, encoding) as text:
        lines = islice(text, record.line - 1, record.last_line)
        opened_on = quote_left_open(lines, layout.delimiter, record.line)
    if opened_on is not None:
        raise unbalanced_quote(opened_on)
