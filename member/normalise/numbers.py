"""What spreadsheets do to numbers that are names: scientific notation, decimals, minus signs."""

from __future__ import annotations

import re

from member.normalise.outcome import NormalisationError

_SCIENTIFIC = re.compile(r"[+-]?[0-9]+([.,][0-9]+)?[eE][+-]?[0-9]{1,3}")
_DECIMALS = re.compile(r"([+]?[0-9]+)[.,]([0-9]{1,2})")


def refuse_scientific(text: str) -> None:
    """NormalisationError for `2.00E+13`: what a spreadsheet makes of a long number; the digits it dropped are lost."""
    if ("E" in text or "e" in text) and _SCIENTIFIC.fullmatch(text):
        raise NormalisationError(
            "a number in scientific notation: a spreadsheet has rounded it and its last digits are lost",
            "export the column again as text",
        )


def without_decimals(text: str) -> str:
    """`123.0` and `123,00` as `123`; any other text as it is. NormalisationError for decimals that are not zero."""
    decimals = _DECIMALS.fullmatch(text)
    if decimals is None:
        return text
    if decimals[2].strip("0"):
        raise NormalisationError("a number with decimals", "export the column again as text")
    return decimals[1]
