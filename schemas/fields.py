"""Fields that refuse what storage and people cannot take: control characters, lone surrogates, numbers out of
range.
"""

from __future__ import annotations

import re
from enum import StrEnum
from typing import Any

from marshmallow import ValidationError, fields, validate

IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
MAX_INTEGER = 2**53 - 1
"""The largest integer that every JSON reader holds exactly (RFC 8259 section 6)."""


class Text(fields.String):
    """Printable text of bounded length; line ends are allowed where `multiline`."""

    def __init__(self, most: int, *, least: int = 1, multiline: bool = False, **rest: Any) -> None:
        super().__init__(validate=validate.Length(least, most), **rest)
        self._multiline = multiline

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        shown = text.replace("\n", " ") if self._multiline else text
        if not shown.isprintable():
            raise ValidationError("printable text is wanted")
        return text


class Identifier(fields.String):
    """1 to 64 of a-z, 0-9, `-` and `_`, the first a letter or digit."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **kwargs)
        if not IDENTIFIER.fullmatch(text):
            raise ValidationError("an identifier of a-z, 0-9, - and _ is wanted")
        return text


class BoundedInteger(fields.Integer):
    """A whole number within bounds; no text, no boolean, no fraction."""

    def __init__(self, least: int, most: int = MAX_INTEGER, **rest: Any) -> None:
        super().__init__(strict=True, validate=validate.Range(least, most), **rest)

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> int:
        if type(value) is not int:
            raise ValidationError("a whole number is wanted")
        return value


def code_of(codes: type[StrEnum], **rest: Any) -> fields.String:
    """A field that takes one of the codes of a list."""
    return fields.String(validate=validate.OneOf([code.value for code in codes]), **rest)
