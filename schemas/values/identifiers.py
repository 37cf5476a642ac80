"""Identifiers made by the application, never by a database: UUID version 7 (RFC 9562 section 5.7)."""

from __future__ import annotations

import re
import secrets
import time
import uuid
from datetime import UTC, datetime, timedelta

REFERENCE = r"[0-9]{4,6}-[A-Z0-9_-]{1,64}"
"""The number of an alert, and who issued it: its member's id in capitals."""
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", re.ASCII)


def uuid7() -> str:
    """A new identifier of 36 characters: 48 bits of Unix milliseconds, then 74 random bits."""
    milliseconds = time.time_ns() // 1_000_000
    value = milliseconds << 80 | 7 << 76 | secrets.randbits(12) << 64 | 2 << 62 | secrets.randbits(62)
    return str(uuid.UUID(int=value))


def is_uuid7(text: str) -> bool:
    """Whether the text is a version 7 UUID in lower case."""
    return _UUID7.fullmatch(text) is not None


def is_reference(text: str) -> bool:
    """Whether the text is the reference of an alert."""
    return re.fullmatch(REFERENCE, text, re.ASCII) is not None


def made_at(identifier: str) -> datetime:
    """When an identifier was made, by its maker's clock. ValueError for what is no version 7 UUID in lower case."""
    if not is_uuid7(identifier):
        raise ValueError("not a version 7 UUID")
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(milliseconds=uuid.UUID(identifier).int >> 80)
