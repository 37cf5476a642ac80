"""Statements of the registrars and the signatures gathered so far.

A statement's id is the SHA-256 of its payload, so that the same draft is one row however often it is
proposed. Statements in force get a running `position`, assigned under a lock, so that a reader's cursor never
skips one that committed late.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from datetime import datetime

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    LargeBinary,
    String,
    UniqueConstraint,
    and_,
    delete,
    func,
    select,
    text,
    true,
)
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from exchange.kernel.chunks import in_even_chunks
from exchange.kernel.locks import lock_named

COLLECTING = "collecting"
EFFECTIVE = "effective"
SUPERSEDED = "superseded"
DISCARDED = "discarded"
_IS_COLLECTING = f"state = '{COLLECTING}'"
"""As SQL: a database uses an index of part of a table only if the statement says so itself, not by a parameter."""


class StoredStatement(Base):
    """One payload: proposed, in force, overtaken by another before it was, or discarded by the operator."""

    __tablename__ = "statements"
    __table_args__ = (
        UniqueConstraint("position"),
        Index("ix_statements_type_subject", "type", "subject", "sequence"),
        Index(
            "ix_statements_waiting",
            "proposed_at",
            "statement_id",
            sqlite_where=text(_IS_COLLECTING),
            postgresql_where=text(_IS_COLLECTING),
        ),
    )

    statement_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    type: Mapped[str] = mapped_column(String(16))
    subject: Mapped[str] = mapped_column(String(64))
    sequence: Mapped[int] = mapped_column(BigInteger)
    payload: Mapped[bytes] = mapped_column(LargeBinary)
    state: Mapped[str] = mapped_column(String(16))
    proposed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    effective_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    position: Mapped[int | None] = mapped_column(BigInteger)


class StatementSignature(Base):
    """One registrar's signature of a statement, 64 bytes."""

    __tablename__ = "statement_signatures"

    statement_id: Mapped[str] = mapped_column(ForeignKey("statements.statement_id"), primary_key=True)
    registrar_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    signature: Mapped[bytes] = mapped_column(LargeBinary(64))
    added_at: Mapped[datetime] = mapped_column(UtcDateTime)


def statement_id_of(payload: bytes) -> str:
    """The id of a payload, 64 hexadecimal digits."""
    return hashlib.sha256(payload).hexdigest()


def lock_statements(session: Session) -> None:
    """Let one transaction at a time change what is in force."""
    lock_named(session, "statements")


def find_statement(session: Session, statement_id: str) -> StoredStatement | None:
    """The statement of that id, in whatever state."""
    return session.get(StoredStatement, statement_id)


def latest_effective(session: Session, kind: str, subject: str) -> StoredStatement | None:
    """The statement in force about a subject."""
    return session.scalars(
        select(StoredStatement)
        .where(StoredStatement.type == kind, StoredStatement.subject == subject, StoredStatement.state == EFFECTIVE)
        .order_by(StoredStatement.sequence.desc())
        .limit(1)
    ).first()


def other_exchange(session: Session, exchange_id: str) -> str | None:
    """The id of another exchange whose statement is in force or waits here; None where there is none. A database is
    that of one exchange.
    """
    others = StoredStatement.type == "exchange", StoredStatement.subject != exchange_id
    alive = StoredStatement.state.in_((COLLECTING, EFFECTIVE))
    return session.scalars(select(StoredStatement.subject).where(*others, alive).limit(1)).first()


def list_effective_about(session: Session, kind: str, subject: str) -> Sequence[StoredStatement]:
    """Every statement about a subject that came into force, the oldest first."""
    return session.scalars(
        select(StoredStatement)
        .where(StoredStatement.type == kind, StoredStatement.subject == subject, StoredStatement.state == EFFECTIVE)
        .order_by(StoredStatement.sequence)
    ).all()


