"""Stopping a member: at once and locally, and as a draft for the registrars, who decide whether it stays
stopped.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime

from sqlalchemy.orm import Session

from exchange.kernel.session import Database
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership import store as membership
from exchange.membership.statements import latest_effective, list_collecting_about, lock_statements
from exchange.registrars.propose import add_draft
from keys.statements.envelopes import StatementError
from keys.statements.types import AnyStatement, MemberState, MemberStatement, parse_statement


class UnknownMemberError(LookupError):
    """No statement in force speaks of this member."""


def stop_member(database: Database, member_id: str, now: datetime) -> str:
    """Refuse the member everything from now on; the id of the proposal to suspend it, which is drafted once. Raises
    UnknownMemberError, and StatementError (reason `suspended`) if its suspension is in force.
    """
    return database.run_in_transaction(lambda session: _stop(session, member_id, now))


def _stop(session: Session, member_id: str, now: datetime) -> str:
    lock_statements(session)
    held = latest_effective(session, "member", member_id)
    if held is None or not membership.stop_member(session, member_id, now):
        raise UnknownMemberError(f"no statement in force speaks of the member {member_id}")
    stated = parse_statement(held.payload)
    assert isinstance(stated, MemberStatement)  # noqa: S101 - its type is member; for the type checker
    if stated.state is MemberState.SUSPENDED:
        raise StatementError("suspended", f"the member {member_id} is suspended by a statement in force")
    suspended = dataclasses.replace(stated, state=MemberState.SUSPENDED)
    drafted = _waiting(session, suspended)
    if drafted is not None:
        return drafted

    def draft(sequence: int) -> AnyStatement:
        return dataclasses.replace(suspended, sequence=sequence, issued_at=now)

    record(session, "stop", [View(member_id, {"by": "operator"})], now)
    return add_draft(session, "member", member_id, draft, now, is_urgent=True)


def _waiting(session: Session, suspended: MemberStatement) -> str | None:
    """The proposal that says just this, and waits for signatures since the member was stopped before."""
    for proposal in list_collecting_about(session, "member", suspended.member_id):
        said = parse_statement(proposal.payload)
        if said == dataclasses.replace(suspended, sequence=said.sequence, issued_at=said.issued_at):
            return proposal.statement_id
    return None
