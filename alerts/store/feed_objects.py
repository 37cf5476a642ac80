"""What the feeds serve, ready-made: one row for each version of each STIX object, and its place in the collections.

`added_ms` (milliseconds since 1970) is unique and strictly increasing in the order of the commits: it is taken under
the lock of the one row of `feed_clock`, which is held until the commit, so that a reader who has seen one moment has
seen everything before it.
"""

from __future__ import annotations

from datetime import datetime

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

from exchange.store.base import Base


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


class FeedObject(Base):
    """One version of one object as it is served: `body` is its JSON. Rights follow `audience_id`; what is of no alert
    (markings, identities) has an empty `alert_id` and `audience_id`, and is for every reader of the collection.
    `modified_ms` is its STIX version (`modified`, else `created`); `is_last` marks the newest version.
    """

    __tablename__ = "feed_objects"
    __table_args__ = (
        PrimaryKeyConstraint("collection_id", "added_ms"),
        UniqueConstraint("collection_id", "object_id", "modified_ms"),
        Index("ix_feed_objects_alert_id", "alert_id"),
    )

    collection_id: Mapped[str] = mapped_column(String(36))
    added_ms: Mapped[int] = mapped_column(BigInteger)
    object_id: Mapped[str] = mapped_column(String(100))
    object_type: Mapped[str] = mapped_column(String(50))
    modified_ms: Mapped[int] = mapped_column(BigInteger)
    is_last: Mapped[bool] = mapped_column(Boolean)
    audience_id: Mapped[str] = mapped_column(String(32))
    alert_id: Mapped[str] = mapped_column(String(36))
    alert_version: Mapped[int] = mapped_column(Integer)
    body: Mapped[bytes] = mapped_column(LargeBinary)


def take_moments(session: Session, count: int, now: datetime) -> range:
    """`count` moments in milliseconds, never given out before, in order; the clock stays locked until the commit."""
    clock = session.scalars(select(FeedClock).where(FeedClock.id == 1).with_for_update()).one()
    first = max(int(now.timestamp() * 1000), clock.last_ms + 1)
    clock.last_ms = first + count - 1
    session.flush()
    return range(first, first + count)
