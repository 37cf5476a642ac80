"""Feed tokens: what a member's feed reader shows instead of a signature. The exchange keeps only their SHA-256."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Index, LargeBinary, String, func, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from exchange.kernel.lookups import Lookup, ReadTransaction
from schemas.values.identifiers import uuid7

_PREFIX = "feed_"


class FeedToken(Base):
    """One token of one member, for reading feeds and nothing else. A random 32-byte secret needs no slow hash."""

    __tablename__ = "feed_tokens"
    __table_args__ = (Index("ix_feed_tokens_member_id", "member_id"),)

    token_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    token_id: Mapped[str] = mapped_column(String(36), unique=True)
    member_id: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(64))
    created_by: Mapped[str] = mapped_column(String(129))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    revoked_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


@dataclass(frozen=True, slots=True)
class FeedReader:
    """The member that a token speaks for."""

    member_id: str
    kind: str
    is_active: bool


def make_feed_token(session: Session, member_id: str, name: str, created_by: str, now: datetime) -> tuple[str, str]:
    """A new token of a member: its id, and the token itself, which is shown once and not kept."""
    token = _PREFIX + secrets.token_urlsafe(32)
    made = FeedToken(
        token_sha256=_digest(token),
        token_id=uuid7(),
        member_id=member_id,
        name=name,
        created_by=created_by,
        created_at=now,
        revoked_at=None,
    )
    session.add(made)
    session.flush()
    return made.token_id, token


_READER = Lookup(
    "SELECT m.member_id, m.kind, m.state = 'active' AND m.stopped_at IS NULL FROM feed_tokens t"
    " JOIN members m ON m.member_id = t.member_id"
    " WHERE t.token_sha256 = :token_sha256 AND t.revoked_at IS NULL"
)


def find_feed_token(looking: ReadTransaction, token: str) -> FeedReader | None:
    """Whom a token speaks for; None for an unknown or revoked one."""
    for member_id, kind, is_active in _READER.rows(looking, {"token_sha256": _digest(token)}):
        return FeedReader(member_id, kind, bool(is_active))
    return None


def count_live_tokens(session: Session, member_id: str) -> int:
    """How many tokens of a member are not revoked."""
    live = (FeedToken.member_id == member_id) & FeedToken.revoked_at.is_(None)
    return session.scalar(select(func.count()).select_from(FeedToken).where(live)) or 0


def find_own_token(session: Session, member_id: str, token_id: str) -> FeedToken | None:
    """The member's token of that id, locked until the transaction ends."""
    own = (FeedToken.token_id == token_id) & (FeedToken.member_id == member_id)
    return session.scalars(select(FeedToken).where(own).with_for_update()).one_or_none()


def list_tokens(session: Session, member_id: str, after: str, limit: int) -> Sequence[FeedToken]:
    """A member's tokens behind an id, in order, revoked ones too."""
    behind = (FeedToken.member_id == member_id) & (FeedToken.token_id > after)
    return session.scalars(select(FeedToken).where(behind).order_by(FeedToken.token_id).limit(limit)).all()


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
