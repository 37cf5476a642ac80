"""Made-up indicators for the tests of the member's side, with right check digits."""

from __future__ import annotations

from member.normalise.outcome import NormalisationError
from member.normalise.rules import normalise


def iban_of(country: str, account: str) -> str:
    """An IBAN with its check digits, worked out here by the book (ISO 13616) and not by the library under test."""
    moved = "".join(str(int(character, 36)) for character in f"{account}{country}00")
    return f"{country}{98 - int(moved) % 97:02d}{account}"


def lei_of(first_18: str) -> str:
    """An LEI with its check digits (ISO 17442)."""
    digits = "".join(str(int(character, 36)) for character in f"{first_18}00")
    return f"{first_18}{98 - int(digits) % 97:02d}"


def form_of(indicator_type: str, value: str) -> str:
    """The canonical form of a value whose type does not change."""
    canonical = normalise(indicator_type, value)
    assert canonical.indicator_type == indicator_type
    return canonical.canonical


def refusal_of(indicator_type: str, value: str) -> str:
    """The text of the refusal of a value that has no canonical form."""
    try:
        normalise(indicator_type, value)
    except NormalisationError as error:
        return str(error)
    raise AssertionError("this value was accepted")
