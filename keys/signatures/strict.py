"""Strict readers of decoded JSON: each gives the value back, or raises ValueError.

An error says what is expected, never what was there.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Any, TypeVar

from keys.signatures.ed25519 import check_public_key
from keys.signatures.urls import canonical_url
from schemas.values.encoding import from_base64, from_rfc3339

_IDENTIFIER = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}", re.ASCII)
_DIGEST = re.compile(r"[0-9a-f]{64}", re.ASCII)
Code = TypeVar("Code", bound=StrEnum)


def require_object(value: object) -> dict[str, Any]:
    """`value` if it is an object. Raises ValueError."""
    if not isinstance(value, dict):
        raise ValueError("expected an object")  # noqa: TRY004 - reported as any other malformed value
    return value


def require_fields(given: object, *names: str) -> dict[str, Any]:
    """`given` if it is an object with exactly these fields. Raises ValueError."""
    value = require_object(given)
    missing, unknown = sorted(set(names) - set(value)), len(set(value) - set(names))
    if missing:
        raise ValueError(f"missing: {', '.join(missing)}")
    if unknown:
        raise ValueError(f"{unknown} unknown field(s)")
    return value


def require_list(value: object, most: int = 4096) -> list[Any]:
    """`value` if it is a list of at most `most` items. Raises ValueError."""
    if not isinstance(value, list) or len(value) > most:
        raise ValueError(f"expected a list of at most {most}")
    return value


def require_text(value: object, most: int) -> str:
    """`value` if it is printable text of 1 to `most` characters. Raises ValueError."""
    if not isinstance(value, str) or not 1 <= len(value) <= most or not value.isprintable():
        raise ValueError(f"expected printable text of 1 to {most} characters")
    return value


def require_literal(value: object, *choices: str) -> str:
    """`value` if it is one of the choices. Raises ValueError."""
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"expected one of {', '.join(choices)}")
    return value


def require_identifier(value: object) -> str:
    """`value` if it is an identifier: 1 to 64 of a-z, 0-9, `-`, `_`, the first no sign. Raises ValueError."""
    if not isinstance(value, str) or not _IDENTIFIER.fullmatch(value):
        raise ValueError("expected an identifier of a-z, 0-9, - and _")
    return value


def require_digest(value: object) -> str:
    """`value` if it is a SHA-256 in 64 hexadecimal digits, small letters. Raises ValueError."""
    if not isinstance(value, str) or not _DIGEST.fullmatch(value):
        raise ValueError("expected a SHA-256 of 64 hexadecimal digits")
    return value


def require_integer(value: object, least: int, most: int) -> int:
    """`value` if it is an integer (no boolean) of that range. Raises ValueError."""
    if type(value) is not int or not least <= value <= most:
        raise ValueError(f"expected a whole number from {least} to {most}")
    return value


def require_time(value: object) -> datetime:
    """A UTC time in RFC 3339, to the millisecond at most, so that what is written back says the same.

    Raises ValueError.
    """
    moment = from_rfc3339(require_text(value, 32))
    if moment.microsecond % 1000:
        raise ValueError("a time is stated to the millisecond at most")
    return moment


def require_public_key(value: object) -> bytes:
    """The 32 bytes of an Ed25519 public key in base64. Raises ValueError."""
    key = from_base64(require_text(value, 44), 32)
    check_public_key(key)
    return key


def require_key(value: object) -> bytes:
    """32 bytes in base64. Raises ValueError."""
    return from_base64(require_text(value, 44), 32)


def require_code(value: object, codes: type[Code]) -> Code:
    """The member of a code list. Raises ValueError."""
    return codes(require_literal(value, *codes))


def require_distinct(values: list[Any], what: str) -> None:
    """Raise ValueError if one of the values comes twice."""
    if len(set(values)) != len(values):
        raise ValueError(f"the same {what} twice")


def require_url(value: object) -> str:
    """An absolute http or https URL of at most 200 characters. Raises ValueError."""
    text = require_text(value, 200)
    canonical_url(text)
    return text
