"""Hits: for each member and token that was ever shared, what the member was last shown.

A hit exists from the moment that two members hold a token in one group, shown or not: what may be shown
depends on present authority and is worked out when it is asked for. `view_json` is the last disclosed state,
None while nothing is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import (
    Index,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    UniqueConstraint,
    and_,
    select,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.indicators.store import Indicator, RecentIndicator
from exchange.kernel.base import Base
from exchange.kernel.bulk_insert import update_many
from exchange.kernel.chunks import in_chunks, in_even_chunks
from exchange.kernel.upsert import insert_ignoring
from schemas.values.identifiers import uuid7


class Hit(Base):
    """One member's hit on one token."""

    __tablename__ = "hits"
    __table_args__ = (
        PrimaryKeyConstraint("token", "member_id"),
        UniqueConstraint("hit_id"),
        Index("ix_hits_member_id_hit_id", "member_id", "hit_id"),
    )

    token: Mapped[bytes] = mapped_column(LargeBinary(32))
    member_id: Mapped[str] = mapped_column(String(64))
    hit_id: Mapped[str] = mapped_column(String(36))
    view_json: Mapped[str | None] = mapped_column(Text)
    disclosed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    event_id: Mapped[str | None] = mapped_column(String(36))


@dataclass(frozen=True, slots=True)
class KnownHit:
    """A stored hit. `view_json`, `disclosed_at` and `event_id` are None while nothing has been shown."""

    token: bytes
    member_id: str
    hit_id: str
    view_json: str | None
    disclosed_at: datetime | None
    event_id: str | None


_KNOWN = select(Hit.token, Hit.member_id, Hit.hit_id, Hit.view_json, Hit.disclosed_at, Hit.event_id)


def find_hits(session: Session, tokens: Iterable[bytes]) -> dict[tuple[bytes, str], KnownHit]:
    """The hits of those tokens, of every member, by (token, member)."""
    found = {}
    for some in in_even_chunks(sorted(set(tokens)), 1024):
        for row in session.execute(_KNOWN.where(Hit.token.in_(some))):
            found[(row.token, row.member_id)] = KnownHit(*row)
    return found


def hits_of_member(session: Session, member_id: str, tokens: Sequence[bytes]) -> list[KnownHit]:
    """One member's hits on those tokens."""
    found = []
    for some in in_even_chunks(sorted(tokens), 1024):
        selection = _KNOWN.where(Hit.token.in_(some), Hit.member_id == member_id)
        found += [KnownHit(*row) for row in session.execute(selection)]
    return found


def page_of_hits(session: Session, member_id: str, after: str, limit: int) -> list[KnownHit]:
    """A member's hits behind a hit id, in order of the id, shown or not."""
    selection = _KNOWN.where(Hit.member_id == member_id, Hit.hit_id > after).order_by(Hit.hit_id).limit(limit)
    return [KnownHit(*row) for row in session.execute(selection)]


def find_shown_hit(session: Session, member_id: str, hit_id: str) -> KnownHit | None:
    """A member's hit of that id, if it was ever shown."""
    selection = _KNOWN.where(Hit.hit_id == hit_id, Hit.member_id == member_id, Hit.event_id.is_not(None))
    row = session.execute(selection).one_or_none()
    return None if row is None else KnownHit(*row)


def hits_of_submission(session: Session, member_id: str, group_id: str, submission_id: str) -> Iterator[KnownHit]:
    """What a member is shown of the live rows of its submission. The cost follows its hits."""
    for model in (RecentIndicator, Indicator):
        key = and_(model.token == Hit.token, model.group_id == group_id, model.member_id == member_id)
        shown = Hit.member_id == member_id, Hit.view_json.is_not(None), model.submission_id == submission_id
        yield from (KnownHit(*row) for row in session.execute(_KNOWN.join(model, key).where(*shown)))


def add_hits(session: Session, pairs: Iterable[tuple[bytes, str]]) -> None:
    """Make a hit, with nothing shown yet, of each (token, member) that has none.

    A pair that another transaction is adding is waited for, so that both then find the same id.
    """
    rows = [{"token": token, "member_id": member_id, "hit_id": uuid7()} for token, member_id in sorted(pairs)]
    for some in in_chunks(rows, 1000):
        insert_ignoring(session, Hit, some)


def save_views(session: Session, views: Iterable[tuple[KnownHit, str | None]], event_id: str, now: datetime) -> None:
    """Keep what is now shown of each hit (canonical JSON, None for nothing), and the event that disclosed it."""
    rows = [
        {"token": hit.token, "member_id": hit.member_id}
        | {"view_json": view, "disclosed_at": now, "event_id": event_id}
        for hit, view in sorted(views, key=lambda pair: (pair[0].token, pair[0].member_id))
    ]
    for some in in_chunks(rows, 1000):
        update_many(session, Hit, some)
