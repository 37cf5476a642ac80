"""Fields that refuse what storage and people cannot take: control characters, lone surrogates, numbers out of
range.
"""

from __future__ import annotations

import re
import unicodedata
from enum import StrEnum
from typing import Any

from marshmallow import ValidationError, fields, validate

from schemas.values.encoding import from_base64, from_rfc3339
from schemas.values.identifiers import is_uuid7

IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader holds exactly (RFC 8259 section 6)."""
_LARGEST_INDEX = 65_535
_MAX_HOLDERS = 64


class Text(fields.String):
    """Printable text of bounded length; line ends are allowed where `multiline`."""

    def __init__(self, most: int, *, least: int = 1, multiline: bool = False, **rest: Any) -> None:
        super().__init__(validate=validate.Length(least, most), **rest)
        self._multiline = multiline

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        shown = text.replace("\n", " ") if self._multiline else text
        if not shown.isprintable():
            raise ValidationError("expected printable text")
        return text


class Prose(fields.String):
    """Text as people write it, line by line: no control characters but line feed and tab, none that turn the direction
    of reading or show nothing, and no lone surrogate.
    """

    def __init__(self, most: int, *, least: int = 0, **rest: Any) -> None:
        super().__init__(validate=validate.Length(least, most), **rest)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if any(unicodedata.category(sign)[0] == "C" and sign not in "\n\t" for sign in set(text)):
            raise ValidationError("expected text without control characters; lines end in a line feed")
        return text


class Identifier(fields.String):
    """1 to 64 of a-z, 0-9, `-` and `_`, the first a letter or digit."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(metadata={"pattern": f"^{IDENTIFIER.pattern}$"}, **rest)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if not IDENTIFIER.fullmatch(text):
            raise ValidationError("expected an identifier of a-z, 0-9, - and _")
        return text


class BoundedInteger(fields.Integer):
    """A whole number within bounds; no text, no boolean, no fraction."""

    def __init__(self, least: int, most: int = MAX_INTEGER, **rest: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(least, most), **rest)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise ValidationError("expected a whole number")
        return value


class BoundedList(fields.List):  # type: ignore[type-arg]
    """A list whose number of items `validate` bounds, before any item is looked at: what is wrong with each of two
    million would take a minute to find, and 90 MB to tell.
    """

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        if isinstance(value, list):
            self._validate(value)
        return super()._deserialize(value, attr, data, **kwargs)


class TrueOrFalse(fields.Boolean):
    """true or false; no number and no text."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> bool:
        if type(value) is not bool:
            raise ValidationError("expected true or false")
        return value


def code_of(codes: type[StrEnum], **rest: Any) -> fields.String:
    """A field that takes one of the codes of a list."""
    return fields.String(validate=validate.OneOf([code.value for code in codes]), **rest)


def choice(*texts: str, **rest: Any) -> fields.String:
    """A field that takes one of these texts."""
    return fields.String(validate=validate.OneOf(texts), **rest)


def matching(pattern: str, error: str | None = None, **rest: Any) -> fields.String:
    """A field whose text matches a pattern from its start, and to its end if the pattern ends in `\\Z`."""
    return fields.String(validate=validate.Regexp(pattern, error=error), **rest)


class OwnId(fields.String):
    """An identifier that the client makes, since a proof covers it: a UUID of version 7 in lower case."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(metadata={"description": "UUID of version 7, in lower case"}, **rest)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if not is_uuid7(text):
            raise ValidationError("expected a UUID of version 7 in lower case")
        return text


