"""How a member stands."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from sqlalchemy.orm import Session

from exchange.kernel.actor import Actor
from exchange.kernel.session import Database
from exchange.log.reading import read_status as read_log_status
from exchange.membership.store import current_epoch, find_member, groups_of_member
from exchange.requests.store import count_open
from schemas.status import GroupStatus, LogSummary, OpenRequests, Status
from schemas.terms import Direction
from schemas.values.encoding import to_rfc3339


def read_status(
    database: Database, actor: Actor, origin: str, count_notices: Callable[[Session, str], int], now: datetime
) -> Status:
    """The asking member's own status; `origin` is the log's. LookupError if there is no such member any more."""
    with database.reading() as session:
        member = find_member(session, actor.member_id)
        if member is None:
            raise LookupError(actor.member_id)
        waiting = count_open(session, member.member_id)
        return Status(
            member_id=member.member_id,
            kind=member.kind,
            sector=member.sector,
            state=member.state,
            groups=[
                GroupStatus(
                    group_id=group.group_id,
                    kind=group.kind,
                    sunset=None if group.sunset is None else to_rfc3339(group.sunset),
                )
                for group in groups_of_member(session, actor.member_id)
                if group.is_open(now)
            ],
            epoch=current_epoch(session),
            log=LogSummary(origin=origin, size=read_log_status(session).size),
            notices=count_notices(session, member.member_id),
            open_requests=OpenRequests(incoming=waiting[Direction.INCOMING], outgoing=waiting[Direction.OUTGOING]),
        )
