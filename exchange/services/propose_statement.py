"""Drafting statements for the registrars to sign. A draft has no force."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from exchange.store.session import Database
from exchange.store.statements import (
    COLLECTING,
    StoredStatement,
    find_statement,
    list_collecting,
    next_sequence,
    signatures_of,
    statement_id_of,
)
from keys.statement_types import AnyStatement, parse_statement, to_payload
from keys.statements import read_payload


@dataclass(frozen=True, slots=True)
class Proposal:
    """A draft that wants signatures, and how many it has."""

    proposal_id: str
    payload: bytes
    type: str
    subject: str
    signatures: int


def add_draft(session: Session, kind: str, subject: str, draft: Callable[[int], AnyStatement], now: datetime) -> str:
    """Store what `draft(sequence)` makes, with the next sequence of its subject; the proposal's id.

    Raises StatementError if it is no proper statement.
    """
    return add_payload(session, to_payload(draft(next_sequence(session, kind, subject))), now)


def add_payload(session: Session, payload: bytes, now: datetime) -> str:
    """Store a statement's bytes as a proposal, unless they are there; its id. Raises StatementError."""
    parse_statement(payload)
    head = read_payload(payload)
    statement_id = statement_id_of(payload)
    if find_statement(session, statement_id) is None:
        session.add(
            StoredStatement(
                statement_id=statement_id,
                type=head.type,
                subject=head.subject,
                sequence=head.sequence,
                payload=payload,
                state=COLLECTING,
                proposed_at=now,
            )
        )
        session.flush()
    return statement_id


def propose_statement(
    database: Database, kind: str, subject: str, draft: Callable[[int], AnyStatement], now: datetime
) -> str:
    """add_draft in a transaction of its own."""
    return database.run_in_transaction(lambda session: add_draft(session, kind, subject, draft, now))


def list_proposals(database: Database) -> list[Proposal]:
    """What the registrars may sign, oldest first."""
    with database.reading() as session:
        return [
            Proposal(
                row.statement_id, row.payload, row.type, row.subject, len(signatures_of(session, row.statement_id))
            )
            for row in list_collecting(session)
        ]
