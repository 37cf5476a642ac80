"""Reading single values of an alert's file: leniently where only one thing can be meant, else refused with the cure.

Blanks of any kind become plain ones and line ends `\\n`; codes are found in any case and with any separator; an
account's IBAN is computed. What would have to be guessed is refused: a control character, the bank of a sort code.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from difflib import get_close_matches
from enum import StrEnum
from typing import Any

from stdnum import bic as bic_numbers
from stdnum.exceptions import ValidationError

from member.inputs import ValueRefusedError, as_text, kind_of
from member.normalise.accounts import bank_account, iban, iban_number, uk_iban
from member.normalise.circumstances import DEFAULT
from member.normalise.outcome import NormalisationError
from member.normalise.text import clean
from member.plain import printable
from schemas.terms import IndicatorType

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_SORT_CODE, _ACCOUNT_NUMBER = re.compile(r"[0-9]{6}"), re.compile(r"[0-9]{8}")
_ACCOUNT_FIELDS = ("iban", "sort_code", "account_number", "bic")
_SHOWN = 60


def quoted(value: Any) -> str:
    """A value as a fault shows it: short, in quotation marks."""
    text = printable(str(value))
    return f"'{text if len(text) <= _SHOWN else text[:_SHOWN] + '…'}'"


def as_line(value: Any) -> str:
    """A text of one line: line ends become blanks."""
    return " ".join(as_text(value).split())


def as_filled_line(value: Any) -> str:
    """A line that says something."""
    return _filled(as_line(value))


def as_filled_text(value: Any) -> str:
    """A text that says something."""
    return _filled(as_text(value))


def _filled(text: str) -> str:
    if not text:
        raise ValueRefusedError("empty", "it is empty", "write something, or leave the whole entry out")
    return text


def as_code(value: Any, codes: type[StrEnum]) -> str:
    """One of a list of codes, in any case and with any separator; `TLP:` in front is no part of one."""
    text = as_line(value)
    found = {_folded(code.value): code.value for code in codes}.get(_folded(text.upper().removeprefix("TLP:")))
    if found is None:
        near = get_close_matches(text.lower(), [code.value.lower() for code in codes], 1)
        meant = [code.value for code in codes if code.value.lower() in near]
        hint = f"did you mean {meant[0]}? " if meant else ""
        known = ", ".join(code.value for code in codes)
        raise ValueRefusedError("unknown-code", f"{quoted(text)} is not known", f"{hint}one of: {known}")
    return found


def _folded(text: str) -> str:
    return "".join(character for character in text.casefold() if character.isalnum())


def as_day(value: Any) -> str:
    """A day of the calendar, YYYY-MM-DD."""
    text = as_line(value)
    if not _DAY.fullmatch(text) or not _is_in_calendar(text):
        raise ValueRefusedError("not-a-day", f"{quoted(text)} is not a valid date", "write it as 2027-11-22")
    return text


def _is_in_calendar(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def as_object(value: Any, known: tuple[str, ...]) -> Mapping[str, Any]:
    """An object with no other fields than the known ones."""
    if not isinstance(value, dict):
        raise ValueRefusedError("not-an-object", kind_of(value), f"expected: an object of {', '.join(known)}")
    for name in value:
        if name not in known:
            raise ValueRefusedError("unknown-field", f"no field is called {quoted(name)}", f"known: {', '.join(known)}")
    return value


def as_account(value: Any) -> dict[str, str]:
    """An account by its IBAN (also as a mere text), or by sort code, account number and its bank's BIC.

    A UK account gets all of iban, sort_code and account_number. The IBAN of a sort code needs the bank's four letters,
    which no public table gives reliably.
    """
    given = as_object({"iban": value} if isinstance(value, str) else value, _ACCOUNT_FIELDS)
    texts = {name: as_line(given[name]) for name in _ACCOUNT_FIELDS if given.get(name) not in (None, "")}
    try:
        bic = bic_numbers.validate(texts["bic"]) if "bic" in texts else ""
    except ValidationError:
        raise ValueRefusedError("bad-account", "not a valid BIC", "expected: 8 or 11 letters and digits") from None
    try:
        account = _uk_account(texts)
        number = iban_number(clean(texts["iban"])) if "iban" in texts else _computed_iban(account, bic)
        canonical = iban(number, DEFAULT)
    except NormalisationError as error:
        raise ValueRefusedError("bad-account", error.reason, error.hint or "look it up again") from None
    own = canonical.canonical if canonical.indicator_type == IndicatorType.BANK_ACCOUNT else ""
    if account and account != own:
        found = "the IBAN is that of another account than the sort code and account number"
        raise ValueRefusedError("bad-account", found, "give one of both, or correct it")
    return {"iban": number, "sort_code": own[:6], "account_number": own[6:], "bic": bic}


def _uk_account(texts: Mapping[str, str]) -> str:
    """Sort code and account number as 14 digits; empty where neither is given."""
    if not texts.keys() & {"sort_code", "account_number"}:
        return ""
    parts = [re.sub(r"[\s./-]", "", clean(texts.get(name, ""))) for name in ("sort_code", "account_number")]
    if not (_SORT_CODE.fullmatch(parts[0]) and _ACCOUNT_NUMBER.fullmatch(parts[1])):
        found = "not a sort code of 6 digits and an account number of 8"
        raise ValueRefusedError("bad-account", found, "give both in full, zeros in front included")
    return bank_account("".join(parts), DEFAULT).canonical


def _computed_iban(account: str, bic: str) -> str:
    if not account:
        raise ValueRefusedError("bad-account", "no account", "give iban, or sort_code, account_number and bic")
    if bic[4:6] != "GB":
        found = "the IBAN cannot be computed: it begins with four letters of the bank"
        raise ValueRefusedError("bad-account", found, "add the bic of the account's UK bank, or give the iban")
    return uk_iban(bic[:4], account)
