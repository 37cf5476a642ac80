"""Identifiers from a file or from standard input: what stands on a command line, other users of the machine can see."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import click

from member.errors import UsageError, quoted

_MAX_BYTES = 1 << 20

value_file_option = click.option(
    "--value-file",
    type=click.Path(dir_okay=False, allow_dash=True, path_type=Path),
    metavar="F",
    help="Values from this file, one a line (- here or in place of the values: standard input): other users of this "
    "machine can see what stands on a command line, values too.",
)


def given_values(values: Sequence[str], file: Path | None) -> tuple[str, ...]:
    """The values of the command line, or the lines of `--value-file`, or of standard input for a single `-`, that are
    not blank. UsageError for both, and for a file that cannot be read, is no UTF-8 text or has no value; no value
    is quoted.
    """
    if file is None and tuple(values) == ("-",):
        file, values = Path("-"), ()
    if file is None:
        return tuple(values)
    if values:
        raise UsageError("values are given in two ways", "either on the command line or with --value-file")
    lines = _text_of(file).splitlines()
    found = tuple(line.strip() for line in lines if line.strip())
    if not found:
        raise UsageError(f"{_name_of(file)} has no value", "one value a line")
    return found


def _text_of(file: Path) -> str:
    try:
        if str(file) == "-":
            data = sys.stdin.buffer.read(_MAX_BYTES + 1)
        else:
            with file.open("rb") as stream:
                data = stream.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UsageError(f"{_name_of(file)} cannot be read: {error.strerror}", "--value-file FILE") from None
    if len(data) > _MAX_BYTES:
        raise UsageError(f"{_name_of(file)} is longer than {_MAX_BYTES:,} bytes", "one value a line")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise UsageError(f"{_name_of(file)}, line {line}: not UTF-8 text", "save it again as UTF-8") from None


def _name_of(file: Path) -> str:
    return "standard input" if str(file) == "-" else quoted(str(file))
