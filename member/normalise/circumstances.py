"""What a rule may need to know beside the value: the member's own country, and which day it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, date, datetime

HOME_COUNTRY = "GB"
"""ISO 3166-1, if the member has set no other (`member config set country IE`)."""


def utc_today() -> date:
    """The present day, UTC."""
    return datetime.now(UTC).date()


@dataclass(frozen=True, slots=True)
class Circumstances:
    """`country`: whose national phone numbers the member may have written without a country code."""

    country: str = HOME_COUNTRY
    today: Callable[[], date] = utc_today


DEFAULT = Circumstances()
