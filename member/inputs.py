"""Reading what a person gives: times, days, texts, codes. Each face says what is wrong in its own way.

What can mean one thing only is taken: blanks of any kind become plain ones, line ends `\\n`, and codes are found with
any separator. What would have to be guessed is refused, before anything is sent.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from member.errors import FAILED, UsageError, quoted
from schemas.values.encoding import from_rfc3339

_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", re.ASCII)
_KINDS = {bool: "true or false", int: "a number", float: "a number", list: "a list", dict: "an object"}
_MOMENT = "2026-11-23T09:00:00Z"
_DAY_FORM = "write it as 2027-11-22"
_SHOWN_UNKNOWN = 5


class InputError(UsageError):
    """A field that cannot be right: `field` is its name, `found` what is wrong, `wanted` what would be right. `detail`
    names the field as it is called here; a face names it as its own reader knows it (`named`).
    """

    def __init__(self, field: str, found: str, wanted: str | None = None) -> None:
        self.field, self.found, self.wanted = field, found, wanted
        super().__init__(self.named(field), wanted)

    def named(self, name: str) -> str:
        """The same in a sentence that calls the field so."""
        return f"{name}: {self.found}"


class TooLongError(InputError):
    """A text of a request with more characters than it may have."""

    slug = "too-long"
    exit_code = FAILED


class ValueRefusedError(ValueError):
    """A value that cannot be right: the rule's name, what was found, and what is expected instead."""

    def __init__(self, rule: str, found: str, wanted: str) -> None:
        super().__init__(f"{found}; {wanted}")
        self.rule, self.found, self.wanted = rule, found, wanted


def kind_of(value: Any) -> str:
    """What sort of JSON value this is, for people."""
    return "nothing (null)" if value is None else _KINDS.get(type(value), "text")


def as_text(value: Any) -> str:
    """A text of one or more lines, without blanks around it. ValueRefusedError for a character that nobody sees."""
    if not isinstance(value, str):
        raise ValueRefusedError("not-text", f"{kind_of(value)}, where text is expected", "put it in quotation marks")
    lines = value.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    text = "".join(" " if unicodedata.category(one) == "Zs" else one for one in lines.expandtabs(4)).strip()
    for place, character in enumerate(text, 1):
        if character != "\n" and not character.isprintable():
            found = f"the invisible character U+{ord(character):04X}, number {place} of the text"
            raise ValueRefusedError("control-character", found, "delete it")
    return text


def read_text(field: str, text: str, most: int | None = None, *, too_long: type[InputError] = InputError) -> str:
    """What a person wrote, at most so many characters. Raises InputError, and `too_long` for more of them."""
    try:
        said = as_text(text)
    except ValueRefusedError as refused:
        raise InputError(field, refused.found, refused.wanted) from None
    if most is not None and len(said) > most:
        raise too_long(field, f"{len(said):,} characters", f"at most {most:,}")
    return said


def read_day(field: str, text: str) -> date:
    """A day of the calendar, YYYY-MM-DD. Raises InputError."""
    if not _DAY.fullmatch(text.strip()):
        raise InputError(field, f"{quoted(text)} is not a valid date", _DAY_FORM)
    try:
        return date.fromisoformat(text.strip())
    except ValueError:
        raise InputError(field, f"{text.strip()} is not in the calendar", _DAY_FORM) from None


def read_moment(field: str, text: str) -> datetime:
    """A time that says its zone, in UTC. Raises InputError."""
    try:
        moment = datetime.fromisoformat(text.strip())
    except ValueError:
        raise InputError(field, f"{quoted(text)} is not a valid time", _MOMENT) from None
    if moment.tzinfo is None:
        right = text.strip() if "T" in text else f"{moment.date().isoformat()}T09:00:00"
        raise InputError(field, f"{quoted(text)} does not say its zone", f"{right}Z for UTC, or …+01:00")
    if moment.utcoffset() is None or abs(moment.utcoffset() or timedelta(0)) >= timedelta(days=1):
        raise InputError(field, f"{quoted(text)} has no such zone", _MOMENT)
    try:
        return moment.astimezone(UTC)
    except OverflowError:
        raise InputError(field, f"{quoted(text)} is in no year of UTC's calendar", _MOMENT) from None


def read_since(field: str, text: str) -> str:
    """A time as it goes on the wire; a day means its start in UTC. Raises InputError."""
    moment = f"{text}T00:00:00Z" if len(text) == 10 else text
    try:
        from_rfc3339(moment)
    except ValueError:
        wanted = "2026-11-22, or 2026-11-22T10:00:00Z"
        raise InputError(field, f"{quoted(text)} is not a valid time", wanted) from None
    return moment


def read_choices(field: str, text: str, known: Sequence[str]) -> tuple[str, ...]:
    """The codes of `a,b`, each once, at least one, all of them known. Raises InputError."""
    named = tuple(dict.fromkeys(name.strip().lower().replace("-", "_") for name in text.split(",") if name.strip()))
    unknown = [name for name in named if name not in known]
    if unknown or not named:
        found = f"{', '.join(map(quoted, unknown[:_SHOWN_UNKNOWN]))} is not known" if unknown else "it names nothing"
        raise InputError(field, found, f"known: {', '.join(known)}")
    return named


def read_codes(given: Iterable[str]) -> tuple[str, ...]:
    """Codes in the order given, each once; the exchange knows which there are."""
    return tuple(dict.fromkeys(code.strip() for code in given if code.strip()))
