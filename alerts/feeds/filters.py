"""What a TAXII request asks for, read strictly: added_after, limit, next, match[id], match[type], match[version],
match[spec_version].

A page continues behind a moment: that of `next` or of `added_after`, whichever is later. `next` is nothing else than
the moment of the last object of a page, so it holds for ever, with any limit, and tells nothing.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

SPEC_VERSION = "2.1"
DEFAULT_PAGE = 100
LARGEST_PAGE = 500
LARGEST_LIST = 100
FIRST, LAST, ALL = "first", "last", "all"

_EPOCH = datetime(1970, 1, 1)  # noqa: DTZ001 - UTC, and written without its offset
_TIME = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.([0-9]{1,20}))?Z", re.ASCII)
_COUNT = re.compile(r"[1-9][0-9]{0,17}", re.ASCII)
_CURSOR = re.compile(r"[0-9]{1,15}", re.ASCII)


class BadQueryError(ValueError):
    """A query field does not have the form it must have; the message names field and cure, and quotes nothing."""

    def __init__(self, field: str, cure: str) -> None:
        super().__init__(f"{field}: {cure}")
        self.field = field


@dataclass(frozen=True, slots=True)
class Versions:
    """Which versions of objects: every one, or the first, the last, and those of the given moments."""

    every: bool = False
    first: bool = False
    last: bool = False
    moments: tuple[int, ...] = ()


LAST_ONLY = Versions(last=True)
EVERY = Versions(every=True)


@dataclass(frozen=True, slots=True)
class TaxiiFilters:
    """What is asked for. Moments are milliseconds since 1970. Empty `ids` and `types` mean any; `is_possible` is False
    where no object can match.
    """

    after_ms: int = -1
    limit: int = DEFAULT_PAGE
    ids: tuple[str, ...] = ()
    types: tuple[str, ...] = ()
    versions: Versions = LAST_ONLY
    is_possible: bool = True


def read_filters(query: Mapping[str, str], versions: Versions = LAST_ONLY) -> TaxiiFilters:
    """The filters of a request; `versions` stand where it names none. Raises BadQueryError."""
    after = _read_time("added_after", query["added_after"])[0] if "added_after" in query else -1
    spec_versions = _read_list(query, "match[spec_version]")
    return TaxiiFilters(
        after_ms=max(after, _read_cursor(query["next"]) if "next" in query else -1),
        limit=_read_limit(query["limit"]) if "limit" in query else DEFAULT_PAGE,
        ids=_read_list(query, "match[id]"),
        types=_read_list(query, "match[type]"),
        versions=_read_versions(_read_list(query, "match[version]")) if "match[version]" in query else versions,
        is_possible=not spec_versions or SPEC_VERSION in spec_versions,
    )


def write_time(milliseconds: int) -> str:
    """`2026-11-22T10:00:00.000000Z`: to the microsecond, as clients expect it."""
    return f"{_write(milliseconds)}000Z"


def write_version(milliseconds: int) -> str:
    """`2026-11-22T10:00:00.000Z`: to the millisecond, as STIX objects have it."""
    return f"{_write(milliseconds)}Z"


def _write(milliseconds: int) -> str:
    return (_EPOCH + timedelta(milliseconds=milliseconds)).isoformat(timespec="milliseconds")


def _read_list(query: Mapping[str, str], field: str) -> tuple[str, ...]:
    if field not in query:
        return ()
    values = tuple(dict.fromkeys(query[field].split(",")))
    if not all(values) or len(values) > LARGEST_LIST:
        raise BadQueryError(field, f"give 1 to {LARGEST_LIST} values, separated by commas")
    return values


def _read_versions(values: tuple[str, ...]) -> Versions:
    read = [_read_time("match[version]", value) for value in values if value not in (FIRST, LAST, ALL)]
    exact = tuple(milliseconds for milliseconds, is_whole in read if is_whole)
    return Versions(ALL in values, FIRST in values, LAST in values, exact)


def _read_time(field: str, text: str) -> tuple[int, bool]:
    """Whole milliseconds, rounded down, and whether nothing was cut off."""
    found = _TIME.fullmatch(text)
    try:
        seconds = datetime.fromisoformat(f"{found[1]}+00:00") if found else None
    except ValueError:
        seconds = None
    if found is None or seconds is None:
        raise BadQueryError(field, "write a time as 2026-11-22T10:00:00.000Z")
    fraction = (found[2] or "").ljust(3, "0")
    milliseconds = int(seconds.timestamp()) * 1000 + int(fraction[:3])
    return milliseconds, not fraction[3:].strip("0")


def _read_limit(text: str) -> int:
    """More than the largest page is taken for the largest page."""
    limit = int(text) if _COUNT.fullmatch(text) else 0
    if limit < 1:
        raise BadQueryError("limit", "give a number from 1")
    return min(limit, LARGEST_PAGE)


def _read_cursor(text: str) -> int:
    if not _CURSOR.fullmatch(text):
        raise BadQueryError("next", "give back what a page gave, unchanged")
    return int(text)
