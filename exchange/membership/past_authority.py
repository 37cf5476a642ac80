"""Who could share with whom at earlier times, as far as the registrars' statements say
(exchange.membership.authority says it of one moment).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Span:
    """The time from `since` on and before `until`; None: it still lasts."""

    since: datetime
    until: datetime | None

    def ends_before(self, moment: datetime) -> bool:
        """Whether it was over at a moment."""
        return self.until is not None and self.until <= moment


@dataclass(frozen=True, slots=True)
class PastAuthority:
    """`groups`: the spans in which each group was open, with who was in it; `active`: those of each active member."""

    groups: Mapping[str, Sequence[tuple[Span, frozenset[str]]]]
    active: Mapping[str, Sequence[Span]]

    def together(self, group_id: str, one: str, other: str) -> list[Span]:
        """When both members could share in the group, the earliest first."""
        both = {one, other}
        spans = [span for span, members in self.groups.get(group_id, ()) if both <= members]
        return meet(meet(spans, self.active.get(one, ())), self.active.get(other, ()))


def meet(some: Iterable[Span], others: Sequence[Span]) -> list[Span]:
    """The time that is part of both."""
    found = [Span(max(one.since, other.since), earlier(one.until, other.until)) for one in some for other in others]
    return [span for span in found if not span.ends_before(span.since)]


def earlier(one: datetime | None, other: datetime | None) -> datetime | None:
    """The earlier of two ends; None is none."""
    if one is None or other is None:
        return one or other
    return min(one, other)
