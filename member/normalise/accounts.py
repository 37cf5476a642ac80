"""Accounts: `bank_account` (UK or Irish sort code and account number) and `iban`.

A UK or Irish IBAN names the same account as its sort code and account number, so it becomes a `bank_account`: otherwise
two banks that write one account differently would never meet (docs/adr/0042). Neither a country's account structure nor
the UK modulus check is applied: both change over the years, and members with different tables would miss each other.
"""

from __future__ import annotations

import re
from itertools import accumulate

from stdnum.iso7064 import mod_97_10

from member.normalise.check_digits import refuse_second_form
from member.normalise.circumstances import Circumstances
from member.normalise.national_checks import refuse_wrong_national_check
from member.normalise.numbers import refuse_scientific, without_decimals
from member.normalise.outcome import Canonical, NormalisationError
from member.normalise.placeholders import placeholder, refuse_filler, refuse_word
from member.normalise.text import with_plain_hyphens
from schemas.terms import IndicatorType

_SORT_CODE_AND_NUMBER = re.compile(r"[0-9]{14}")
_SEPARATORS = re.compile(r"[\s./:_-]+")
_IBAN_SEPARATORS = re.compile(r"[\s._/:-]+")
_IBAN_LABELS = ("IBANNUMMER", "IBANNUMBER", "IBANNO", "IBANNR", "IBAN")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")  # 15 characters (Norway) to 34
_BANK_AND_ZEROS = re.compile(r"[A-Z]{4}0{8,}")
_SORT_CODE_IBAN = re.compile(r"(?:GB|IE)[0-9]{2}[A-Z0-9]{4}([0-9]{14})")
_SORT_CODE_FIRST = re.compile(r"([0-9]{6}|[0-9]{2}-[0-9]{2}-[0-9]{2}|[0-9]{2} [0-9]{2} [0-9]{2})[\s:/_-]+(.+)")
_NINE_AFTER_SIX = re.compile(r"([0-9]{6})([0-9]{9})")
_NUMBER_FIRST = re.compile(r"(?:[0-9]{8}|[0-9]{4}\D+[0-9]{4})\D+(?:[0-9]{6}|[0-9]{2}\D+[0-9]{2}\D+[0-9]{2})")
_SORT_CODE_LENGTH, _NUMBER_LENGTH, _LONGEST_GROUP = 6, 8, 5
_ROLL_NUMBER = re.compile(r"\bROLL\b|[A-Z]/[0-9]|/[0-9]+-[0-9]", re.IGNORECASE)
_NO_ACCOUNTS = frozenset({"00000000", "99999999"})
_DATE_IN_FRONT = re.compile(r"(?:19|20)[0-9]{2}([./-])[0-9]{2}\1[0-9]{2}\s.*")
_PRINTED_EVERYWHERE = frozenset({"12345612345678", "12345678901234", "12345687654321"})

_EXPECTED_ACCOUNT = "expected: six digits of sort code and eight of account number, 14 in all"


def bank_account(text: str, _: Circumstances) -> Canonical:
    """Exactly 14 digits once spaces, hyphens, dots, slashes, colons and underscores are gone."""
    if not _SORT_CODE_AND_NUMBER.fullmatch(text):
        text = _joined(text)
    return _account(text)


def _account(digits: str) -> Canonical:
    if digits[6:] in _NO_ACCOUNTS or digits[:6] == "000000" or digits in _PRINTED_EVERYWHERE:
        raise placeholder()
    refuse_filler(digits)
    return Canonical(IndicatorType.BANK_ACCOUNT.value, digits)


def _joined(text: str) -> str:
    refuse_word(text)
    refuse_scientific(text)
    text = without_decimals(with_plain_hyphens(text))
    if text.startswith("-") or text.endswith("-"):
        raise NormalisationError("a minus sign in front or behind", _EXPECTED_ACCOUNT)
    if re.search(r"[0-9]{3}[.,][0-9]{1,2}\Z", text):
        raise NormalisationError("a number with decimals", "export the column again as text")
    digits = _SEPARATORS.sub("", text)
    if _SORT_CODE_AND_NUMBER.fullmatch(digits):
        _refuse_other_parts(text)
        return digits
    raise _no_account(text, digits)


def _refuse_other_parts(text: str) -> None:
    """NormalisationError for 14 digits that are written in parts other than six and eight: with the account number in
    front, or with a sort code that lost its zero before nine digits. Even groups (4 4 4 2) say nothing of parts.
    """
    if _DATE_IN_FRONT.fullmatch(text):
        raise NormalisationError("this looks like a date and a time", _EXPECTED_ACCOUNT)
    if _NUMBER_FIRST.fullmatch(text) or _has_number_first(text):
        raise NormalisationError("the account number stands in front of the sort code", "write the sort code first")
    groups = [len(group) for group in _SEPARATORS.split(text)]
    if len(groups) == 1:
        return
    ends = {sum(groups[:count]) for count in range(1, len(groups) + 1)}
    is_even = len(set(groups[:-1])) == 1 and groups[-1] <= groups[0] <= _LONGEST_GROUP
    if _SORT_CODE_LENGTH not in ends and not is_even:
        raise NormalisationError("the parts do not have six and eight digits", _EXPECTED_ACCOUNT)


