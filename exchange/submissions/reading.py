"""Reading a part of a submission: the request strictly, and up to 20,000 rows fast and judged one by one.

Rules of a row: token of exactly 32 bytes in canonical base64; a known type; dates `YYYY-MM-DD` or null, not
later than tomorrow (clocks and zones differ), the last not before the first. A row that breaks one is refused
with its index, the field and the reason; the others are kept.
"""

from __future__ import annotations

from binascii import a2b_base64, b2a_base64
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from operator import itemgetter
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from schemas.submissions import BAD_DAY, MAX_ROWS, RejectedRow, SubmissionHead
from schemas.terms import IndicatorType
from schemas.values.encoding import from_base64

ROW_FIELDS = ("token", "indicator_type", "first_seen", "last_seen")

_Token = Annotated[str, Meta(min_length=44, max_length=44)]
_Type: Any = Literal.__getitem__(tuple(code.value for code in IndicatorType))
_DayText = Annotated[str, Meta(min_length=10, max_length=10)] | None
_FastRow: Any = tuple[_Token, _Type, _DayText, _DayText]
_TYPES = frozenset(IndicatorType)


class UnreadPart(SubmissionHead, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A part of a submission as it came: `envelope` and `rows` are read on their own."""

    envelope: dict[str, Any]
    rows: msgspec.Raw


class RowsError(ValueError):
    """The rows as a whole are not as required."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Good rows as (token, type, first seen, last seen, index in the request), and the refused ones."""

    good: list[tuple[bytes, str, str | None, str | None, int]]
    rejected: list[RejectedRow] = field(default_factory=list)
    duplicates: list[int] = field(default_factory=list)
    taken_back: dict[int, str] = field(default_factory=dict)
    """By index, why the member took a row back; it comes to be kept out."""


_HEAD = msgspec.json.Decoder(UnreadPart)
_FAST_ROWS: msgspec.json.Decoder[Any] = msgspec.json.Decoder(list[_FastRow])
_ANY_ROWS = msgspec.json.Decoder(list[Any])


def read_head(body: bytes) -> UnreadPart:
    """The request, its envelope and rows not read. Raises msgspec.DecodeError or RecursionError."""
    return _HEAD.decode(body)


def read_rows(raw: msgspec.Raw, today: date, taken_back: Sequence[tuple[int, str]] = ()) -> Rows:
    """The rows, judged one by one; the first of several with one token is kept, the others are duplicates. `taken_back`
    names some by index, each once, with the reason for which they were taken back.

    Raises RowsError unless they are an array of 1 to 20,000, or for an index that is none of theirs.
    """
    latest = date.fromordinal(today.toordinal() + 1).isoformat()
    listed, has_form = _decode(raw)
    if not 1 <= len(listed) <= MAX_ROWS:
        raise RowsError(f"expected 1 to {MAX_ROWS} rows, found {len(listed)}")
    tokens = _decode_tokens(listed) if has_form and _have_good_days(listed, latest) else None
    if tokens is not None:
        found = Rows(
            [
                (token, row[1], row[2], row[3], index)
                for index, (token, row) in enumerate(zip(tokens, listed, strict=True))
            ]
        )
    else:
        found = _judge_each(listed, latest)
    reasons = dict(taken_back)
    if len(reasons) != len(taken_back) or not all(0 <= index < len(listed) for index in reasons):
        raise RowsError("taken_back names each row once, by its index from 0")
    return replace(_drop_duplicates(found), taken_back=reasons)


def _decode(raw: msgspec.Raw) -> tuple[list[Any], bool]:
    """The rows, and whether the decoder has already found the form of every one of them right."""
    try:
        return _FAST_ROWS.decode(raw), True
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        return _ANY_ROWS.decode(raw), False
    except (msgspec.DecodeError, RecursionError):
        raise RowsError("expected an array of rows") from None


def _decode_tokens(listed: list[Any]) -> list[bytes] | None:
    """All tokens, or None if one of them is not the canonical base64 of 32 bytes."""
    texts = [row[0] for row in listed]
    try:
        tokens = [a2b_base64(text) for text in texts]
        # The decoder is lenient; what does not come back as it was is not canonical.
        same = b"".join([b2a_base64(token, newline=False) for token in tokens]) == "".join(texts).encode("ascii")
    except ValueError:
        return None
    return tokens if same and all(len(token) == 32 for token in tokens) else None


def _have_good_days(listed: list[Any], latest: str) -> bool:
    """Whether all dates are good: each different one is looked at once, since a file has few."""
    days = {row[2] for row in listed} | {row[3] for row in listed}
    if not all(_is_day(day, latest) for day in days):
        return False
    return all(first is None or last is None or first <= last for _, _, first, last in listed)


def _judge_each(listed: list[Any], latest: str) -> Rows:
    found = Rows([])
    for index, row in enumerate(listed):
        fault = _fault_of(row, latest)
        if fault is None:
            found.good.append((from_base64(row[0]), row[1], row[2], row[3], index))
        else:
            found.rejected.append(RejectedRow(row=index, field=fault[0], reason=fault[1]))
    return found


def _fault_of(row: Any, latest: str) -> tuple[str, str] | None:
    """The field at fault and the reason; None for a good row."""
    if not isinstance(row, list | tuple) or len(row) != len(ROW_FIELDS):
        return "row", f"expected {len(ROW_FIELDS)} values"
    token, indicator_type, first_seen, last_seen = row
    try:
        from_base64(token if isinstance(token, str) else "", 32)
    except ValueError as error:
        return "token", str(error)
    if not isinstance(indicator_type, str) or indicator_type not in _TYPES:
        return "indicator_type", "this is not a known type"
    for name, day in (("first_seen", first_seen), ("last_seen", last_seen)):
        if not _is_day(day, latest):
            return name, BAD_DAY
    if first_seen is not None and last_seen is not None and last_seen < first_seen:
        return "last_seen", "it is before first_seen"
    return None


def _is_day(value: Any, latest: str) -> bool:
    """Whether it is None or a day of the calendar, in the one form, not after `latest`."""
    if value is None:
        return True
    if not isinstance(value, str) or len(value) != 10 or not "1900-01-01" <= value <= latest:
        return False
    try:
        return date.fromisoformat(value).isoformat() == value
    except ValueError:
        return False


def _drop_duplicates(found: Rows) -> Rows:
    """The rows in the order of their tokens, each token once."""
    ordered = sorted(found.good, key=itemgetter(0))
    if len({row[0] for row in ordered}) == len(ordered):
        return Rows(ordered, found.rejected)
    kept: dict[bytes, tuple[bytes, str, str | None, str | None, int]] = {}
    for row in ordered:
        kept.setdefault(row[0], row)
    first = {row[4] for row in kept.values()}
    duplicates = [row[4] for row in found.good if row[4] not in first]
    return Rows(list(kept.values()), found.rejected, duplicates)
