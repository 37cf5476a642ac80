"""Drafting statements for the registrars to sign, listing and discarding drafts. A draft has no force.

Rules, in order:
1. Each type and subject has one draft at a time: a second one is refused and names the first. The stopping of a member
   and the revoking of a key are not kept waiting: their drafts take the place of what waits about the member, and stand
   beside what a registrar has signed already.
2. What a registrar hands in is no draft of the operator's: it is taken beside one that waits.
3. A discarded draft takes no more single signatures; that it was discarded is an entry in the log. What the whole
   quorum signed comes into force all the same (exchange/registrars/accept.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from exchange.kernel.session import Database
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership import store as membership
from exchange.membership.statements import (
    COLLECTING,
    DISCARDED,
    SUPERSEDED,
    StoredStatement,
    find_statement,
    list_collecting,
    list_collecting_about,
    lock_statements,
    next_sequence,
    signatures_of,
    statement_id_of,
)
from keys.statements.envelopes import Statement, StatementError, read_payload
from keys.statements.types import AnyStatement, GroupStatement, MemberStatement, parse_statement, to_payload
from schemas.statements import Proposal
from schemas.values.encoding import to_base64, to_rfc3339


class UnknownProposalError(LookupError):
    """No such proposal waits for signatures."""


class ListedDraft(msgspec.Struct, frozen=True, kw_only=True):
    """A draft that waits for signatures, how many it has, and since when (RFC 3339, UTC)."""

    proposal_id: str
    type: str
    subject: str
    sequence: int
    signatures: int
    proposed_at: str


@dataclass(frozen=True, slots=True)
class Draft:
    """A draft, and the bytes that are signed."""

    listed: ListedDraft
    payload: bytes

    @property
    def proposal_id(self) -> str:
        """The digest by which it is approved."""
        return self.listed.proposal_id

    def shown(self) -> Proposal:
        """As a registrar is shown it."""
        return Proposal(
            proposal_id=self.listed.proposal_id,
            payload=to_base64(self.payload),
            type=self.listed.type,
            subject=self.listed.subject,
            signatures=self.listed.signatures,
        )


def add_draft(
    session: Session,
    kind: str,
    subject: str,
    draft: Callable[[int], AnyStatement],
    now: datetime,
    *,
    is_urgent: bool = False,
) -> str:
    """Store what `draft(sequence)` makes, with the next sequence of its subject; the proposal's id. One that is urgent
    takes the place of what waits unsigned.

    Raises StatementError if it is no proper statement, or if another about the subject waits (reason `waiting`).
    """
    lock_statements(session)
    return _add_alone(session, to_payload(draft(next_sequence(session, kind, subject))), now, is_urgent=is_urgent)


def add_drafted_payload(session: Session, payload: bytes, now: datetime) -> str:
    """The same for a statement's bytes that the operator was given."""
    lock_statements(session)
    return _add_alone(session, payload, now, is_urgent=False)


def _add_alone(session: Session, payload: bytes, now: datetime, *, is_urgent: bool) -> str:
    parse_statement(payload)
    head = read_payload(payload)
    for waiting in list_collecting_about(session, head.type, head.subject):
        if waiting.payload == payload:
            continue
        if not is_urgent:
            raise StatementError("waiting", _in_the_way(waiting))
        if not signatures_of(session, waiting.statement_id):
            waiting.state = SUPERSEDED
    return add_payload(session, payload, now)


def _in_the_way(waiting: StoredStatement) -> str:
    return (
        f"proposal {waiting.statement_id} about the {waiting.type} {waiting.subject} (sequence {waiting.sequence}, of"
        f" {to_rfc3339(waiting.proposed_at)}) waits for signatures already; let the registrars sign it, or free the"
        f" place: exchange proposal discard {waiting.statement_id}"
    )


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


def list_proposals(database: Database) -> list[Draft]:
    """What the registrars may sign, oldest first."""
    with database.reading() as session:
        return [_draft(session, row) for row in list_collecting(session)]


def _draft(session: Session, row: StoredStatement) -> Draft:
    signatures = len(signatures_of(session, row.statement_id))
    listed = ListedDraft(
        proposal_id=row.statement_id,
        type=row.type,
        subject=row.subject,
        sequence=row.sequence,
        signatures=signatures,
        proposed_at=to_rfc3339(row.proposed_at),
    )
    return Draft(listed, row.payload)


def discard_proposal(database: Database, proposal_id: str, now: datetime) -> Draft:
    """Take a draft back; what it was. An unmistakable beginning of its id is enough.

    Raises UnknownProposalError, LogUnavailableError.
    """
    return database.run_in_transaction(lambda session: _discard(session, proposal_id, now))


def _discard(session: Session, proposal_id: str, now: datetime) -> Draft:
    lock_statements(session)
    found = [row for row in list_collecting(session) if proposal_id and row.statement_id.startswith(proposal_id)]
    if not found:
        raise UnknownProposalError(f"no proposal {proposal_id} waits: exchange proposal list shows those that do")
    if len(found) > 1:
        raise UnknownProposalError(f"{len(found)} proposals begin with {proposal_id}: give more of the id")
    (row,) = found
    discarded = _draft(session, row)
    row.state = DISCARDED
    head = read_payload(row.payload)
    concerned = _concerned(session, head)
    if concerned:
        body = {"statement": {**_named(head), "sha256": row.statement_id}, "discarded_by": "operator"}
        record(session, "authority", [View(member_id, body) for member_id in sorted(concerned)], now, body)
    session.flush()
    return discarded


def _named(head: Statement) -> dict[str, str | int]:
    return {"type": head.type, "subject": head.subject, "sequence": head.sequence}


def _concerned(session: Session, head: Statement) -> set[str]:
    """The members whose authority the draft would have touched; one that is not enrolled has no log."""
    known = {member.member_id for member in membership.list_members(session)}
    match parse_statement(head.payload):
        case MemberStatement(member_id=member_id):
            return known & {member_id}
        case GroupStatement(group_id=group_id, members=members):
            return known & (members | set(membership.members_of_group(session, group_id)))
        case _:
            return known
