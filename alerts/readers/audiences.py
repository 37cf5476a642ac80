"""Who may read what, now: present membership decides, never what was allowed when an alert was published."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache

from sqlalchemy.orm import Session

from alerts.store.alerts import list_audiences
from exchange.kernel.lookups import Lookup, ReadTransaction
from exchange.membership.authority import Authority
from exchange.membership.store import find_member, list_members, load_authority
from schemas.alerts.messages import Audience

_AUDIENCES = Lookup("SELECT audience_id, groups_json, kinds_json FROM alert_audiences ORDER BY audience_id")


def is_addressed(audience: Audience, member_id: str, kind: str, authority: Authority) -> bool:
    """Whether an active member of that kind belongs to the audience: it is in one of the open groups, and of one of
    the kinds.
    """
    inside = any(authority.is_in(group_id, member_id) for group_id in audience.groups)
    return inside and (not audience.kinds or kind in audience.kinds)


def readable_audiences(session: Session, member_id: str, now: datetime) -> frozenset[str]:
    """The ids of the audiences that the member belongs to now; none for an unknown member."""
    member = find_member(session, member_id)
    if member is None:
        return frozenset()
    authority = load_authority(session, now)
    return frozenset(
        stored.audience_id
        for stored in list_audiences(session)
        if is_addressed(stored.audience, member_id, member.kind, authority)
    )


def audiences_of_group(looking: ReadTransaction, group_id: str, kind: str) -> tuple[str, ...]:
    """The ids of the audiences that a member of that kind, which is in that open group, belongs to by the group."""
    return tuple(
        audience_id
        for audience_id, groups_json, kinds_json in _AUDIENCES.rows(looking, {})
        if _reaches(groups_json, kinds_json, group_id, kind)
    )


@lru_cache(maxsize=4096)
def _reaches(groups_json: str, kinds_json: str, group_id: str, kind: str) -> bool:
    kinds = json.loads(kinds_json)
    return group_id in json.loads(groups_json) and (not kinds or kind in kinds)


def members_addressed(session: Session, audience: Audience, now: datetime) -> list[str]:
    """The members that belong to the audience now, sorted."""
    authority = load_authority(session, now)
    return [
        member.member_id
        for member in list_members(session)
        if is_addressed(audience, member.member_id, member.kind, authority)
    ]
