"""Which column of a file is which: names folded, a member's own names by its map, duplicates refused.

A name is compared without case, spaces, hyphens, quotes and zero-width characters: `Indicator Type` and
`indicator-type` are `indicator_type`. Nothing else is guessed.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

from member.tables.column_map import ACCOUNT_COLUMNS, NO_MAP, ColumnMap
from member.tables.csv_faults import (
    COLUMNS,
    REQUIRED_COLUMNS,
    FileRefusedError,
    duplicate_column,
    missing_columns,
    no_header,
    other_separator,
    split_account,
    unmapped_column,
)

REPORT_COLUMNS = ("rejected_line", "rejected_column", "rejected_reason")
"""The columns in front of a report of rejected rows (member.indicators.intake), which is mended and submitted again."""

_BETWEEN_WORDS = re.compile(r"[\s_-]+")
_AROUND = "\"'“”‘’: *"


@dataclass(frozen=True, slots=True)
class Layout:
    """`header` as it stands in the file, trimmed; `columns` the known ones by position; `extra` all others.

    `account`: the positions of sort code and account number, if they stand in two columns. `fixed_type` and `types`:
    the type of every row, and what is written for a type here.
    """

    delimiter: str
    header: tuple[str, ...]
    columns: dict[str, int]
    extra: tuple[tuple[str, int], ...]
    header_line: int
    account: tuple[int, int] | None = None
    fixed_type: str | None = None
    types: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))

    @property
    def is_report(self) -> bool:
        """Whether it is a report of rejected rows: its cells are formula-safe, and read as they were."""
        return {*REPORT_COLUMNS} <= {*map(folded, self.header)}


def folded(name: str) -> str:
    """A column's name as it is compared."""
    plain = name if name.isascii() else unicodedata.normalize("NFKC", name)
    visible = "".join(character for character in plain if unicodedata.category(character) != "Cf")
    return _BETWEEN_WORDS.sub("_", visible.strip(_AROUND).lower()).strip("_")


def known_columns(names: Iterable[str], mapped: ColumnMap = NO_MAP) -> int:
    """How many of these names are columns that are known."""
    known = {*COLUMNS, *map(folded, mapped.columns.values())}
    return sum(folded(name) in known for name in names)


def layout_of(delimiter: str, header: tuple[str, ...], line: int, mapped: ColumnMap = NO_MAP) -> Layout:
    """The layout of a header. FileRefusedError for one that lacks a column, has one twice or is none."""
    names = [folded(name) for name in header]
    found = _found(names, header, mapped)
    missing = _missing(found, mapped)
    if missing:
        raise _no_layout(header, names, missing)
    _refuse_duplicates(names, header)
    account = (found["sort_code"], found["account_number"]) if "sort_code" in found else None
    taken = set(found.values())
    extra = tuple((name or f"column_{at + 1}", at) for at, name in enumerate(header) if at not in taken)
    columns = {name: at for name, at in found.items() if name in COLUMNS}
    return Layout(delimiter, header, columns, extra, line, account, mapped.fixed_type, mapped.types)


def _found(names: Sequence[str], header: Sequence[str], mapped: ColumnMap) -> dict[str, int]:
    places = {name: at for at, name in reversed(list(enumerate(names)))}
    found = {}
    for known in (*COLUMNS, *ACCOUNT_COLUMNS):
        theirs = mapped.columns.get(known)
        if theirs is not None and folded(theirs) not in places:
            raise unmapped_column(theirs, header)
        if theirs is not None:
            found[known] = places[folded(theirs)]
        elif known in COLUMNS and known in places:
            found[known] = places[known]
    return found


def _missing(found: Mapping[str, int], mapped: ColumnMap) -> list[str]:
    stands_in = {"indicator_type": mapped.fixed_type is not None, "value": "sort_code" in found}
    return [name for name in REQUIRED_COLUMNS if name not in found and not stands_in[name]]


def _no_layout(header: tuple[str, ...], names: Sequence[str], missing: Sequence[str]) -> FileRefusedError:
    return (
        (split_account(header) if "value" in missing else None)
        or (missing_columns(header, missing) if any(name in COLUMNS for name in names) else None)
        or other_separator(header)
        or no_header(len(header))
    )


def _refuse_duplicates(names: Sequence[str], header: Sequence[str]) -> None:
    seen: dict[str, str] = {}
    for name, written in zip(names, header, strict=True):
        if name and name in seen:
            raise duplicate_column(seen[name], written)
        seen[name] = written
