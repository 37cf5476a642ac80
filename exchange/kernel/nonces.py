"""Nonces of signed requests that have been seen. A row is kept a little longer than a signature lives."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import String, delete
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from exchange.kernel.upsert import insert_ignoring, run_counted


class SeenNonce(Base):
    """One use of a nonce by one key."""

    __tablename__ = "seen_nonces"

    nonce: Mapped[str] = mapped_column(String(128), primary_key=True)
    key_id: Mapped[str] = mapped_column(String(130), primary_key=True)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


def use_nonce(session: Session, key_id: str, nonce: str, expires_at: datetime) -> bool:
    """Whether this is the nonce's first use by that key. Counts only once committed."""
    row = {"key_id": key_id, "nonce": nonce, "expires_at": expires_at}
    return insert_ignoring(session, SeenNonce, [row]) == 1


def delete_expired_nonces(session: Session, now: datetime) -> int:
    """Forget nonces of signatures that can no longer be valid; how many."""
    return run_counted(session, delete(SeenNonce).where(SeenNonce.expires_at < now))
