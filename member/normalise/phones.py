"""Phone numbers: `+` and 7 to 15 digits (ITU-T E.164), international.

No country is ever guessed: a number without `+` or `00` is taken as already international, and one that starts with 0
is refused.
"""

from __future__ import annotations

import re

from member.normalise.accounts import is_scientific, scientific_error
from member.normalise.outcome import Canonical, NormalisationError
from member.normalise.text import with_plain_hyphens
from schemas.terms import IndicatorType

_COMPACT = re.compile(r"\+?([1-9][0-9]{6,14})")
_TRUNK_ZERO = re.compile(r"\(\s*0\s*\)")
_SEPARATORS = re.compile(r"[\s./()-]+")
_SHORTEST, _LONGEST = 7, 15


def phone(text: str) -> Canonical:
    """`+` and the digits; a prefix `00` and a trunk `(0)` dropped.

    Spaces, dots, hyphens, slashes and brackets may separate.
    """
    compact = _COMPACT.fullmatch(text)
    digits = compact[1] if compact else _digits(text)
    return Canonical(IndicatorType.PHONE.value, "+" + digits)


def _digits(text: str) -> str:
    if is_scientific(text):
        raise scientific_error()
    spelt = with_plain_hyphens(text)
    if _TRUNK_ZERO.match(spelt):  # nothing before the trunk zero: a national number, whose country nobody has said
        raise _national()
    digits = _SEPARATORS.sub("", _TRUNK_ZERO.sub("", spelt))
    if digits.startswith("+"):
        digits = digits[1:]
    elif digits.startswith("00"):
        digits = digits[2:]
    _check(digits)
    return digits


def _check(digits: str) -> None:
    if any(character.isalpha() for character in digits):
        raise NormalisationError("letters in a phone number", "leave out words and extensions")
    if digits and not (digits.isascii() and digits.isdigit()):
        raise NormalisationError(
            "a character that no phone number has", "one number a row: digits, +, spaces and . - / ( ) only"
        )
    if digits.startswith("0"):
        raise _national()
    if not _SHORTEST <= len(digits) <= _LONGEST:
        raise NormalisationError(
            f"{len(digits)} digits", f"wanted: {_SHORTEST} to {_LONGEST} with the country code; one number a row"
        )


def _national() -> NormalisationError:
    return NormalisationError(
        "the number starts with 0", "write it with its country code: +44 20 ... instead of 020 ..."
    )
