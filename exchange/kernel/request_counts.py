"""How many requests each caller made in each minute: one row a caller and minute, counted up in SQL, so that a limit
holds over all worker processes together.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Integer, String, delete, text
from sqlalchemy.orm import Mapped, Session, mapped_column

from exchange.kernel.base import Base
from exchange.kernel.upsert import run_counted


class RequestCount(Base):
    """The requests of a caller within one minute (minutes since 1970, UTC)."""

    __tablename__ = "request_counts"

    caller: Mapped[str] = mapped_column(String(130), primary_key=True)
    minute: Mapped[int] = mapped_column(BigInteger, primary_key=True, autoincrement=False, index=True)
    requests: Mapped[int] = mapped_column(Integer)


# One form of it that both databases read.
_COUNT = text(
    "INSERT INTO request_counts (caller, minute, requests) VALUES (:caller, :minute, 1)"
    " ON CONFLICT (caller, minute) DO UPDATE SET requests = request_counts.requests + 1 RETURNING requests"
)


def count_request(session: Session, caller: str, minute: int) -> int:
    """Count one request of the caller; how many it has now made in that minute. Counts only once committed."""
    return int(session.execute(_COUNT, {"caller": caller, "minute": minute}).scalar_one())


def forget_count(session: Session, caller: str, minute: int) -> None:
    """Forget what the caller made in that minute."""
    session.execute(delete(RequestCount).where(RequestCount.caller == caller, RequestCount.minute == minute))


def delete_counts_before(session: Session, minute: int) -> int:
    """Forget the counts of minutes before that one; how many rows."""
    return run_counted(session, delete(RequestCount).where(RequestCount.minute < minute))
