"""Organisations: `lei` (ISO 17442) and `company_number` (a register's number, with the country in front)."""

from __future__ import annotations

import re

from stdnum.iso7064 import mod_97_10

from member.normalise.check_digits import refuse_second_form
from member.normalise.circumstances import Circumstances
from member.normalise.company_registers import in_the_registers_form
from member.normalise.countries import COUNTRIES
from member.normalise.numbers import refuse_scientific, without_decimals
from member.normalise.outcome import Canonical, NormalisationError
from member.normalise.placeholders import is_placeholder, placeholder, refuse_filler, refuse_word
from member.normalise.text import with_plain_hyphens
from schemas.terms import IndicatorType

_LEI = re.compile(r"[A-Z0-9]{18}[0-9]{2}")
_TEST = re.compile("TEST")
_LEI_SEPARATORS = re.compile(r"[\s-]+")
_COMPANY = re.compile(r"([A-Za-z]{2})\s*:(.*)", re.DOTALL)
_PLAIN_NUMBER = re.compile(r"[0-9A-Z]+")
_TWO_VALUES = re.compile(
    r"[;|\n]|[A-Za-z]{2}\s*:\s*[0-9A-Za-z]|,\s*[A-Za-z]*[0-9]{6}|[0-9]{5,}\s*[/&]\s*[0-9]{5}"
    r"|([A-Za-z]{2,4})[\s.-]*[0-9]{3,}\s*[A-Za-z]?\s*[,/&+]\s*\1[\s.-]*[0-9]{3}",
    re.IGNORECASE,
)
_LABEL = re.compile(r"(?:.*[\s.-])?(?:no|nr|number|nummer|crn|reg|company|rcs|siren|siret)\b[.:\s]", re.IGNORECASE)
_NAMED = re.compile(
    r"(?:CRN|COMPANY|COMPANYNO|REGNO|SIREN|SIRET|RCS|KVK|KRS|NIP|REGON|CIF|NIF|CVR|CUI|OIB|EIK|ICO|TIN|EIN|ABN|ACN|CNPJ"
    r"|UEN|BRN|OGRN|INN|ORGNR|USTID|VAT|TAX)[0-9]{5}"
)
_NAMED_BEHIND = re.compile(r"[0-9]{5}(?:MWST|TVA|IVA|MVA|VAT)\Z")
"""What the number is called, in front of it or behind: with the word and without would be two forms of one company."""
_WORD = re.compile(r"[^\W\d_]{6}")
_ODD_SIGN = re.compile(r"[^\w\s./,:'\"\u2018-\u201f-]|_{2}")
_DATE = re.compile(r"[0-9]{1,2}([./-])[0-9]{1,2}\1[0-9]{4}|[0-9]{4}([./-])[0-9]{1,2}\2[0-9]{1,2}")
_FRACTION = re.compile(r"[0-9][.,](0{1,2}|[0-9]{1,2})\Z")
_NAMED_AS_THEIR_COUNTRY = frozenset({"CH"})
"""Countries whose register begins its numbers with the country's letters."""
_VAT_NUMBER_IS_THE_REGISTERS = frozenset({"BE", "CZ", "DK", "FI", "NO", "PT"})
"""There the VAT number is the company's number with the country's letters in front."""
_GERMAN_BEHIND = re.compile(r"[0-9]+(?:HR[AB]|GNR|PR|VR)[A-Z]{0,2}")
_SIRET_LENGTH = 14
_EXPECTED = "expected: GB:01234567"
_UK_LENGTH = 8  # Companies House numbers with eight characters; spreadsheets and people drop the zeros
_UK_LETTERS = re.compile(r"(R|[A-Z]{2})([0-9]+)")
_UK_SHAPE = re.compile(r"[0-9]{8}|R[0-9]{7}|(?:IP|SP|NP|NO|RS)[0-9A-Z]{6}|([A-Z]{2})[0-9]{6}")
_UK_PREFIXES = frozenset(
    """
    AC BR CE CN CS FC FE FL GE GN GS IC IP LP NA NC NF NI NL NO NP NR NV NZ OC OE PC RC RS SA SC SE SF SG SI SL SO SP SR
    SZ ZC
    """.split()  # noqa: SIM905
)
"""Companies House, "Uniform resource identifiers (URI) customer guide", and OE for overseas entities."""
_FILLER = re.compile(r"[A-Z]{0,4}0+|9{6,}|([0-9])\1{7,}|12345678")


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
            "expected: 20 letters A to Z and digits, the last two digits",
        )
    if mod_97_10.checksum(code) != 1:
        raise NormalisationError("the check digits of the LEI are wrong", "look for a mistyped character")
    refuse_second_form(code[-2:], "LEI", "entity")
    refuse_filler(code[:-2])
    if set(_TEST.split(code[:-2])) <= {"", "T", "TE", "TES"}:
        raise placeholder()
    return Canonical(IndicatorType.LEI.value, code)


