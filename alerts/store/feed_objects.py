"""What the feeds serve, ready-made: one row for each version of each STIX object, and its place in the collections.

`added_ms` (milliseconds since 1970) is unique and strictly increasing in the order of the commits: it is taken under
the lock of the one row of `feed_clock`, which is held until the commit, so that a reader who has seen one moment has
seen everything before it.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Sequence
from datetime import datetime
from uuid import uuid4

from sqlalchemy import (
    BigInteger,
    Boolean,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    UniqueConstraint,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from exchange.kernel.base import Base
from exchange.kernel.upsert import insert_ignoring

_SPREAD_MS = 1000


class FeedClock(Base):
    """One row (`id` 1): the last moment given out."""

    __tablename__ = "feed_clock"

    id: Mapped[int] = mapped_column(Integer, primary_key=True)
    last_ms: Mapped[int] = mapped_column(BigInteger)


class FeedCollection(Base):
    """One collection: what is addressed to one sharing group. `collection_id` is a random UUID of version 4."""

    __tablename__ = "feed_collections"
    __table_args__ = (UniqueConstraint("group_id"),)

    collection_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    group_id: Mapped[str] = mapped_column(String(64))


class FeedId(Base):
    """The random UUID of version 4 that a `part` of an `owner` (an alert's id; empty for the exchange itself) keeps in
    every version of it.
    """

    __tablename__ = "feed_ids"
    __table_args__ = (PrimaryKeyConstraint("owner_id", "part"),)

    owner_id: Mapped[str] = mapped_column(String(36))
    part: Mapped[str] = mapped_column(String(40))
    feed_id: Mapped[str] = mapped_column(String(36))


class FeedObject(Base):
    """One version of one object as it is served: `body` is its JSON. Rights follow `audience_id`; what is of no alert
    (markings, identities) has an empty `alert_id` and `audience_id`, and is for every reader of the collection.
    `modified_ms` is its version on the wire: `modified`, else `created`, else when this version was stored; `is_first`
    and `is_last` mark the oldest and the newest version.
    """

    __tablename__ = "feed_objects"
    __table_args__ = (
        PrimaryKeyConstraint("collection_id", "added_ms"),
        UniqueConstraint("collection_id", "object_id", "modified_ms"),
        Index("ix_feed_objects_alert_id", "alert_id"),
        # Pages are merged of these, each read in order from where the last page ended (alerts.feeds.pages).
        Index("ix_feed_objects_collection_id_audience_id_added_ms", "collection_id", "audience_id", "added_ms"),
        Index("ix_feed_objects_audience_id_object_type", "collection_id", "audience_id", "object_type", "added_ms"),
    )

    collection_id: Mapped[str] = mapped_column(String(36))
    added_ms: Mapped[int] = mapped_column(BigInteger)
    object_id: Mapped[str] = mapped_column(String(100))
    object_type: Mapped[str] = mapped_column(String(50))
    modified_ms: Mapped[int] = mapped_column(BigInteger)
    is_first: Mapped[bool] = mapped_column(Boolean)
    is_last: Mapped[bool] = mapped_column(Boolean)
    audience_id: Mapped[str] = mapped_column(String(32))
    alert_id: Mapped[str] = mapped_column(String(36))
    alert_version: Mapped[int] = mapped_column(Integer)
    body: Mapped[bytes] = mapped_column(LargeBinary)


def take_moments(session: Session, count: int, now: datetime) -> range:
    """`count` moments in milliseconds, never given out before, in order; the clock stays locked until the commit.

    They begin up to a second ahead of `now`, at random: a reader who compares the moment of one alert with the time in
    it learns nothing of how many objects of others came just before.
    """
    insert_ignoring(session, FeedClock, [{"id": 1, "last_ms": 0}])
    clock = session.scalars(select(FeedClock).where(FeedClock.id == 1).with_for_update()).one()
    first = max(int(now.timestamp() * 1000) + secrets.randbelow(_SPREAD_MS), clock.last_ms + 1)
    clock.last_ms = first + count - 1
    session.flush()
    return range(first, first + count)


def keep_ids(session: Session, owner_id: str, parts: Iterable[str]) -> dict[str, str]:
    """The ids of the parts, made for those that have none yet."""
    rows = [{"owner_id": owner_id, "part": part, "feed_id": str(uuid4())} for part in parts]
    insert_ignoring(session, FeedId, rows)
    kept = session.execute(select(FeedId.part, FeedId.feed_id).where(FeedId.owner_id == owner_id))
    return {row.part: row.feed_id for row in kept}


def keep_collections(session: Session, group_ids: Sequence[str]) -> dict[str, str]:
    """The ids of the groups' collections, made for those that have none yet."""
    insert_ignoring(
        session, FeedCollection, [{"collection_id": str(uuid4()), "group_id": group_id} for group_id in group_ids]
    )
    return find_collections(session, group_ids)


def find_collections(session: Session, group_ids: Sequence[str]) -> dict[str, str]:
    """The ids of those of the groups' collections that there are."""
    found = select(FeedCollection.group_id, FeedCollection.collection_id).where(FeedCollection.group_id.in_(group_ids))
    return {row.group_id: row.collection_id for row in session.execute(found)}


def last_versions(session: Session, alert_id: str) -> dict[tuple[str, str], FeedObject]:
    """The newest version of each object of an alert, by collection and object."""
    found = select(FeedObject).where(FeedObject.alert_id == alert_id, FeedObject.is_last)
    return {(one.collection_id, one.object_id): one for one in session.scalars(found)}


def earlier_versions(session: Session, alert_id: str) -> Sequence[FeedObject]:
    """All versions of the objects of an alert but the newest of each."""
    return session.scalars(select(FeedObject).where(FeedObject.alert_id == alert_id, ~FeedObject.is_last)).all()
