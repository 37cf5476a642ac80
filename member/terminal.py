"""What comes from outside is shown as text, never obeyed: no control character of it reaches the terminal.

An escape sequence could move the cursor, rewrite what stands above, set the clipboard or hide a line; a bidirectional
mark can turn a number round. Each such character is shown by its code point instead.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable

from rich.table import Table
from rich.text import Text


def printable(text: str) -> str:
    """The text with all but line ends made printable: other blanks as a blank, the rest as `<U+001B>`."""
    if text.replace("\n", " ").isprintable():
        return text
    return "".join(one if one == "\n" or one.isprintable() else _shown(one) for one in text.replace("\r\n", "\n"))


def as_lines(lines: Iterable[str]) -> str:
    """Lines of the program's own, one below the other. What goes on behind a line's end within one of them belongs to a
    value, and is marked as that: no text of another's looks like a line of ours.
    """
    return "\n".join(line.replace("\n", "\n    | ") for line in lines)


def _shown(character: str) -> str:
    is_blank = character == "\t" or unicodedata.category(character) == "Zs"
    return " " if is_blank else f"<U+{ord(character):04X}>"


class PlainTable(Table):
    """A table whose cells are shown as they are: printable, and never read as markup."""

    def add_row(self, *cells: object, **options: object) -> None:
        """One row; a cell is a text, or None for an empty one."""
        plain = [Text("" if cell is None else printable(str(cell))) for cell in cells]
        super().add_row(*plain, **options)  # type: ignore[arg-type]