def company_number(text: str, _: Circumstances) -> Canonical:
    """`CC:NUMBER`: ISO 3166-1 country, then letters and digits only; UK numbers padded as the register does."""
    parts = _COMPANY.fullmatch(text)
    if not parts:
        refuse_word(text)
        raise NormalisationError("no country", f"{_EXPECTED}, the ISO country code and a colon in front")
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
    if number.isalpha():
        raise NormalisationError("no digit in the number", f"{_EXPECTED}, the number that the register gives")
    return Canonical(IndicatorType.COMPANY_NUMBER.value, f"{country}:{_as_registered(country, number)}")


def _bare(number: str) -> str:
    """Letters and digits only. NormalisationError for more than one number and for letters of another script."""
    refuse_scientific(number)
    if _TWO_VALUES.search(number):
        raise NormalisationError("more than one number", "one company a row")
    if number.startswith("-") and number[1:].isdigit():
        raise NormalisationError("a minus sign in front", "export the column again as text")
    if _DATE.fullmatch(number):
        raise NormalisationError("this looks like a date", f"{_EXPECTED}; export the column again as text")
    number = without_decimals(number)
    fraction = _FRACTION.search(number)
    if fraction:
        if fraction[1].strip("0") or "," in number[: fraction.start()]:
            raise NormalisationError("a number with decimals", "export the column again as text")
        number = number[: fraction.start() + 1]
    if _LABEL.match(number) or _WORD.search(number):
        raise NormalisationError("words beside the number", f"{_EXPECTED}, the number alone")
    if _ODD_SIGN.search(number):
        raise NormalisationError("a sign that no register's number has", f"{_EXPECTED}, the whole number alone")
    bare = "".join(character for character in number if character.isalnum()).upper()
    if not bare.isascii():
        raise NormalisationError(
            "a letter outside A to Z: one of another script may look the same", "type the number again in Latin letters"
        )
    if not bare:
        raise NormalisationError("no number after the country", _EXPECTED)
    return bare


def _as_registered(country: str, number: str) -> str:
    refuse_scientific(number)
    if _NAMED.match(number) or _NAMED_BEHIND.search(number):
        raise NormalisationError("words beside the number", f"{_EXPECTED}, the number alone")
    if number.startswith(country) and number[2:].isdigit() and country in _VAT_NUMBER_IS_THE_REGISTERS:
        return in_the_registers_form(country, number[2:])
    if number.startswith(country) and number[2:].isdigit() and country not in _NAMED_AS_THEIR_COUNTRY:
        raise NormalisationError(
            "the country in front of the number again",
            f"{_EXPECTED}, as the register prints the number; a VAT number is another one",
        )
    if country == "DE" and _GERMAN_BEHIND.fullmatch(number):
        raise NormalisationError("the register behind the number", "write it in front: DE:HRB 12345")
    if country == "FR" and len(number) == _SIRET_LENGTH and number.isdigit():
        raise NormalisationError(
            "14 digits: a SIRET, which names one place of a company", "write its first nine digits, the SIREN"
        )
    if country != "GB":
        return in_the_registers_form(country, number)
    if number.isdigit():
        number = number.zfill(_UK_LENGTH)
    lettered = _UK_LETTERS.fullmatch(number)
    if lettered and len(number) < _UK_LENGTH:
        number = lettered[1] + lettered[2].zfill(_UK_LENGTH - len(lettered[1]))
    shape = _UK_SHAPE.fullmatch(number)
    if not shape or (shape[1] and shape[1] not in _UK_PREFIXES):
        raise NormalisationError(
            "not the shape of a UK company number",
            "it has eight characters: digits, or two letters of the register (SC, NI, OC …) and six digits; a zero is"
            " no letter O",
        )
    return number
