"""`--output F.csv|F.xlsx`: a list in a file for a spreadsheet, one column for each field of its `--json` form."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from member.commands.shared.common import Shown, counted
from member.inputs import InputError
from member.tables.exporting import check_output, write_rows


def _check(_context: click.Context, _parameter: click.Parameter, path: Path | None) -> Path | None:
    try:
        return None if path is None else check_output(path)
    except InputError as error:
        error.detail = error.named("--output")
        raise


output_option = click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    callback=_check,
    metavar="F.csv|F.xlsx",
    help="Write the list to this new file, for a spreadsheet; every cell is text.",
)


def exported(path: Path, document: Mapping[str, Any], name: str) -> Shown:
    """Write the list `name` of a document to a new file; what is shown is where it went, and how much."""
    rows = [dict(row) for row in document[name]]
    columns = list(dict.fromkeys(column for row in rows for column in row))
    written = write_rows(path, columns, (_cells(row, columns) for row in rows))
    return _exported(path, name, rows, written)


def streamed(path: Path, name: str, columns: Sequence[str], rows: Callable[[], Iterator[Mapping[str, Any]]]) -> Shown:
    """The same of a list that is too long to hold: it is read once for the file, and once more for `--json`."""
    written = write_rows(path, columns, (_cells(row, columns) for row in rows()))
    return _exported(path, name, rows(), written)


def _exported(path: Path, name: str, rows: object, written: int) -> Shown:
    warning = f"{path} holds what it says in the clear; remove it when it is no longer needed"
    text = f"{counted(written, 'row')} in {path}"
    return Shown({name: rows, "output": str(path)}, text, warnings=[warning])


def _cells(row: Mapping[str, Any], columns: Iterable[str]) -> list[object]:
    return [_cell(row.get(column)) for column in columns]


def _cell(value: object) -> object:
    """One level of structure reads as `name: value`; a list has an item behind the other."""
    if isinstance(value, Mapping):
        named = ((name, _cell(inner)) for name, inner in value.items() if inner not in (None, [], {}))
        return "; ".join(
            f"{name}: {', '.join(map(str, inner)) if isinstance(inner, list) else inner}" for name, inner in named
        )
    if isinstance(value, list):
        return [str(_cell(item)) for item in value]
    return value
