"""A member's own column names, read from a file (JSON or TOML) that `submit --map` names.

    type = "bank_account"                 # of every row, where no column says it

    [columns]                             # ours = theirs; what is not named is looked for under our own name
    value = "Identifier"
    sort_code = "Sort Code"               # both, instead of value, for accounts in two columns
    account_number = "Account No"

    [types]                               # what stands in their column of types = ours
    "Bank a/c" = "bank_account"

Column names are compared folded (member.tables.headers.folded).
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from member.normalise.rules import RULES, nearest_type
from member.tables.csv_faults import COLUMNS, FileRefusedError

ACCOUNT_COLUMNS = ("sort_code", "account_number")
_KEYS = frozenset({"type", "columns", "types"})
_LONGEST = 1 << 16


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """`columns`: their names by ours. `digest` names the file's content: another map is another upload."""

    columns: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    fixed_type: str | None = None
    types: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))
    digest: str = ""


NO_MAP = ColumnMap()


def read_column_map(path: Path) -> ColumnMap:
    """The map in a file. FileRefusedError naming the entry that cannot be."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise _refused(f"cannot be read ({error.strerror or 'no reason given'})", "name a JSON or TOML file") from error
    if len(data) > _LONGEST:
        raise _refused("is too long to be a map of columns", "name the file with the map, not the one with the rows")
    document = _parsed(data)
    columns, types = _texts(document, "columns"), _texts(document, "types")
    _check_columns(columns)
    fixed = document.get("type")
    for kind in (*types.values(), *([] if fixed is None else [fixed])):
        if kind not in RULES:
            raise _refused("names an indicator type that does not exist", nearest_type(str(kind)))
    return ColumnMap(columns, fixed, {said.strip().lower(): kind for said, kind in types.items()}, _digest(data))


def _parsed(data: bytes) -> dict[str, Any]:
    try:
        text = data.decode("utf-8-sig")
        document = json.loads(text) if text.lstrip().startswith("{") else tomllib.loads(text)
    except (UnicodeDecodeError, json.JSONDecodeError, tomllib.TOMLDecodeError, RecursionError) as error:
        raise _refused("is neither JSON nor TOML", "an example stands in docs/uploads.md") from error
    unknown = sorted(set(document) - _KEYS)
    if unknown:
        raise _refused(f"has an unknown entry {unknown[0][:40]}", f"known: {', '.join(sorted(_KEYS))}")
    return dict(document)


def _texts(document: Mapping[str, Any], name: str) -> dict[str, str]:
    given = document.get(name, {})
    if not isinstance(given, dict) or not all(isinstance(value, str) and value.strip() for value in given.values()):
        raise _refused(
            f"has {name} that are not names by names", f'expected: {name} with entries such as value = "Identifier"'
        )
    return {str(key): value for key, value in given.items()}


def _check_columns(columns: Mapping[str, str]) -> None:
    known = (*COLUMNS, *ACCOUNT_COLUMNS)
    for name in columns:
        if name not in known:
            raise _refused(f"has an unknown column {name[:40]}", f"known: {', '.join(known)}")
    given = [name for name in ACCOUNT_COLUMNS if name in columns]
    if len(given) == 1:
        raise _refused(f"has {given[0]} alone", f"{' and '.join(ACCOUNT_COLUMNS)} go together")


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _refused(found: str, wanted: str) -> FileRefusedError:
    return FileRefusedError(f"the map of columns {found}", wanted)
