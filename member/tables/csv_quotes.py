"""Where a quoted field begins that does not end: the line that the reader of a broken file needs to look at."""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum, auto

_ENDS_OF_LINE = "\r\n"


class _Place(Enum):
    FIELD_START = auto()
    PLAIN = auto()
    QUOTED = auto()
    AFTER_QUOTE = auto()


def quote_left_open(lines: Iterable[str], delimiter: str, first_line: int) -> int | None:
    """The line on which a quoted field begins that never ends properly, else None.

    `lines` are the physical lines of one faulty record (RFC 4180 with any line end), the first being `first_line`. A
    quoted field that runs over a line end and is then followed by text has swallowed rows up to the next quote, so it
    counts as left open; one that is broken within its own line does not.
    """
    place, opened_on = _Place.FIELD_START, first_line
    for number, line in enumerate(lines, first_line):
        for character in line:
            if place is _Place.FIELD_START and character == '"':
                opened_on = number
            elif place is _Place.AFTER_QUOTE and character not in (delimiter, '"', *_ENDS_OF_LINE):
                return opened_on if opened_on < number else None
            place = _next(place, character, delimiter)
    return opened_on if place is _Place.QUOTED else None


def _next(place: _Place, character: str, delimiter: str) -> _Place:
    if place is _Place.QUOTED:
        return _Place.AFTER_QUOTE if character == '"' else _Place.QUOTED
    if character == delimiter or character in _ENDS_OF_LINE:
        return _Place.FIELD_START
    if character == '"' and place is not _Place.PLAIN:
        return _Place.QUOTED
    return _Place.PLAIN
