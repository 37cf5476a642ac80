"""Messages: what crosses a wire, each defined once, as a struct that sender and reader import.

A field's type says what a program holds, its annotations what the wire asks of it beyond that. Who reads an answer is
lenient (msgspec: fields and codes of a newer sender pass). Who reads from strangers is strict, by the marshmallow
schema that is derived from the same struct (schemas.values.derived). That is apart from here, and a form is named and
not imported, since a member's command should not wait for marshmallow.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date
from enum import StrEnum
from typing import Annotated, Any, TypeVar

import msgspec


class Message(msgspec.Struct, frozen=True):
    """A JSON object on the wire. Bytes are base64 there, days `YYYY-MM-DD`. A field that may be left out, and is never
    null, is `X | msgspec.UnsetType = msgspec.UNSET`; a message that is passed on unread is held as
    `Annotated[msgspec.Raw, ItsMessage]`. What is hashed or signed forbids unknown fields.
    """

    def faults(self) -> Iterator[tuple[str, str]]:
        """What is wrong across fields, each proper by itself: a field's name and what is expected of it."""
        return iter(())


class Empty(Message, frozen=True):
    """An object without fields."""


_M = TypeVar("_M", bound=Message)


class Form:
    """The field by which the strict reader takes a value: the name of a class or function in `schemas.values.fields`
    or of a class in `marshmallow.fields`, and its arguments.
    """

    def __init__(self, name: str, /, *arguments: Any, **options: Any) -> None:
        self.name, self.arguments, self.options = name, arguments, options


class Count:
    """From how many to how many elements a list has; None for no bound."""

    def __init__(self, least: int | None, most: int | None) -> None:
        self.least, self.most = least, most


def one_of(codes: type[StrEnum]) -> Form:
    """A code of a list. It is held as text: a lenient reader passes a code that it does not know."""
    return Form("code_of", codes)


OwnId = Annotated[str, Form("OwnId")]
Uuid = Annotated[str, Form("UUID")]
UuidText = Annotated[str, Form("QueryText", r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")]
IdCursor = Annotated[str, Form("QueryText", r"[0-9a-f-]{36}")]
"""The id behind which a page begins."""
Identifier = Annotated[str, Form("Identifier")]
RepresentativeId = Annotated[str, Form("RepresentativeId")]
Code = Annotated[str, Form("Text", 64, least=0)]
"""A code that the rules judge, so that the refusal of an unknown one is recorded."""
MAX_SHORT = 2000
ShortText = Annotated[str, Form("Prose", MAX_SHORT)]
"""Some lines as a person writes them."""
Flag = Annotated[bool, Form("TrueOrFalse")]
Time = Annotated[str, Form("DateTime")]
"""An RFC 3339 time in UTC."""
Day = Annotated[date, Form("Date", format="%Y-%m-%d")]
DayText = Annotated[str, Form("Date", format="%Y-%m-%d")]
"""A day as it was written."""
Digest = Annotated[bytes, Form("Base64", 32)]
DigestText = Annotated[str, Form("Base64", 32)]
"""32 bytes (a digest, a token) as base64."""
Signature = Annotated[bytes, Form("Base64", 64)]
SignatureText = Annotated[str, Form("Base64", 64)]
"""An Ed25519 signature as base64."""
WrittenTime = Annotated[str, Form("WrittenMoment")]
"""An RFC 3339 time in UTC, kept as it was written, since something signed covers it."""


def narrowed(message: Message, form: type[_M]) -> _M:
    """What of a message belongs to a form that it extends."""
    return form(**{name: getattr(message, name) for name in form.__struct_fields__})
