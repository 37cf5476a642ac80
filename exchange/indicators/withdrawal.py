"""Taking back: who learned something because of a row, and how many of them the one who takes it back may know of.

Rules, in order:
1. A recipient is who was shown a hit that the row was part of, or anything that derives from the row
   (exchange.indicators.derived), agencies under cover included. Present authority does not matter: who has
   left is notified too.
2. No recipient is who learned of the token from others alone: it would learn that there was another row. A row counts
   for a member only in the time in which both it and the row's own member could share in the row's group.
3. Who was being shown the hit while the row was taken back is notified when that has come out.
4. The one who takes a row back is shown a lower bound of what it knows already: the band of its own hit, or the members
   that it knows by name from requests that were answered.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from exchange.kernel.decision import ALLOWED, Decision, refuse
from exchange.membership.past_authority import Span, earlier
from schemas.terms import InstitutionBand

_AT_LEAST = {
    InstitutionBand.ONE.value: 1,
    InstitutionBand.TWO_TO_FOUR.value: 2,
    InstitutionBand.FIVE_OR_MORE.value: 5,
}


@dataclass(frozen=True, slots=True)
class TakenBack:
    """A row that was taken back. `submitted_at` is when its submission began, `ended_at` when it ceased to count: now,
    or when it expired. `arrivals` are the events that recorded the submission's parts.
    """

    group_id: str
    submitted_at: datetime
    ended_at: datetime
    arrivals: frozenset[str]


@dataclass(frozen=True, slots=True)
class Held:
    """A row that another member has, or lately had, with the same token: in which group, and for how long."""

    group_id: str
    since: datetime
    until: datetime | None

    def ends_before(self, moment: datetime) -> bool:
        """Whether it was gone at a moment."""
        return self.until is not None and self.until <= moment


@dataclass(frozen=True, slots=True)
class LastShown:
    """How a hit was last shown to its member: when, by which event (None: never), and whether it is still shown."""

    is_shown: bool
    at: datetime | None
    event_id: str | None


def was_disclosed_by_hit(row: TakenBack, held: Iterable[Held], last: LastShown, together: Sequence[Span]) -> bool:
    """Whether a member that held the same token was shown a hit that the row was part of: both held it in one group at
    one time, `together` there, and the hit was shown then.

    A hit that has ended counts if it ended after that time began, and not by the row's own coming (which ends the hits
    of members that had left the group).
    """
    shared = shared_since(row, held, together)
    if shared is None or last.at is None:
        return False
    return last.is_shown or (last.at >= shared and last.event_id not in row.arrivals)


def shared_since(row: TakenBack, held: Iterable[Held], together: Sequence[Span]) -> datetime | None:
    """When the row first could be part of the hit of a member; `together` is when that member and the row's could both
    share in the row's group. None: never.
    """
    starts = []
    for one in held:
        since, until = max(row.submitted_at, one.since), earlier(row.ended_at, one.until) or row.ended_at
        if one.group_id == row.group_id and one.since <= row.ended_at and not one.ends_before(row.submitted_at):
            starts += [
                max(since, span.since) for span in together if span.since <= until and not span.ends_before(since)
            ]
    return min(starts, default=None)


@dataclass(frozen=True, slots=True)
class OtherRow:
    """A row of somebody else with the same token, and when that one and the hit's member could share in its group."""

    row: TakenBack
    together: Sequence[Span]


def was_shown_late(
    held: Collection[Held], last: LastShown, told_at: datetime, others: Collection[OtherRow], came: Container[str]
) -> bool:
    """Whether a member that shared a row, and had not been shown the hit when others were notified at `told_at`, was
    shown it by a reading that was under way when the row was taken back. A reading's time is when it began.

    Who was shown it later, when another row could be shown, saw that one; so did who was shown it by one of the events
    `came`, by which rows came into the group: they wait for the taking back (docs/adr/0008).
    """
    if last.at is None or last.event_id in came:
        return False
    if last.at <= told_at:
        return last.is_shown
    return not any(_could_be_shown(one, held, told_at, last.at) for one in others)


def _could_be_shown(other: OtherRow, held: Collection[Held], after: datetime, until: datetime) -> bool:
    """Whether it was part of the member's hit at any time behind `after`, up to `until`."""
    since, ended_at = max(other.row.submitted_at, after), min(other.row.ended_at, until)
    clipped = replace(other.row, submitted_at=since, ended_at=ended_at)
    return after < ended_at >= since and shared_since(clipped, held, other.together) is not None


def notified_at_least(bands: Iterable[str], known_by_name: Collection[str]) -> int:
    """How many members are notified as far as the one who takes back may know; `bands` are those of its own hits, as
    they were last shown to it.
    """
    return max([len(set(known_by_name)), *(_AT_LEAST[band] for band in bands)])


def decide_withdrawal(rows: int) -> Decision:
    """Only what lives or has lately expired can be taken back; what is another's looks like what is not there."""
    cure = "none of these is a row of yours that is active or has lately expired: member rows"
    return ALLOWED if rows else refuse("no-live-row", "tokens", cure)


def decide_id(field: str, *, is_free: bool) -> Decision:
    """An id that the client makes is used once."""
    return ALLOWED if is_free else refuse("id-used", field, "make a new id: this one is taken")