def _has_number_first(text: str) -> bool:
    """True if the separators change where eight digits may end: each side has one separator inside, and between the two
    stands a space or a separator that neither has (`12-34-56-78 20-20-15`).
    """
    between = [found[0].strip() or " " for found in _SEPARATORS.finditer(text)]
    ends = list(accumulate(map(len, _SEPARATORS.split(text))))
    if _NUMBER_LENGTH not in ends or len(set(between)) == 1:
        return False
    place = ends.index(_NUMBER_LENGTH)
    number, sort_code = set(between[:place]), set(between[place + 1 :])
    if len(number) > 1 or len(sort_code) > 1:
        return False
    return between[place] == " " or between[place] not in number | sort_code


def _no_account(text: str, digits: str) -> NormalisationError:
    if digits[:2].isalpha() and digits[2:4].isdigit():
        return NormalisationError("this looks like an IBAN", "write iban as its type")
    if _ROLL_NUMBER.search(text):
        return NormalisationError(
            "a building society's roll number",
            "expected: the sort code and eight-digit account number that the society receives payments on, if they are"
            " this customer's alone; a roll number is not an indicator type",
        )
    if digits and not (digits.isascii() and digits.isdigit()):
        return NormalisationError("an account number holds digits only", _EXPECTED_ACCOUNT)
    parts = _SORT_CODE_FIRST.fullmatch(text) or _NINE_AFTER_SIX.fullmatch(digits)
    if parts:
        return _other_length(_SEPARATORS.sub("", parts[1]), _SEPARATORS.sub("", parts[2]))
    return _wrong_count(len(digits))


def _wrong_count(digits: int) -> NormalisationError:
    if digits == 8:
        return NormalisationError("8 digits: an account number without its sort code", _EXPECTED_ACCOUNT)
    if 6 < digits < 14:
        return NormalisationError(
            f"{digits} digits: this looks like a leading zero lost in a spreadsheet",
            f"{_EXPECTED_ACCOUNT}, zeros in front included; export the column as text",
        )
    return NormalisationError(f"{digits or 'no'} digits", f"{_EXPECTED_ACCOUNT}, zeros in front included")


def _other_length(sort_code: str, number: str) -> NormalisationError:
    """An account number of another length than eight: how banks make eight of it (Vocalink, Validating account
    numbers, non-standard account numbers).
    """
    found = f"an account number of {len(number)} digits"
    if len(number) in (6, 7):
        zeros = "a zero" if len(number) == 7 else "two zeros"
        return NormalisationError(found, f"if none was lost, write {zeros} in front of it, for eight digits")
    if len(number) == 9:
        holder = " (Santander's rule)" if sort_code.startswith("09") else ""
        return NormalisationError(
            found,
            "where the bank has nine, the first of them replaces the last digit of the sort code and the other eight"
            f" are the account number{holder}; ask the bank if it is another one",
        )
    if len(number) == 10:
        return NormalisationError(
            found, "the Co-operative Bank's are the first eight of ten, NatWest's the last eight; ask the bank"
        )
    return NormalisationError(found, f"{_EXPECTED_ACCOUNT}, zeros in front included")


def iban(text: str, _: Circumstances) -> Canonical:
    """Upper case without separators, mod 97 = 1 (ISO 13616, over ISO 7064 MOD 97-10).

    A UK or Irish IBAN becomes its sort code and account number, type `bank_account`.
    """
    number = iban_number(text)
    with_sort_code = _SORT_CODE_IBAN.fullmatch(number)
    if with_sort_code:
        return _account(with_sort_code[1])
    return Canonical(IndicatorType.IBAN.value, number)


def iban_number(text: str) -> str:
    """The IBAN itself, of whatever country: upper case without separators, its check digits right."""
    number = _IBAN_SEPARATORS.sub("", with_plain_hyphens(text))
    if not number.isascii():
        raise NormalisationError("an IBAN holds the letters A to Z and digits only", "type it again")
    number = number.upper()
    if not _IBAN.fullmatch(number) or number.startswith("IBAN"):
        number = _unlabelled(number)
    if mod_97_10.checksum(number[4:] + number[:4]) != 1:
        raise NormalisationError("the check digits of the IBAN are wrong", "look for a mistyped or missing character")
    refuse_second_form(number[2:4], "IBAN", "account")
    refuse_filler(number[4:])
    if _BANK_AND_ZEROS.fullmatch(number[4:]):
        raise placeholder()
    refuse_wrong_national_check(number)
    return number


def uk_iban(bank: str, account: str) -> str:
    """The IBAN of a UK account: `bank` is the four letters that its BIC begins with, `account` its 14 digits."""
    check_digits = mod_97_10.calc_check_digits(f"{bank}{account}GB")
    return f"GB{check_digits}{bank}{account}"


def _unlabelled(number: str) -> str:
    # IBAN NO 93…: the country may be Norway, so the longest label that leaves an IBAN counts.
    for label in _IBAN_LABELS:
        bare = number.removeprefix(label)
        if _IBAN.fullmatch(bare) and not bare.startswith("IBAN"):
            return bare
    refuse_word(number)
    refuse_scientific(number)
    if number.isdigit():
        raise NormalisationError(
            "digits only",
            "an IBAN starts with its country; the type of a sort code and account number is bank_account",
        )
    raise NormalisationError(
        "not the shape of an IBAN",
        "expected: two letters of country, two check digits, then 11 to 30 letters and digits",
    )
