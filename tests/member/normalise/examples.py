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


PLAIN = {
    "bank_account": "20000012345678",
    "iban": iban_of("DE", "000000000000012345"),
    "phone": "+442079460123",
    "email": "anna@bank.example.com",
    "domain": "login.bank.example",
    "wallet": "0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed",
    "company_number": "GB:00123456",
    "lei": lei_of("000000EXAMPLE00001"),
    "person": "Anna Example|1980-01-31",
}
"""A value of each type."""


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


def is_refused(indicator_type: str, value: str) -> bool:
    """Whether a value has no canonical form; its refusal says what would be right."""
    try:
        normalise(indicator_type, value)
    except NormalisationError as error:
        assert error.hint, "a refusal names its cure"
        return True
    return False
