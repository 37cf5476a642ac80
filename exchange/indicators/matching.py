"""What one member may be shown of an overlap: the first stage of revealing, without names.

An overlap is a token that live indicators of two or more members share, within a sharing group that those
members are both in. Rules, in order:
1. A row counts only while its group is open and its member is active and still in that group.
2. A member sees rows of others only in groups in which it holds the same token itself.
3. The number of other institutions is shown as a band, over all shared groups, each institution once.
4. Sector, theme and month of another's row are shown only where at least three members of the row's group
   share that sector; the rest is `other`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from exchange.membership.authority import Authority
from schemas.hits import Overlap
from schemas.terms import InstitutionBand

OTHER = "other"
_SECTOR, _THEME, _MONTH = "sector", "theme", "month"


class Holding(NamedTuple):
    """A live row at the exchange. `first_seen` is a date `YYYY-MM-DD` or None."""

    token: bytes
    group_id: str
    member_id: str
    indicator_type: str
    theme: str
    first_seen: str | None


def band_of(others: int) -> str:
    """The band of a count of other institutions, at least 1."""
    if others >= 5:
        return InstitutionBand.FIVE_OR_MORE.value
    return InstitutionBand.TWO_TO_FOUR.value if others >= 2 else InstitutionBand.ONE.value


def split_overlap(
    member_id: str, holdings: Sequence[Holding], authority: Authority
) -> tuple[list[Holding], list[Holding]]:
    """The member's own rows of one token that count, and those of others that overlap with them: rules 1 and 2."""
    counted = [row for row in holdings if authority.is_in(row.group_id, row.member_id)]
    own = [row for row in counted if row.member_id == member_id]
    own_groups = {row.group_id for row in own}
    return own, [row for row in counted if row.member_id != member_id and row.group_id in own_groups]


def see_overlaps(holdings: Iterable[Holding], authority: Authority) -> dict[str, Overlap]:
    """What each member that holds one token may see of the others' rows, by member; those with no overlap are not in
    it. Members that hold it in the same groups look at the same rows, each without its own: the cost follows the rows,
    not their pairs.
    """
    own: dict[str, list[Holding]] = {}
    for row in holdings:
        if authority.is_in(row.group_id, row.member_id):
            own.setdefault(row.member_id, []).append(row)
    alike: dict[frozenset[str], list[str]] = {}
    for member_id, rows in own.items():
        alike.setdefault(frozenset([row.group_id for row in rows]), []).append(member_id)
    found: dict[str, Overlap] = {}
    for groups, looking in alike.items():
        crowd = _TokenRows((row for rows in own.values() for row in rows if row.group_id in groups), authority)
        for member_id in looking:
            seen = crowd.seen_by(member_id, min([row.indicator_type for row in own[member_id]]))
            if seen is not None:
                found[member_id] = seen
    return found


_Code = tuple[str, str]


class _TokenRows:
    """The rows of one token in some groups, counted so that one member's can be taken away: rules 3 and 4."""

    def __init__(self, rows: Iterable[Holding], authority: Authority) -> None:
        self._said: dict[str, frozenset[_Code]] = {}
        """What each member's rows may show; empty for one of whom nothing may be shown."""
        made: dict[tuple[str | None, ...], frozenset[_Code]] = {}
        for row in rows:
            member_id, month = row.member_id, row.first_seen and row.first_seen[:7]
            sector = authority.sectors[member_id] if authority.is_sector_shown(row.group_id, member_id) else None
            codes = made.get((sector, row.theme, month))
            if codes is None:
                codes = made[sector, row.theme, month] = _codes_of(sector, row.theme, month)
            known = self._said.get(member_id)
            self._said[member_id] = codes if known is None else known | codes
        self._hidden = sum(not codes for codes in self._said.values())
        self._counts = Counter(code for codes in self._said.values() for code in codes)
        self._seen: dict[tuple[str, frozenset[_Code]], Overlap] = {}

    def seen_by(self, member_id: str, indicator_type: str) -> Overlap | None:
        """What one of the members, that holds it as this type, may see of the others' rows. Members whose own rows say
        the same see the same.
        """
        key = (indicator_type, self._said[member_id])
        seen = self._seen.get(key)
        if seen is None and len(self._said) > 1:
            seen = self._seen[key] = self._without(*key)
        return seen

    def _without(self, indicator_type: str, own: frozenset[_Code]) -> Overlap:
        left = [code for code, count in self._counts.items() if count > (code in own)]
        hidden = self._hidden > (not own)
        return Overlap(
            indicator_type=indicator_type,
            institutions=band_of(len(self._said) - 1),
            sectors=_codes((code for kind, code in left if kind == _SECTOR), hidden=hidden),
            themes=_codes((code for kind, code in left if kind == _THEME), hidden=hidden),
            first_seen=min((code for kind, code in left if kind == _MONTH), default=OTHER),
        )


def _codes_of(sector: str | None, theme: str, month: str | None) -> frozenset[_Code]:
    """What a row may show, whose member's sector may be shown in its group, or may not (None)."""
    if sector is None:
        return frozenset()
    months = [] if month is None else [(_MONTH, month)]
    return frozenset([(_SECTOR, sector), (_THEME, theme), *months])


def _codes(values: Iterable[str], *, hidden: bool) -> list[str]:
    """The codes sorted, with `other` standing for everything that is not shown."""
    return sorted({*values, OTHER} if hidden else set(values))
