"""How the registers of some countries write a company's number, so that each company has one form.

A form is changed only where it is certain which number is meant; one that lost a zero or a letter in front is refused.
Numbers of other countries, and letters where a register has numbers of several kinds, stay as they are written.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from stdnum.be import vat as belgian_number
from stdnum.ch import uid

from member.normalise.outcome import NormalisationError

LENGTHS: Mapping[str, tuple[int, ...]] = {
    "AU": (9, 11),
    "BE": (10,),
    "BR": (14,),
    "CZ": (8,),
    "DK": (8,),
    "FI": (8,),
    "FR": (9,),
    "HK": (7, 8),
    "IT": (11,),
    "NL": (8,),
    "NO": (9,),
    "PL": (9, 10, 14),
    "PT": (9,),
    "SE": (10,),
    "SK": (8,),
}
"""Digits of a number without letters: ACN and ABN, ondernemingsnummer, CNPJ, IČO, CVR, Y-tunnus, SIREN, the numbers of
Hong Kong's two registers, codice fiscale, KVK, organisasjonsnummer, REGON and KRS (and NIP), NIPC, organisationsnummer.
A spreadsheet drops the zeros in front."""
WITHOUT_ZEROS: Mapping[str, int] = {"GG": 6, "IE": 7, "JE": 7}
"""The most digits where numbers are counted from 1 and written without zeros in front."""

_GERMAN = re.compile(r"(HR[AB]|GNR|GSR|PR|VR)0*([1-9][0-9]*[A-Z]{0,3})")
_AUSTRIAN = re.compile(r"(?:FN)?0*([1-9][0-9]{0,5}[A-Z])")
_AUSTRIAN_WITHOUT_LETTER = re.compile(r"FN[0-9]+|[0-9]{1,6}")
_AUSTRIAN_VAT = re.compile(r"(?:AT)?U[0-9]{8}")
_LUXEMBOURG = re.compile(r"([A-Z])0*([1-9][0-9]*)")
_LONGEST_IN_LUXEMBOURG = 10
_SPANISH = re.compile(r"ES([A-Z][0-9]{7}[0-9A-Z])")
_SWISS_UID_LENGTH, _SWISS_OLD_LENGTH = 9, 11


def _of_known_length(digits: str, country: str) -> str:
    """Digits of a length that the register has."""
    lengths = LENGTHS[country]
    if len(digits) in lengths:
        return digits
    known = " or ".join(map(str, lengths))
    lost = "a leading zero may be lost: " if len(digits) < max(lengths) else ""
    raise NormalisationError(
        f"{len(digits)} digits",
        f"{lost}write it as the register does, with {known} digits, zeros in front included",
    )


def _belgian(number: str) -> str:
    """Numbers had nine digits before the register put a zero in front; their check digits stayed."""
    if number.isdigit() and len(number) == LENGTHS["BE"][0] - 1 and belgian_number.is_valid(number):
        return "0" + number
    return number


def _german(number: str) -> str:
    if number.isdigit():
        raise NormalisationError("a number without its register", "write the register's letters in front: DE:HRB 12345")
    known = _GERMAN.fullmatch(number)
    return f"{known[1]}{known[2]}" if known else number


def _austrian(number: str) -> str:
    known = _AUSTRIAN.fullmatch(number)
    if known:
        return f"FN{known[1]}"
    if _AUSTRIAN_WITHOUT_LETTER.fullmatch(number):
        raise NormalisationError("the letter behind the number is missing", "write it as the register does: FN 123456a")
    if _AUSTRIAN_VAT.fullmatch(number):
        raise NormalisationError("a VAT number", "write the number of the Firmenbuch: FN 123456a")
    return number


def _swiss(number: str) -> str:
    """UIDs begin with CHE, the numbers before them with CH."""
    if number.isdigit():
        if len(number) == _SWISS_UID_LENGTH and uid.is_valid(f"CHE{number}"):
            return f"CHE{number}"
        if len(number) == _SWISS_OLD_LENGTH:
            return f"CH{number}"
        raise NormalisationError("not the shape of a Swiss number", "write it as the register does: CHE-123.456.789")
    digits = number.removeprefix("CHE")
    if digits != number and digits.isdigit() and len(digits) != _SWISS_UID_LENGTH:
        raise NormalisationError(f"CHE and {len(digits)} digits", "it has nine, zeros in front included")
    return number


def _luxembourgish(number: str) -> str:
    if number.isdigit() and len(number) <= _LONGEST_IN_LUXEMBOURG:
        raise NormalisationError("a number without its section", "write the section's letter in front: LU:B12345")
    known = _LUXEMBOURG.fullmatch(number)
    return f"{known[1]}{known[2]}" if known else number


def _spanish(number: str) -> str:
    if number.isdigit():
        raise NormalisationError("no letter in front", "write the NIF with its letter: ES:B12345674")
    vat = _SPANISH.fullmatch(number)
    return vat[1] if vat else number


def _hong_kongs(number: str) -> str:
    """The business registration number of eight digits is printed with the number of the branch; 000 is the company."""
    return number[:8] if number.isdigit() and len(number) == 11 and number.endswith("000") else number


_OWN_RULES: Mapping[str, Callable[[str], str]] = {
    "AT": _austrian,
    "BE": _belgian,
    "CH": _swiss,
    "DE": _german,
    "ES": _spanish,
    "HK": _hong_kongs,
    "LU": _luxembourgish,
}


def in_the_registers_form(country: str, number: str) -> str:
    """The number as the country's register writes it. NormalisationError where something of it is missing."""
    own_rule = _OWN_RULES.get(country)
    if own_rule:
        number = own_rule(number)
    if not number.isdigit():
        return number
    if country in LENGTHS:
        return _of_known_length(number, country)
    most = WITHOUT_ZEROS.get(country)
    if most is None:
        return number
    number = number.lstrip("0")
    if len(number) > most:
        raise NormalisationError(f"{len(number)} digits", f"the register's numbers there have {most} at most")
    return number
