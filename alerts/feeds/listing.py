"""Which alerts a group's feed holds for one reader, the last changed first, page by page.

Each audience is read along an index range of its own, so that neither depth nor what the reader may not see costs
anything. RED alerts are in no feed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from sqlalchemy import Row, Select, and_, func, or_, select
from sqlalchemy.orm import Session

from alerts.domain.alert import READABLE
from alerts.store.alerts import StoredAlert, list_audiences
from exchange.membership.store import find_member, groups_of_member
from schemas.terms import TrafficLight

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_TEXT = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Feed:
    """A group's alerts as one member may read them: those to the `audiences`."""

    group_id: str
    name: str
    audiences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FeedCursor:
    """The last entry of a page: the next one begins behind it, whatever was added meanwhile."""

    modified_at: datetime
    alert_id: str

    def write(self) -> str:
        """As text for an address."""
        return f"{(self.modified_at - _EPOCH) // timedelta(milliseconds=1)}.{self.alert_id}"

    @classmethod
    def read(cls, text: str) -> FeedCursor:
        """From text of the form CURSOR."""
        milliseconds, _, alert_id = text.partition(".")
        return cls(_EPOCH + timedelta(milliseconds=int(milliseconds)), alert_id)


@dataclass(frozen=True, slots=True)
class FeedLine:
    """One alert at its present version."""

    alert_id: str
    version: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class FeedPage:
    """Some lines, the last changed first; `next` is None on the last page."""

    lines: Sequence[FeedLine]
    next: FeedCursor | None


def find_feed(session: Session, member_id: str, group_id: str, now: datetime) -> Feed | None:
    """The feed of a group that the member is in now; None if there is none for it."""
    member = find_member(session, member_id)
    for group in groups_of_member(session, member_id):
        if member is not None and group.group_id == group_id and group.is_open(now):
            return Feed(group_id, group.name, _audiences(session, group_id, member.kind))
    return None


def _audiences(session: Session, group_id: str, kind: str) -> tuple[str, ...]:
    """Those that a member of that kind belongs to by the group."""
    known = [(one.audience_id, one.audience) for one in list_audiences(session)]
    return tuple(
        audience_id
        for audience_id, audience in known
        if group_id in audience.groups and (not audience.kinds or kind in audience.kinds)
    )


def read_page(session: Session, feed: Feed, after: FeedCursor | None, limit: int) -> FeedPage:
    """At most `limit` lines, and not much more than 4 MiB of alerts, behind a cursor."""
    rows: list[Row[tuple[str, int, datetime, int]]] = []
    for audience_id in feed.audiences:
        rows += session.execute(_behind(after).where(StoredAlert.audience_id == audience_id).limit(limit + 1)).all()
    rows.sort(key=lambda row: (row.modified_at, row.alert_id), reverse=True)
    sizes = accumulate((row.size for row in rows[:limit]), initial=0)
    fitting = sum(before < _MAX_TEXT for before in list(sizes)[:-1])
    lines = [FeedLine(row.alert_id, row.version, row.modified_at) for row in rows[:fitting]]
    return FeedPage(lines, FeedCursor(lines[-1].modified_at, lines[-1].alert_id) if len(rows) > fitting else None)


def find_listed(session: Session, feed: Feed, stix_id: str) -> StoredAlert | None:
    """The alert of that STIX id, if the feed holds it."""
    alert = session.scalars(select(StoredAlert).where(StoredAlert.stix_id == stix_id, *_IN_FEEDS)).one_or_none()
    return alert if alert is not None and alert.audience_id in feed.audiences else None


_IN_FEEDS = (StoredAlert.state.in_(READABLE), StoredAlert.tlp != TrafficLight.RED.value)


def _behind(after: FeedCursor | None) -> Select[tuple[str, int, datetime, int]]:
    size = func.length(StoredAlert.content_json).label("size")
    listed = select(StoredAlert.alert_id, StoredAlert.version, StoredAlert.modified_at, size).where(*_IN_FEEDS)
    if after is not None:
        earlier = StoredAlert.modified_at < after.modified_at
        same = and_(StoredAlert.modified_at == after.modified_at, StoredAlert.alert_id < after.alert_id)
        listed = listed.where(or_(earlier, same))
    return listed.order_by(StoredAlert.modified_at.desc(), StoredAlert.alert_id.desc())
