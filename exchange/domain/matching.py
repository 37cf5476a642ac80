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

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from exchange.domain.authority import Authority
from schemas.terms import InstitutionBand

OTHER = "other"


@dataclass(frozen=True, slots=True)
class Holding:
    """A live row at the exchange. `first_seen` is a date `YYYY-MM-DD` or None."""

    token: bytes
    group_id: str
    member_id: str
    indicator_type: str
    theme: str
    first_seen: str | None


@dataclass(frozen=True, slots=True)
class Overlap:
    """What one member may see of one token. `first_seen` is `YYYY-MM` or `other`."""

    indicator_type: str
    institutions: str
    sectors: tuple[str, ...]
    themes: tuple[str, ...]
    first_seen: str

    def as_fields(self) -> dict[str, Any]:
        """The fields of a hit on the wire and in the log."""
        return {
            "indicator_type": self.indicator_type,
            "institutions": self.institutions,
            "sectors": list(self.sectors),
            "themes": list(self.themes),
            "first_seen": self.first_seen,
        }


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


def see_overlap(member_id: str, holdings: Sequence[Holding], authority: Authority) -> Overlap | None:
    """What `member_id` may see of the rows of one token under present authority; None if there is no
    overlap.
    """
    own, others = split_overlap(member_id, holdings, authority)
    if not others:
        return None
    shown = [row for row in others if authority.is_sector_shown(row.group_id, row.member_id)]
    shown_members = {row.member_id for row in shown}
    hidden = any(row.member_id not in shown_members for row in others)
    months = [row.first_seen[:7] for row in shown if row.first_seen is not None]
    return Overlap(
        indicator_type=min(row.indicator_type for row in own),
        institutions=band_of(len({row.member_id for row in others})),
        sectors=_codes((authority.sectors[row.member_id] for row in shown), hidden=hidden),
        themes=_codes((row.theme for row in shown), hidden=hidden),
        first_seen=min(months, default=OTHER),
    )


def _codes(values: Iterable[str], *, hidden: bool) -> tuple[str, ...]:
    """The codes sorted, with `other` standing for everything that is not shown."""
    return tuple(sorted({*values, OTHER} if hidden else set(values)))


def group_by_token(holdings: Iterable[Holding]) -> Mapping[bytes, list[Holding]]:
    """The rows of each token."""
    found: dict[bytes, list[Holding]] = {}
    for row in holdings:
        found.setdefault(row.token, []).append(row)
    return found
