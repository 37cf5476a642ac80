"""Dates of birth as people and spreadsheets write them, in ISO form."""

from __future__ import annotations

import re
from datetime import date

from member.normalise.outcome import NormalisationError
from member.normalise.text import with_plain_hyphens

_ISO = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_YEAR_FIRST = re.compile(r"([0-9]{4})(?:([./-])([0-9]{1,2})\2([0-9]{1,2})|()([0-9]{2})([0-9]{2}))")
_DAY_FIRST = re.compile(r"([0-9]{1,2})([./-])([0-9]{1,2})\2([0-9]{4})")
_DAY_AND_MONTH = re.compile(
    r"([0-9]{1,2})(?:st|nd|rd|th)?(?:\s+of)?[\s./-]*([A-Za-z]{3,9})\.?,?[\s./-]*([0-9]{4})", re.IGNORECASE
)
_MONTH_AND_DAY = re.compile(r"([A-Za-z]{3,9})\.?\s+([0-9]{1,2})(?:st|nd|rd|th)?,?\s+([0-9]{4})", re.IGNORECASE)
_TIME = re.compile(
    r"(?:T|\s+)(?P<hour>[0-9]{1,2}):(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?:[.,]0+|[.,][0-9]+)?)?\s*(?P<half>[AaPp]\.?[Mm]\.?)?"
    r"\s*(?P<zone>Z|UTC|GMT|[+-][0-9]{2}:?[0-9]{2})?\Z",
    re.IGNORECASE,
)
_DAY_NUMBER = re.compile(r"[0-9]{5}(?:[.,][0-9]+)?")
_ZERO_DECIMALS = re.compile(r"([0-9]{8})[.,]0{1,2}")
_MONTHS = (
    "JANUARY", "FEBRUARY", "MARCH", "APRIL", "MAY", "JUNE",
    "JULY", "AUGUST", "SEPTEMBER", "OCTOBER", "NOVEMBER", "DECEMBER",
)  # fmt: skip
_EXPECTED = "expected: NAME|YYYY-MM-DD"
_EARLIEST = 1900


def birth_date(text: str, today: date) -> str:
    """YYYY-MM-DD. NormalisationError for what is not one full date from 1900 until today.

    Figures with the year last are read day first, as in the United Kingdom.
    """
    text = with_plain_hyphens(text)
    try:
        born = date.fromisoformat(text) if _ISO.fullmatch(text) else _read(_day(text))
    except ValueError as error:
        if isinstance(error, NormalisationError):
            raise
        raise NormalisationError(
            "an impossible or incomplete date of birth", "expected a full date: YYYY-MM-DD"
        ) from None
    if born > today:
        raise NormalisationError(
            "a date of birth in the future", "look the century up: spreadsheets read 68 as 2068; expected: YYYY-MM-DD"
        )
    if born.year < _EARLIEST:
        raise NormalisationError(f"a date of birth before {_EARLIEST}", "look the date up; expected: YYYY-MM-DD")
    return born.isoformat()


def _day(text: str) -> str:
    """Without the time behind it. One with a zone may belong to the day before or after: only midnight is taken."""
    text = text.rstrip(".") if not text.endswith("..") else text
    time = _TIME.search(text)
    if time is None:
        return text
    is_midnight = (
        int(time["hour"]) == 0 or (int(time["hour"]) == 12 and (time["half"] or "")[:1].upper() == "A")
    ) and (int(time["minute"]) == 0)
    if time["zone"] and not is_midnight:
        raise NormalisationError(
            "a time with a zone, which may belong to the day before or after", "write the date of birth alone"
        )
    return text[: time.start()].strip()


def _read(text: str) -> date:
    whole = _ZERO_DECIMALS.fullmatch(text)
    text = whole[1] if whole else text
    year_first = _YEAR_FIRST.fullmatch(text)
    if year_first:
        year, _, month, day, *compact = year_first.groups()
        return date(int(year), int(month or compact[1]), int(day or compact[2]))
    day_first = _DAY_FIRST.fullmatch(text)
    if day_first:
        return date(int(day_first[4]), int(day_first[3]), int(day_first[1]))
    named = _DAY_AND_MONTH.fullmatch(text)
    if named:
        return date(int(named[3]), _month(named[2]), int(named[1]))
    named = _MONTH_AND_DAY.fullmatch(text)
    if named:
        return date(int(named[3]), _month(named[1]), int(named[2]))
    if _DAY_NUMBER.fullmatch(text):
        raise NormalisationError(
            "this looks like a spreadsheet's day number", f"export the column as text; {_EXPECTED}"
        )
    raise NormalisationError("no full date of birth", f"{_EXPECTED} (or dd/mm/yyyy)")


def _month(name: str) -> int:
    spelt = name.upper()
    for number, month in enumerate(_MONTHS, 1):
        if month.startswith(spelt) or (spelt == "SEPT" and number == 9):
            return number
    raise NormalisationError("a month that is not written in English", _EXPECTED)
