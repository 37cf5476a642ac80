"""Named locks, as rows: they work on any PostgreSQL, also behind a pooler and on a distributed one.

Which kind of mutual exclusion is for what:
1. Acts on one object (a member, a group, a request, an alert) lock its row: `lock_member`, `lock_group`, `lock_query`.
   Matching is serial within a group that way (docs/adr/0008).
2. Acts that have no row of their own to lock (a draft, a round of corrections) lock a name: `lock_named`.
3. Work that spans many transactions and that one process may do (the log's ticks) holds a lease: kernel/leases.
4. What may happen once (a job in its slot, a request under its idempotency key, a nonce) is a row with a primary key,
   which the first inserts: kernel/job_runs, kernel/idempotency, kernel/nonces.
5. Rows of a queue are taken by whoever locks them first, others are skipped: kernel/outbox, alerts/delivery/outbound.
The first two and the last end with the transaction, a lease by its time, and what is under 4 lasts.
"""

from __future__ import annotations

from sqlalchemy import String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from exchange.kernel.base import Base
from exchange.kernel.upsert import insert_ignoring


class NamedLock(Base):
    """A row to lock."""

    __tablename__ = "named_locks"

    name: Mapped[str] = mapped_column(String(64), primary_key=True)


def lock_named(session: Session, name: str) -> None:
    """Wait until no other transaction holds the lock of that name, then hold it until this one ends."""
    insert_ignoring(session, NamedLock, [{"name": name}])
    session.execute(select(NamedLock.name).where(NamedLock.name == name).with_for_update()).one()
