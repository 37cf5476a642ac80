"""Organisations: `lei` (ISO 17442) and `company_number` (a register's number, with the country in front)."""

from __future__ import annotations

import re

from stdnum.iso7064 import mod_97_10

from member.normalise.circumstances import Circumstances
from member.normalise.countries import COUNTRIES
from member.normalise.numbers import refuse_scientific, without_decimals
from member.normalise.outcome import Canonical, NormalisationError
from member.normalise.placeholders import is_placeholder, placeholder, refuse_word
from member.normalise.text import with_plain_hyphens
from schemas.terms import IndicatorType

_LEI = re.compile(r"[A-Z0-9]{18}[0-9]{2}")
_LEI_SEPARATORS = re.compile(r"[\s-]+")
_COMPANY = re.compile(r"([A-Za-z]{2})\s*:(.*)", re.DOTALL)
_PLAIN_NUMBER = re.compile(r"[0-9A-Z]+")
_TWO_VALUES = re.compile(r"[;|\n]|[A-Za-z]{2}\s*:\s*[0-9A-Za-z]|,\s*[A-Za-z]*[0-9]{6}|[0-9]{5,}\s*[/&]\s*[0-9]{5}")
_LABEL = re.compile(r"(?:no|nr|number|crn|reg|company)\b[.:\s]", re.IGNORECASE)
_UK_LENGTH = 8  # Companies House numbers with eight characters; spreadsheets and people drop the zeros
_UK_LETTERS = re.compile(r"(R|[A-Z]{2})([0-9]+)")
_UK_SHAPE = re.compile(r"[0-9]{8}|R[0-9]{7}|[A-Z]{2}[0-9A-Z]{6}")
_FILLER = re.compile(r"0+|9{6,}|[A-Z]{2}0+")


def lei(text: str, _: Circumstances) -> Canonical:
    """20 characters in upper case, mod 97 = 1 (ISO 7064 MOD 97-10); spaces and hyphens between groups dropped."""
    code = text.upper() if text.isascii() else ""
    if not _LEI.fullmatch(code):
        code = _LEI_SEPARATORS.sub("", with_plain_hyphens(text)).upper()
    if not _LEI.fullmatch(code):
        refuse_word(text)
        refuse_scientific(text)
        raise NormalisationError(
            f"{len(code)} characters" if len(code) != 20 else "not the shape of an LEI",
            "wanted: 20 letters A to Z and digits, the last two digits",
        )
    if mod_97_10.checksum(code) != 1:
        raise NormalisationError("the check digits of the LEI are wrong", "look for a mistyped character")
    return Canonical(IndicatorType.LEI.value, code)


def company_number(text: str, _: Circumstances) -> Canonical:
    """`CC:NUMBER`: ISO 3166-1 country, then letters and digits only; UK numbers padded as the register does."""
    parts = _COMPANY.fullmatch(text)
    if not parts:
        refuse_word(text)
        raise NormalisationError("no country", "wanted: GB:01234567, the ISO country code and a colon in front")
    country, number = parts[1].upper(), parts[2].strip()
    if country not in COUNTRIES:
        raise NormalisationError(
            "the two letters in front are not an ISO 3166-1 country",
            "the United Kingdom is GB" if country == "UK" else "look the code up: DE is Germany, FR France",
        )
    number = number.upper()
    if not _PLAIN_NUMBER.fullmatch(number):
        number = _bare(parts[2].strip())
    if is_placeholder(number) or _FILLER.fullmatch(number):
        raise placeholder()
    return Canonical(IndicatorType.COMPANY_NUMBER.value, f"{country}:{_as_registered(country, number)}")


def _bare(number: str) -> str:
    """Letters and digits only. NormalisationError for more than one number and for letters of another script."""
    refuse_scientific(number)
    if _TWO_VALUES.search(number):
        raise NormalisationError("more than one number", "one company a row")
    if number.startswith("-") and number[1:].isdigit():
        raise NormalisationError("a minus sign in front", "export the column again as text")
    if _LABEL.match(number):
        raise NormalisationError("words in front of the number", "wanted: GB:01234567, the number alone")
    number = without_decimals(number)
    bare = "".join(character for character in number if character.isalnum()).upper()
    if not bare.isascii():
        raise NormalisationError(
            "a letter outside A to Z: one of another script may look the same", "type the number again in Latin letters"
        )
    if not bare:
        raise NormalisationError("no number after the country", "wanted: GB:01234567")
    return bare


def _as_registered(country: str, number: str) -> str:
    refuse_scientific(number)
    if country != "GB":
        return number
    if number.isdigit():
        number = number.zfill(_UK_LENGTH)
    lettered = _UK_LETTERS.fullmatch(number)
    if lettered and len(number) < _UK_LENGTH:
        number = lettered[1] + lettered[2].zfill(_UK_LENGTH - len(lettered[1]))
    if not _UK_SHAPE.fullmatch(number):
        raise NormalisationError(
            "not the shape of a UK company number",
            "it has eight characters: digits, or two letters (SC, NI, OC …) and six digits",
        )
    return number
