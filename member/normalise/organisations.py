"""Organisations: `lei` (ISO 17442) and `company_number` (a register's number, with the country in front)."""

from __future__ import annotations

import re

from stdnum.iso7064 import mod_97_10

from member.normalise.accounts import is_scientific, scientific_error
from member.normalise.countries import COUNTRIES
from member.normalise.outcome import Canonical, NormalisationError
from schemas.terms import IndicatorType

_LEI = re.compile(r"[A-Z0-9]{18}[0-9]{2}")
_COMPANY = re.compile(r"([A-Za-z]{2})\s*:(.*)", re.DOTALL)
_PLAIN_NUMBER = re.compile(r"[0-9A-Z]+")
_UK_DIGITS = 8  # Companies House numbers its companies with eight characters; spreadsheets drop the zeros


def lei(text: str) -> Canonical:
    """20 characters in upper case, mod 97 = 1 (ISO 7064 MOD 97-10)."""
    code = text.upper() if text.isascii() else ""
    if not _LEI.fullmatch(code):
        raise NormalisationError(
            f"{len(text)} characters" if len(text) != 20 else "not the shape of an LEI",
            "wanted: 20 letters and digits, the last two digits, without spaces",
        )
    if mod_97_10.checksum(code) != 1:
        raise NormalisationError("the check digits of the LEI are wrong", "look for a mistyped character")
    return Canonical(IndicatorType.LEI.value, code)


def company_number(text: str) -> Canonical:
    """`CC:NUMBER`: ISO 3166-1 country, then letters and digits only; UK numbers of digits padded to eight."""
    parts = _COMPANY.fullmatch(text)
    if not parts:
        raise NormalisationError("no country", "wanted: GB:01234567, the ISO country code and a colon in front")
    country, number = parts[1].upper(), parts[2].strip()
    if country not in COUNTRIES:
        raise NormalisationError(
            "the two letters in front are no ISO 3166-1 country", "the United Kingdom is GB" if country == "UK" else ""
        )
    if is_scientific(number):
        raise scientific_error()
    upper = number.upper()
    if not _PLAIN_NUMBER.fullmatch(upper):
        upper = "".join(character for character in upper if character.isalnum())
    if not upper:
        raise NormalisationError("no number after the country")
    if country == "GB" and upper.isascii() and upper.isdigit():
        upper = upper.zfill(_UK_DIGITS)
    return Canonical(IndicatorType.COMPANY_NUMBER.value, f"{country}:{upper}")
