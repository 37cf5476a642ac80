"""Who holds a token, and what its holders were last shown, for thousands of tokens that hundreds of members may hold.

Most tokens are held in one of few ways: the database joins all rows of a token to one text, and what is equal is read
and worked out once (docs/adr/0046).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Sequence
from datetime import date

from sqlalchemy.orm import Session

from exchange.indicators.matching import Holding
from exchange.indicators.store import LIVE_TABLES, read_submissions
from exchange.indicators.submissions import passed_submissions
from exchange.indicators.withdrawals import list_open_submissions
from exchange.kernel import bulk
from exchange.membership.store import list_members

Way = tuple[Holding, ...]
"""The live rows of a token, of whichever member and group, in one order. They name no token (`token` is empty), and
months for days: tokens that are held in the same way share one.
"""
Shown = tuple[tuple[str, str | None], ...]
"""(member, what it was last shown: canonical JSON or None) of every hit on a token."""

_ROW = ("i.group_id", "i.member_id", "i.submission_id", "i.indicator_type", "substr(i.first_seen, 1, 7)")


def count_holders(
    session: Session, tokens: Sequence[bytes], group_id: str, holders: Container[str], today: date
) -> dict[bytes, int]:
    """How many of the `holders` hold each of the tokens in a group that any hold, by rows that count now. In a reading
    transaction too.
    """
    outside = [member.member_id for member in list_members(session) if member.member_id not in holders]
    but = {"member_id": outside, "submission_id": _not_counting(session, today)}
    return bulk.count_of_tokens(session, LIVE_TABLES, tokens, group_id, but)


def _not_counting(session: Session, today: date) -> list[str]:
    """The submissions whose rows lie in the live tables and count no longer: the jobs have not got to them."""
    taken_back = (str(one.open_submission_id) for one in list_open_submissions(session))
    return [*taken_back, *passed_submissions(session, today)]


def ways_of_tokens(session: Session, tokens: Sequence[bytes], today: date) -> dict[bytes, Way]:
    """In which way each of the tokens is held that has rows whose last day has not passed."""
    texts: dict[bytes, tuple[str, ...]] = defaultdict(tuple)
    for token, text in bulk.joined_of_tokens(session, LIVE_TABLES, _ROW, "group_id, member_id", tokens):
        texts[token] += (text,)
    rows = {some: _rows(some) for some in set(texts.values())}
    said = read_submissions(session, {row[2] for some in rows.values() for row in some})
    live = {name for name, (_, expires_on, is_withdrawn) in said.items() if expires_on >= today and not is_withdrawn}
    same: dict[Way, Way] = {}
    ways: dict[tuple[str, ...], Way] = {}
    for some, parsed in rows.items():
        way = tuple(
            Holding(b"", group_id, member_id, indicator_type, said[submission_id][0], month or None)
            for group_id, member_id, submission_id, indicator_type, month in parsed
            if submission_id in live
        )
        ways[some] = same.setdefault(way, way)
    return {token: ways[some] for token, some in texts.items() if ways[some]}


def _rows(texts: Sequence[str]) -> list[list[str]]:
    """The fields of each row, sorted; a row that is moved from one table to the other meanwhile is in both texts."""
    each = {row for text in texts for row in text.split(bulk.ROW_END)}
    return [row.split(bulk.FIELD_END) for row in sorted(each)]


def last_shown(session: Session, tokens: Sequence[bytes]) -> dict[bytes, Shown]:
    """What was last shown of every hit on those tokens."""
    same: dict[str, Shown] = {}
    found: dict[bytes, Shown] = {}
    for token, text in bulk.joined_of_tokens(session, ("hits",), ("i.member_id", "i.view_json"), "member_id", tokens):
        shown = same.get(text)
        if shown is None:
            pairs = (row.split(bulk.FIELD_END) for row in text.split(bulk.ROW_END))
            shown = same[text] = tuple((member_id, view_json or None) for member_id, view_json in pairs)
        found[token] = shown
    return found
