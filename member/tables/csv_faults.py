"""The faults of bank exports, each named with its cure. Nothing is ever guessed silently.

What a message may hold: column names, counts, positions and one offending byte. Never a field: a first line that turns
out to be a row and not a header is not printed.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from datetime import date

REQUIRED_COLUMNS = ("indicator_type", "value")
OPTIONAL_COLUMNS = ("reason", "first_seen", "source_ref")
COLUMNS = REQUIRED_COLUMNS + OPTIONAL_COLUMNS
EXPECTED_HEADER = f"expected: a header line with {', '.join(COLUMNS)} in any order (the last three may be left out)"
SAVE_AS_UTF8 = (
    'in Excel: File > Save As > "CSV UTF-8 (Comma delimited)"; in LibreOffice: character set "Unicode (UTF-8)"'
)

ONE_OF_SEPARATORS = "expected: a comma, a semicolon or a tab between the columns"

_SORT_CODE_NAMES = frozenset({"sortcode", "sort", "branchcode", "branchsortcode"})
_ACCOUNT_NAMES = frozenset({"account", "accountnumber", "accountno", "accountnum", "acctno", "accno", "accnumber"})
_SIGNATURES = (
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook (.xls), or one with a password"),
    (b"%PDF", "a PDF document"),
    (b"\x1f\x8b", "a gzip archive"),
)
_OTHER_SEPARATORS = ("|", ":", "^", "~", " ")
_SLASHED_DATE = re.compile(r"([0-9]{1,2})[/.]([0-9]{1,2})[/.]([0-9]{4})")
_SERIAL_DATE = re.compile(r"[0-9]{5}")


class FileRefusedError(ValueError):
    """A file is refused as a whole; nothing of it is used. The text says what was found and what is expected."""

    def __init__(self, found: str, wanted: str) -> None:
        super().__init__(f"{found}; {wanted}")
        self.found = found
        self.wanted = wanted


class FileChangedError(FileRefusedError):
    """The file is no longer the one that was checked."""

    def __init__(self) -> None:
        super().__init__(
            "the file changed while it was being read", "expected: a file that nobody writes to; start again"
        )


def other_format(head: bytes) -> FileRefusedError | None:
    """The refusal for a file whose first bytes are those of another format, else None."""
    for signature, name in _SIGNATURES:
        if head.startswith(signature):
            return FileRefusedError(
                f"this is {name}, not a CSV file", f"expected: CSV as UTF-8, or .xlsx; {SAVE_AS_UTF8}"
            )
    if head.startswith((b"\xff\xfe\x00\x00", b"\x00\x00\xfe\xff")):
        return FileRefusedError("this is UTF-32", f"expected: CSV as UTF-8; {SAVE_AS_UTF8}")
    return None


def no_such_file() -> FileRefusedError:
    """A name behind which there is nothing."""
    return FileRefusedError(
        "there is no such file",
        "expected: the name of a CSV file; a name without a path counts from the folder you are in",
    )


def not_utf8(line: int, byte_in_line: int, byte: int) -> FileRefusedError:
    """Bytes that are not UTF-8; `byte_in_line` counts from 1."""
    where = f"line {line}, byte {byte_in_line} (0x{byte:02X}) is not UTF-8"
    try:
        character = bytes([byte]).decode("cp1252")
    except UnicodeDecodeError:
        return FileRefusedError(where, f"expected: CSV as UTF-8; {SAVE_AS_UTF8}")
    return FileRefusedError(
        f"{where}: this looks like Windows-1252, where that byte is {character!r}",
        f"expected: CSV as UTF-8; {SAVE_AS_UTF8}",
    )


def nul_byte(line: int | None, head: bytes) -> FileRefusedError:
    """A NUL: a binary file, or UTF-16 without its byte order mark."""
    where = "the file" if line is None else f"line {line}"
    even, odd = head[::2].count(0), head[1::2].count(0)
    if len(head) >= 8 and max(even, odd) > len(head) // 4 and min(even, odd) < len(head) // 16 + 1:
        return FileRefusedError(
            "this looks like UTF-16 without a byte order mark", f"expected: CSV as UTF-8; {SAVE_AS_UTF8}"
        )
    return FileRefusedError(f"{where} holds a NUL: this is a binary file", "expected: a CSV file as UTF-8")


def unbalanced_quote(line: int) -> FileRefusedError:
    """A quoted field that never ends; `line` is the one on which it begins."""
    return FileRefusedError(
        f"the quoted field that begins on line {line} is not closed",
        'expected: a closing " before the next separator; a " inside a quoted field is written twice',
    )


def no_header(fields: int) -> FileRefusedError:
    """A first line in which no column is known; the line itself may hold identifiers and is not shown."""
    return FileRefusedError(
        f"the first line is not a header: none of its {fields} field{'s' if fields != 1 else ''} is a known column",
        EXPECTED_HEADER,
    )


def other_separator(found: Sequence[str]) -> FileRefusedError | None:
    """The refusal for a header whose columns stand apart by another sign than those taken, else None."""
    for separator in _OTHER_SEPARATORS:
        names = [name.strip().lower() for name in found[0].split(separator)]
        if len(found) == 1 and all(name in names for name in REQUIRED_COLUMNS):
            return FileRefusedError(f"the columns are separated by {separator}", ONE_OF_SEPARATORS)
    return None


def duplicate_column(first: str, second: str) -> FileRefusedError:
    """Two columns whose names are one when case, spaces and hyphens do not count."""
    both = f"{first} and {second}" if first != second else first
    return FileRefusedError(f"duplicate column in the header: {both}", "expected: each column once")


def unmapped_column(name: str, found: Sequence[str]) -> FileRefusedError:
    """A column that the map names and the header lacks."""
    named = ", ".join(each or "(unnamed)" for each in found[:40])
    return FileRefusedError(f"the map names the column {name}, which is missing from the header", f"found: {named}")


def missing_columns(found: Sequence[str], missing: Sequence[str]) -> FileRefusedError:
    """A header that lacks a required column."""
    near = [
        f"{name} looks like {close[0]}"
        for name in found
        if name.lower() not in COLUMNS and (close := _nearest(_spelt(name), missing))
    ]
    named = ", ".join(name or "(unnamed)" for name in found[:40])
    hint = f" ({'; '.join(near)})" if near else ""
    return FileRefusedError(f"no column {' and no column '.join(missing)}; found: {named}{hint}", EXPECTED_HEADER)


def split_account(found: Sequence[str]) -> FileRefusedError | None:
    """The refusal for a header with sort code and account number in two columns, else None."""
    squeezed = {re.sub(r"[^a-z]", "", name.lower()): name for name in found}
    sort_code = next((squeezed[name] for name in squeezed if name in _SORT_CODE_NAMES), None)
    account = next((squeezed[name] for name in squeezed if name in _ACCOUNT_NAMES), None)
    if sort_code is None or account is None:
        return None
    return FileRefusedError(
        f"sort code and account number stand in two columns, {sort_code} and {account}",
        "expected: a map of columns that names both (docs/uploads.md), or one column value with both joined, six digits"
        " and eight, zeros in front kept (200000 and 00012345 give 20000000012345), and a column indicator_type that"
        " says bank_account; in a spreadsheet, with the sort code in A2 and the number in B2:"
        ' =TEXT(SUBSTITUTE(A2,"-",""),"000000")&TEXT(B2,"00000000")',
    )


def wrong_field_count(found: int, wanted: int, delimiter: str) -> str:
    """The reason for a row with too few or too many fields."""
    named = {",": "comma", ";": "semicolon", "\t": "tab"}[delimiter]
    if found > wanted:
        return (
            f'{found} fields where the header has {wanted}: a value that holds a {named} must stand in quotes ("...")'
        )
    return (
        f"{found} field{'s' if found != 1 else ''} where the header has {wanted}: empty fields need their {named} too"
    )


def bad_first_seen(text: str) -> str:
    """The reason for a first_seen that is not an ISO date."""
    wanted = "expected: an ISO date such as 2026-03-05, or nothing"
    slashed = _SLASHED_DATE.fullmatch(text)
    if slashed:
        day, month, year = (int(part) for part in slashed.groups())
        try:
            return f"a date in dd/mm/yyyy form; if the day comes first, write {date(year, month, day).isoformat()}"
        except ValueError:
            return f"a date in slashed form that is not dd/mm/yyyy; {wanted}"
    if _SERIAL_DATE.fullmatch(text):
        return f"this looks like a spreadsheet's day number; {wanted}"
    if re.match(r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ]", text):
        return f"a date with a time; {wanted}"
    if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text):
        return f"this date does not exist; {wanted}"
    return f"not a date; {wanted}"


def _nearest(name: str, columns: Sequence[str]) -> list[str]:
    return [column for column in columns if name in column.split("_")] or difflib.get_close_matches(name, columns, n=1)


def _spelt(name: str) -> str:
    return re.sub(r"[^a-z]+", "_", name.lower()).strip("_")