def list_newest_effective(session: Session, kind: str | None = None) -> Sequence[StoredStatement]:
    """The statement in force about every subject, of one type or of all."""
    is_of_kind = true() if kind is None else StoredStatement.type == kind
    newest = (
        select(StoredStatement.type, StoredStatement.subject, func.max(StoredStatement.sequence).label("sequence"))
        .where(StoredStatement.state == EFFECTIVE, is_of_kind)
        .group_by(StoredStatement.type, StoredStatement.subject)
        .subquery()
    )
    about = (
        StoredStatement.type == newest.c.type,
        StoredStatement.subject == newest.c.subject,
        StoredStatement.sequence == newest.c.sequence,
        StoredStatement.state == EFFECTIVE,
    )
    return session.scalars(select(StoredStatement).join(newest, and_(*about))).all()


def remove_signatures_of_others(session: Session, registrar_ids: Collection[str]) -> None:
    """Of what still waits, remove the signatures of all but these registrars."""
    waiting = select(StoredStatement.statement_id).where(text(f"statements.{_IS_COLLECTING}"))
    session.execute(
        delete(StatementSignature).where(
            StatementSignature.statement_id.in_(waiting), StatementSignature.registrar_id.not_in(registrar_ids)
        )
    )


def effective_by_subject(session: Session, kind: str, subjects: Collection[str]) -> dict[str, list[StoredStatement]]:
    """The same about each of some subjects."""
    found: dict[str, list[StoredStatement]] = {}
    for some in in_even_chunks(sorted(subjects), 512):
        about = StoredStatement.type == kind, StoredStatement.subject.in_(some), StoredStatement.state == EFFECTIVE
        for stored in session.scalars(select(StoredStatement).where(*about).order_by(StoredStatement.sequence)):
            found.setdefault(stored.subject, []).append(stored)
    return found


def next_sequence(session: Session, kind: str, subject: str) -> int:
    """The sequence that the next statement about a subject must have: one more than the one in force."""
    latest = latest_effective(session, kind, subject)
    return 1 if latest is None else latest.sequence + 1


def next_position(session: Session) -> int:
    """The position of the next statement to come into force; call it under lock_statements."""
    return (session.scalar(select(func.max(StoredStatement.position))) or 0) + 1


def signatures_of(session: Session, statement_id: str) -> list[tuple[str, bytes]]:
    """(registrar id, signature) pairs in order of the id."""
    found = session.scalars(
        select(StatementSignature)
        .where(StatementSignature.statement_id == statement_id)
        .order_by(StatementSignature.registrar_id)
    )
    return [(row.registrar_id, row.signature) for row in found]


def list_collecting(session: Session) -> Sequence[StoredStatement]:
    """Proposals that still require signatures, oldest first."""
    return session.scalars(
        select(StoredStatement)
        .where(text(f"statements.{_IS_COLLECTING}"))
        .order_by(StoredStatement.proposed_at, StoredStatement.statement_id)
    ).all()


def count_brought(session: Session, registrar_id: str) -> int:
    """How many proposals wait that came with this registrar's signature: those drafted here were there before it."""
    waiting = {row.statement_id: row.proposed_at for row in list_collecting(session)}
    found = (session.get(StatementSignature, (each, registrar_id)) for each in waiting)
    return sum(one is not None and one.added_at == waiting[one.statement_id] for one in found)


def list_collecting_about(session: Session, kind: str, subject: str) -> Sequence[StoredStatement]:
    """Proposals about one subject that still require signatures."""
    return session.scalars(
        select(StoredStatement)
        .where(StoredStatement.type == kind, StoredStatement.subject == subject, StoredStatement.state == COLLECTING)
        .order_by(StoredStatement.proposed_at, StoredStatement.statement_id)
    ).all()


def list_rivals(session: Session, statement: StoredStatement) -> Sequence[StoredStatement]:
    """Other proposals about the same subject that can no longer come into force once `statement` is."""
    return session.scalars(
        select(StoredStatement).where(
            StoredStatement.type == statement.type,
            StoredStatement.subject == statement.subject,
            StoredStatement.state == COLLECTING,
            StoredStatement.sequence <= statement.sequence,
            StoredStatement.statement_id != statement.statement_id,
        )
    ).all()


def list_effective(session: Session, after: int, limit: int) -> Sequence[StoredStatement]:
    """Statements in force behind a position, in order."""
    return session.scalars(
        select(StoredStatement).where(StoredStatement.position > after).order_by(StoredStatement.position).limit(limit)
    ).all()
