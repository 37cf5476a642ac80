"""The two text forms used on every wire: base64 for bytes, RFC 3339 for times. Both are read strictly."""

from __future__ import annotations

import base64
import binascii
import re
from datetime import UTC, datetime

_TIME = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]{1,6})?Z", re.ASCII)


def to_base64(data: bytes) -> str:
    """Standard alphabet, padded (RFC 4648 section 4)."""
    return base64.b64encode(data).decode("ascii")


def from_base64(text: str, length: int | None = None) -> bytes:
    """The bytes of a canonical base64 text, exactly `length` of them if given.

    Raises ValueError for other alphabets, missing padding, white space, stray bits in the last character, and a
    wrong length.
    """
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise ValueError("not base64 (standard alphabet, padded)") from error
    if base64.b64encode(data).decode("ascii") != text:
        raise ValueError("not canonical base64")
    if length is not None and len(data) != length:
        raise ValueError(f"expected {length} bytes, found {len(data)}")
    return data


def to_rfc3339(moment: datetime) -> str:
    """`2026-11-22T10:00:00.000Z`: UTC, milliseconds. Raises ValueError for a time without a zone."""
    if moment.tzinfo is None:
        raise ValueError("a time on the wire has a zone")
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_rfc3339(text: str) -> datetime:
    """The UTC time of an RFC 3339 text that ends in Z. Raises ValueError for any other shape."""
    if not _TIME.fullmatch(text):
        raise ValueError("a time is written 2026-11-22T10:00:00.000Z")
    return datetime.fromisoformat(text)
