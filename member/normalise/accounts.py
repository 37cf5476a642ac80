"""Accounts: `bank_account` (UK sort code and account number) and `iban`.

A UK IBAN names the same account as its sort code and account number, so it becomes a `bank_account`: otherwise
two banks that write one account differently would never meet. Neither the national account structure nor the UK
modulus check is applied: both change over the years, and two members with different tables would miss each other.
"""

from __future__ import annotations

import re

from stdnum.iso7064 import mod_97_10

from member.normalise.outcome import Canonical, NormalisationError
from member.normalise.text import with_plain_hyphens
from schemas.terms import IndicatorType

_SORT_CODE_AND_NUMBER = re.compile(r"[0-9]{14}")
_SEPARATORS = re.compile(r"[\s./-]+")
_IBAN_SEPARATORS = re.compile(r"[\s.-]+")
_SCIENTIFIC = re.compile(r"[0-9]+([.,][0-9]+)?[eE]\+?[0-9]{1,3}")
_IBAN_LABEL = re.compile(r"IBAN:?")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")  # 15 characters (Norway) to 34
_UK_IBAN = re.compile(r"GB[0-9]{2}[A-Z0-9]{4}([0-9]{14})")

_WANTED_ACCOUNT = "wanted: six digits of sort code and eight of account number, 14 in all"


def is_scientific(text: str) -> bool:
    """True for `2.00E+13`: what a spreadsheet makes of a long number; the digits it dropped are lost."""
    return _SCIENTIFIC.fullmatch(text) is not None


def scientific_error() -> NormalisationError:
    """The refusal for a number in scientific notation."""
    return NormalisationError(
        "a number in scientific notation: a spreadsheet has rounded it and its last digits are lost",
        "export the column again as text",
    )


def bank_account(text: str) -> Canonical:
    """Exactly 14 digits once spaces, hyphens, dots and slashes are gone."""
    if not _SORT_CODE_AND_NUMBER.fullmatch(text):
        text = _joined(text)
    return Canonical(IndicatorType.BANK_ACCOUNT.value, text)


def _joined(text: str) -> str:
    digits = _SEPARATORS.sub("", with_plain_hyphens(text))
    if _SORT_CODE_AND_NUMBER.fullmatch(digits):
        return digits
    if is_scientific(text):
        raise scientific_error()
    if digits[:2].isalpha() and digits[2:4].isdigit():
        raise NormalisationError("this looks like an IBAN", "write iban as its type")
    if not digits:
        raise NormalisationError("no digits", _WANTED_ACCOUNT)
    if not (digits.isascii() and digits.isdigit()):
        raise NormalisationError("an account number holds digits only", _WANTED_ACCOUNT)
    if len(digits) == 8:
        raise NormalisationError("8 digits: an account number without its sort code", _WANTED_ACCOUNT)
    if 6 < len(digits) < 14:
        raise NormalisationError(
            f"{len(digits)} digits: this looks like a leading zero lost in a spreadsheet",
            f"{_WANTED_ACCOUNT}, zeros in front included; export the column as text",
        )
    raise NormalisationError(f"{len(digits)} digits", f"{_WANTED_ACCOUNT}, zeros in front included")


def iban(text: str) -> Canonical:
    """Upper case without separators, mod 97 = 1 (ISO 13616, over ISO 7064 MOD 97-10).

    A UK IBAN becomes its sort code and account number, type `bank_account`.
    """
    number = iban_number(text)
    united_kingdom = _UK_IBAN.fullmatch(number)
    if united_kingdom:
        return Canonical(IndicatorType.BANK_ACCOUNT.value, united_kingdom[1])
    return Canonical(IndicatorType.IBAN.value, number)


def iban_number(text: str) -> str:
    """The IBAN itself, of whatever country: upper case without separators, mod 97 = 1."""
    number = _IBAN_SEPARATORS.sub("", with_plain_hyphens(text))
    if not number.isascii():
        raise NormalisationError("an IBAN holds the letters A to Z and digits only")
    number = number.upper()
    if not _IBAN.fullmatch(number):
        number = _unlabelled(number)
    if mod_97_10.checksum(number[4:] + number[:4]) != 1:
        raise NormalisationError("the check digits of the IBAN are wrong", "look for a mistyped or missing character")
    return number


def uk_iban(bank: str, account: str) -> str:
    """The IBAN of a UK account: `bank` is the four letters that its BIC begins with, `account` its 14 digits."""
    check_digits = mod_97_10.calc_check_digits(f"{bank}{account}GB")
    return f"GB{check_digits}{bank}{account}"


def _unlabelled(number: str) -> str:
    label = _IBAN_LABEL.match(number)
    bare = number[label.end() :] if label else number
    if _IBAN.fullmatch(bare):
        return bare
    if is_scientific(number):
        raise scientific_error()
    if number.isdigit():
        raise NormalisationError(
            "digits only",
            "an IBAN starts with its country; the type of a sort code and account number is bank_account",
        )
    raise NormalisationError(
        "not the shape of an IBAN",
        "wanted: two letters of country, two check digits, then 11 to 30 letters and digits",
    )
