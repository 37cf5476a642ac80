"""Invitations: a one-time code for one member id. Only the SHA-256 of a code is kept."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from sqlalchemy import BigInteger, Index, LargeBinary, String, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base


class Enrolment(Base):
    """An invitation as issued, and when it was used. `claim_sha256` is of the claim that used it."""

    __tablename__ = "enrolments"
    __table_args__ = (Index("ix_enrolments_member_id", "member_id"),)

    code_sha256: Mapped[bytes] = mapped_column(LargeBinary(32), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(64))
    name: Mapped[str] = mapped_column(String(200))
    kind: Mapped[str] = mapped_column(String(40))
    sector: Mapped[str] = mapped_column(String(40))
    declared_book: Mapped[int] = mapped_column(BigInteger)
    issued_at: Mapped[datetime] = mapped_column(UtcDateTime)
    expires_at: Mapped[datetime] = mapped_column(UtcDateTime)
    used_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    claim_sha256: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    proposal_id: Mapped[str | None] = mapped_column(String(64))


def list_invited(session: Session, among: Collection[str]) -> set[str]:
    """Those of the members for whom a code was ever made, used or not."""
    return set(session.scalars(select(Enrolment.member_id).where(Enrolment.member_id.in_(among)).distinct()))


def lock_enrolment(session: Session, code_sha256: bytes) -> Enrolment | None:
    """The invitation with that code, locked, so that a code is used once."""
    return session.execute(
        select(Enrolment).where(Enrolment.code_sha256 == code_sha256).with_for_update()
    ).scalar_one_or_none()
