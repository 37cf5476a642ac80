"""What comes from outside is shown as text, never obeyed: no control character of it reaches the terminal.

An escape sequence could move the cursor, rewrite what stands above, set the clipboard or hide a line; a bidirectional
mark can turn a number round. Each such character is shown by its code point instead.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable


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


def to_second(text: str) -> str:
    """A time without its fractions of a second; anything else as it is."""
    found = _TIME.fullmatch(text)
    return text if found is None else f"{found[1]}{found[2]}"


_TIME = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})\.[0-9]+(Z|[+-][0-9]{2}:[0-9]{2})", re.ASCII
)
