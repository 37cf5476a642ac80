"""The check digits that some countries put inside the account part of an IBAN, where it has their shape.

Only sums that are the same for every bank of the country; which banks exist, and how long accounts are, changes over
the years and is not tested (docs/adr/0042).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

from stdnum.es import ccc
from stdnum.no import kontonr

from member.normalise.outcome import NormalisationError

_RIB_VALUES = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ", "12345678912345678923456789")
_CIN_ODD = (1, 0, 5, 7, 9, 13, 15, 17, 19, 21, 2, 4, 18, 20, 11, 3, 6, 8, 12, 14, 16, 10, 22, 25, 24, 23)


def _belgian(account: str) -> bool:
    """The last two digits are the first ten modulo 97, or 97 for none."""
    return int(account[10:]) == (int(account[:10]) % 97 or 97)


def _french(account: str) -> bool:
    """Clé RIB: bank, branch, account and key, letters as digits, are a multiple of 97."""
    digits = account.translate(_RIB_VALUES)
    return (89 * int(digits[:5]) + 15 * int(digits[5:10]) + 3 * int(digits[10:21]) + int(digits[21:])) % 97 == 0


def _italian(account: str) -> bool:
    """CIN: a letter in front, the sum of a table's figures at odd places and plain ones at even places modulo 26."""
    total = 0
    for place, character in enumerate(account[1:]):
        value = int(character) if character.isdigit() else ord(character) - ord("A")
        total += value if place % 2 else _CIN_ODD[value]
    return chr(ord("A") + total % 26) == account[0]


def _modulo_97(account: str) -> bool:
    """ISO 7064 MOD 97-10 over the account itself."""
    return int(account) % 97 == 1


def _norwegian(account: str) -> bool:
    return bool(kontonr.is_valid(account))


def _spanish(account: str) -> bool:
    return bool(ccc.calc_check_digits(account) == account[8:10])


_DIGITS = {length: re.compile(rf"[0-9]{{{length}}}") for length in (11, 12, 15, 16, 18, 19, 20, 21)}
_RIB = re.compile(r"[0-9]{10}[0-9A-Z]{11}[0-9]{2}")
_CIN = re.compile(r"[A-Z][0-9]{10}[0-9A-Z]{12}")

CHECKS: Mapping[str, tuple[re.Pattern[str], Callable[[str], bool]]] = {
    "BA": (_DIGITS[16], _modulo_97),
    "BE": (_DIGITS[12], _belgian),
    "ES": (_DIGITS[20], _spanish),
    "FR": (_RIB, _french),
    "IT": (_CIN, _italian),
    "MC": (_RIB, _french),
    "ME": (_DIGITS[18], _modulo_97),
    "MK": (_DIGITS[15], _modulo_97),
    "NO": (_DIGITS[11], _norwegian),
    "PT": (_DIGITS[21], _modulo_97),
    "RS": (_DIGITS[18], _modulo_97),
    "SI": (_DIGITS[15], _modulo_97),
    "SM": (_CIN, _italian),
}


def refuse_wrong_national_check(iban: str) -> None:
    """NormalisationError if the account part has its country's shape and not its check digits."""
    known = CHECKS.get(iban[:2])
    if known is None:
        return
    shape, is_right = known
    account = iban[4:]
    if shape.fullmatch(account) and not is_right(account):
        raise NormalisationError(
            "the country's own check digits inside the IBAN are wrong", "look for two mistyped or exchanged characters"
        )
