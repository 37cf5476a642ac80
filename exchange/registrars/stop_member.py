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
from exchange.membership.statements import latest_effective
from exchange.registrars.propose import add_draft
from keys.statements.types import AnyStatement, MemberState, MemberStatement, parse_statement


class UnknownMemberError(LookupError):
    """No statement in force speaks of this member."""


def stop_member(database: Database, member_id: str, now: datetime) -> str:
    """Refuse the member everything from now on; the id of the proposal to suspend it. Raises
    UnknownMemberError.
    """
    return database.run_in_transaction(lambda session: _stop(session, member_id, now))


def _stop(session: Session, member_id: str, now: datetime) -> str:
    held = latest_effective(session, "member", member_id)
    if held is None or not membership.stop_member(session, member_id, now):
        raise UnknownMemberError(f"no statement in force speaks of the member {member_id}")
    stated = parse_statement(held.payload)
    assert isinstance(stated, MemberStatement)  # noqa: S101 - its type is member; for the type checker

    def draft(sequence: int) -> AnyStatement:
        return dataclasses.replace(stated, sequence=sequence, issued_at=now, state=MemberState.SUSPENDED)

    record(session, "stop", [View(member_id, {"by": "operator"})], now)
    return add_draft(session, "member", member_id, draft, now, is_urgent=True)
