"""Named locks, as rows: they work on any PostgreSQL, also behind a pooler and on a distributed one."""

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
