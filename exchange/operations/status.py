"""How a member stands."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from exchange.kernel.actor import Actor
from exchange.kernel.session import Database
from exchange.log.reading import read_status as read_log_status
from exchange.membership.store import current_epoch, find_member, groups_of_member
from exchange.requests.store import count_open
from schemas.terms import Direction


@dataclass(frozen=True, slots=True)
class GroupStanding:
    """An open group that the member is in."""

    group_id: str
    kind: str
    sunset: datetime | None


@dataclass(frozen=True, slots=True)
class MemberStatus:
    """A member as the exchange sees it, the size of the published log, and how many information requests wait for an
    answer: of its own (outgoing), and its own answer (incoming).
    """

    member_id: str
    kind: str
    sector: str
    state: str
    groups: list[GroupStanding]
    epoch: int | None
    log_size: int
    open_requests: dict[Direction, int]


def read_status(database: Database, actor: Actor, now: datetime) -> MemberStatus:
    """The asking member's own status; LookupError if there is no such member any more."""
    with database.reading() as session:
        member = find_member(session, actor.member_id)
        if member is None:
            raise LookupError(actor.member_id)
        groups = [
            GroupStanding(group.group_id, group.kind, group.sunset)
            for group in groups_of_member(session, actor.member_id)
            if group.is_open(now)
        ]
        return MemberStatus(
            member_id=member.member_id,
            kind=member.kind,
            sector=member.sector,
            state=member.state,
            groups=groups,
            epoch=current_epoch(session),
            log_size=read_log_status(session).size,
            open_requests=count_open(session, member.member_id),
        )
