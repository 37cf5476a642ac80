"""Leases: which process does a job that only one may do, held for a time, with a fencing number.

Rules, in order:
1. A lease is taken by one compare-and-set statement, and only when free or expired; each taking raises the fence.
2. Work under a lease calls confirm_lease in its own transaction: the lease row stays locked until that commits, so
   nobody takes over in between, and a holder whose lease was taken over writes nothing.
3. Clocks decide only when a lease may be taken over, never whether the work of its holder counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import BigInteger, String, Update, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from exchange.kernel.upsert import insert_ignoring, run_counted

_FREE = datetime(1970, 1, 1, tzinfo=UTC)


class LeaseLostError(RuntimeError):
    """Another process has taken the lease over: stop, and write nothing more under it."""


class LeaseRow(Base):
    """The state of one lease."""

    __tablename__ = "leases"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)
    holder: Mapped[str] = mapped_column(String(128))
    fence: Mapped[int] = mapped_column(BigInteger)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True)
class Lease:
    """A lease that was granted: `fence` is higher than that of every earlier holder."""

    name: str
    holder: str
    fence: int


def acquire_lease(session: Session, name: str, holder: str, now: datetime, lifetime: timedelta) -> Lease | None:
    """The lease if it is free or expired at `now`, else None. `holder` is unique to the process."""
    insert_ignoring(session, LeaseRow, [{"name": name, "holder": "", "fence": 0, "expires_at": _FREE}])
    taken = (
        update(LeaseRow)
        .where(LeaseRow.name == name, LeaseRow.expires_at <= now)
        .values(holder=holder, fence=LeaseRow.fence + 1, expires_at=now + lifetime)
    )
    if run_counted(session, taken) == 0:
        return None
    fence = session.execute(select(LeaseRow.fence).where(LeaseRow.name == name)).scalar_one()
    return Lease(name, holder, fence)


def renew_lease(session: Session, lease: Lease, now: datetime, lifetime: timedelta) -> None:
    """Keep the lease until `now + lifetime`. Raises LeaseLostError if it was taken over."""
    _update_held(session, lease, {"expires_at": now + lifetime})


def confirm_lease(session: Session, lease: Lease) -> None:
    """Lock the lease row for the rest of this transaction. Raises LeaseLostError if it was taken over."""
    _update_held(session, lease, {"fence": lease.fence})


def release_lease(session: Session, lease: Lease) -> None:
    """Let another process take it at once; nothing happens if one already has."""
    run_counted(session, _held(lease).values(expires_at=_FREE))


def _update_held(session: Session, lease: Lease, values: dict[str, Any]) -> None:
    if run_counted(session, _held(lease).values(**values)) == 0:
        raise LeaseLostError(f"the lease {lease.name} was taken over from {lease.holder}")


def _held(lease: Lease) -> Update:
    return update(LeaseRow).where(
        LeaseRow.name == lease.name, LeaseRow.holder == lease.holder, LeaseRow.fence == lease.fence
    )