class RepresentativeId(fields.String):
    """`<member>/<name>`, both identifiers."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(metadata={"pattern": f"^{IDENTIFIER.pattern}/{IDENTIFIER.pattern}$"}, **rest)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        parts = text.split("/")
        if len(parts) != 2 or not all(IDENTIFIER.fullmatch(part) for part in parts):
            raise ValidationError("expected <member>/<name>, each of a-z, 0-9, - and _")
        return text


class Base64(fields.String):
    """So many bytes (one of the lengths) in canonical base64, given as bytes."""

    def __init__(self, *lengths: int, **rest: Any) -> None:
        lengths_text = " or ".join(f"{length:,}" for length in lengths)
        super().__init__(metadata={"description": f"base64, {lengths_text} bytes"}, **rest)
        self._lengths, self._lengths_text = lengths, lengths_text

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            data = from_base64(text)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        if len(data) not in self._lengths:
            raise ValidationError(f"expected {self._lengths_text} bytes, found {len(data):,}")
        return data


class Padded(fields.String):
    """Canonical base64 of bytes that were padded to one of the sizes, given as bytes."""

    def __init__(self, *sizes: int, **rest: Any) -> None:
        super().__init__(**rest)
        self._sizes = sizes

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            data = from_base64(text)
        except ValueError as error:
            raise ValidationError(str(error)) from error
        if len(data) not in self._sizes:
            raise ValidationError(f"padded to one of {self._sizes} bytes")
        return data


class QueryText(fields.String):
    """A query parameter that matches a pattern as a whole."""

    def __init__(self, pattern: str, **rest: Any) -> None:
        super().__init__(validate=validate.Regexp(rf"(?:{pattern})\Z", re.ASCII), **rest)


class QueryInteger(fields.Integer):
    """A query parameter in plain decimal, at most nine digits, within bounds."""

    def __init__(self, least: int, most: int, **rest: Any) -> None:
        super().__init__(validate=validate.Range(least, most), **rest)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, str) or not re.fullmatch(r"0|[1-9][0-9]{0,8}", value, re.ASCII):
            raise ValidationError("expected a whole number")
        return int(value)


class Cursor(QueryInteger):
    """A cursor that is a number."""

    def __init__(self, **rest: Any) -> None:
        super().__init__(0, 999_999_999, **rest)


class WrittenMoment(fields.String):
    """An RFC 3339 time in UTC, kept as it was written."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            from_rfc3339(text)
        except ValueError as error:
            raise ValidationError("expected 2026-11-22T10:00:00Z") from error
        return text


class Position(fields.Integer):
    """A position in a key holder's list of statements, as its page before gave it: 1 to 9 digits, written one way."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if not isinstance(value, str) or not re.fullmatch(r"0|[1-9][0-9]{0,8}", value, re.ASCII):
            raise ValidationError("expected the `next` of the page before")
        return int(value)


class Index(fields.Integer):
    """A query parameter from 1 to 65535, written in one way: int() alone takes `01`, `1_0` and 5000 digits."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        return _read_index(value)


class Quorum(fields.Field[tuple[int, ...]]):
    """Holders' indices in ascending order with commas between, such as `1,3`: a quorum has one spelling."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> tuple[int, ...]:
        parts = value.split(",", _MAX_HOLDERS) if isinstance(value, str) else []
        if not 1 <= len(parts) <= _MAX_HOLDERS:
            raise ValidationError("expected 1 to 64 indices with commas between")
        quorum = tuple(_read_index(part) for part in parts)
        if list(quorum) != sorted(quorum):
            raise ValidationError("expected indices in ascending order, such as 1,3")
        return quorum


def _read_index(value: Any) -> int:
    if not isinstance(value, str) or not re.fullmatch(r"[1-9][0-9]{0,4}", value, re.ASCII):
        raise ValidationError("expected a whole number of at most five digits, without leading zeros")
    if int(value) > _LARGEST_INDEX:
        raise ValidationError(f"expected a whole number from 1 to {_LARGEST_INDEX}")
    return int(value)


class Moment(fields.String):
    """An RFC 3339 time in UTC, or a day (its first moment); given as an aware time."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> Any:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        try:
            return from_rfc3339(f"{text}T00:00:00Z" if len(text) == 10 else text)
        except ValueError as error:
            raise ValidationError("expected 2026-11-22T10:00:00Z or 2026-11-22") from error
