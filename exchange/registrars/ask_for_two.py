"""Drafting, at a member's wish, that its own statement asks for two of its people: who prepares an answer and who sends
it are then two (docs/adr/0039). It counts when the registrars have signed; nothing changes before.
"""

from __future__ import annotations

import dataclasses
from datetime import datetime

from sqlalchemy.orm import Session

from exchange.kernel.session import Database
from exchange.membership.statements import latest_effective
from exchange.registrars.propose import add_draft
from exchange.registrars.stop_member import UnknownMemberError
from keys.statements.types import AnyStatement, MemberStatement, parse_statement
from schemas.terms import FourEyes


class NothingToChangeError(ValueError):
    """The statement in force says so already."""


def ask_for_two(database: Database, member_id: str, code: FourEyes, now: datetime, *, is_wanted: bool) -> str:
    """The id of the proposal that asks for two people in what the code names, or for two no longer.

    Raises UnknownMemberError, NothingToChangeError, and what proposals raise.
    """

    def work(session: Session) -> str:
        held = latest_effective(session, "member", member_id)
        stated = None if held is None else parse_statement(held.payload)
        if not isinstance(stated, MemberStatement):
            raise UnknownMemberError(f"no statement in force speaks of the member {member_id}")
        codes = stated.four_eyes | {code} if is_wanted else stated.four_eyes - {code}
        if codes == stated.four_eyes:
            raise NothingToChangeError(f"the statement of {member_id} says so already")

        def draft(sequence: int) -> AnyStatement:
            return dataclasses.replace(stated, sequence=sequence, issued_at=now, four_eyes=codes)

        return add_draft(session, "member", member_id, draft, now)

    return database.run_in_transaction(work)
