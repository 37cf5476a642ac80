"""Who may share with whom at one moment. A value: loaded once for a use case, then only read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

SECTOR_MINIMUM = 3
"""A sector is shown only where at least this many members of the group share it (suppression of small
numbers).
"""


@dataclass(frozen=True, slots=True)
class Authority:
    """`groups`: the active members of every open group. `shown_sectors`: the sectors that may be shown in
    each.
    """

    groups: Mapping[str, frozenset[str]]
    sectors: Mapping[str, str]
    shown_sectors: Mapping[str, frozenset[str]]

    @classmethod
    def of(cls, groups: Mapping[str, Iterable[str]], sectors: Mapping[str, str]) -> Authority:
        """From the active members of each open group and the sector of each active member."""
        members = {group_id: frozenset(inside) for group_id, inside in groups.items()}
        shown = {}
        for group_id, inside in members.items():
            counted = Counter(sectors[member_id] for member_id in inside)
            shown[group_id] = frozenset(sector for sector, count in counted.items() if count >= SECTOR_MINIMUM)
        return cls(groups=members, sectors=dict(sectors), shown_sectors=shown)

    def is_in(self, group_id: str, member_id: str) -> bool:
        """Whether the group is open and the member is active and in it."""
        return member_id in self.groups.get(group_id, ())

    def is_sector_shown(self, group_id: str, member_id: str) -> bool:
        """Whether that member's sector (and with it themes and months) may be shown to the group."""
        return self.sectors.get(member_id, "") in self.shown_sectors.get(group_id, ())
