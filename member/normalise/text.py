"""What every value gets before the rule of its type (rules n1, in this order).

1. Unicode NFKC.
2. Format characters (category Cf: zero-width, bidirectional marks, byte order mark, soft hyphen) removed.
3. Any decimal digit (category Nd) to its ASCII digit.
4. Outer white space trimmed.

A plain ASCII value passes 1 to 3 unchanged, so it takes a short way.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable

from member.normalise.outcome import NormalisationError


class CodePointTable(dict[int, str | None]):
    """A table for str.translate that works each code point out once, when it is first met."""

    def __init__(self, rule: Callable[[str], str | None]) -> None:
        super().__init__()
        self._rule = rule

    def __missing__(self, code_point: int) -> str | None:
        replacement = self[code_point] = self._rule(chr(code_point))
        return replacement


def _plain(character: str) -> str | None:
    category = unicodedata.category(character)
    if category == "Cf":
        return None
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category == "Cs":
        raise NormalisationError("a lone surrogate is not a character", "save the text again as UTF-8")
    return character


_PLAIN = CodePointTable(_plain)

_HYPHENS = str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2015\u2212", "-"))
"""Dashes that word processors put where a hyphen was typed."""


def clean(value: str) -> str:
    """The value after the four steps above. Raises NormalisationError for a lone surrogate, which has no UTF-8 form."""
    if value.isascii():
        return value.strip()
    return unicodedata.normalize("NFKC", value).translate(_PLAIN).strip()


def with_plain_hyphens(text: str) -> str:
    """Typographic dashes as the ASCII hyphen, for the types in which a hyphen only separates."""
    return text if text.isascii() else text.translate(_HYPHENS)
