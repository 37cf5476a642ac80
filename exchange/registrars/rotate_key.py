"""Rotating a representative's key: the present one counts for nothing at once and for ever; what follows it is a draft
for the registrars.

Rules, in order:
1. The present key is refused here from the next request on, whatever statement comes into force later.
2. The draft revokes it or, if the member asked for a new key and proved to hold it, puts that one in its place.
3. The new key counts when the registrars' quorum has signed; nobody else can make it count.
4. That the key was revoked is an entry in its member's log.
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
from keys.statements.replacement import ReplacementError
from keys.statements.types import (
    AnyStatement,
    MemberStatement,
    RepresentativeState,
    StatedRepresentative,
    parse_statement,
)
from schemas.enrolments import KeyReplacement


class UnknownRepresentativeError(LookupError):
    """No statement in force names this representative."""


def rotate_key(database: Database, representative_id: str, replacement: KeyReplacement | None, now: datetime) -> str:
    """Revoke the representative's key at once; the id of the proposal to revoke or to replace it.

    Raises UnknownRepresentativeError, ReplacementError, LogUnavailableError.
    """
    return database.run_in_transaction(lambda session: _rotate(session, representative_id, replacement, now))


def _rotate(session: Session, representative_id: str, replacement: KeyReplacement | None, now: datetime) -> str:
    member_id = representative_id.partition("/")[0]
    held = latest_effective(session, "member", member_id)
    stated = None if held is None else parse_statement(held.payload)
    people = stated.representatives if isinstance(stated, MemberStatement) else ()
    person = next((each for each in people if each.representative_id == representative_id), None)
    if person is None or not isinstance(stated, MemberStatement):
        raise UnknownRepresentativeError(f"no statement in force names the representative {representative_id}")
    successor = _successor(person, replacement)
    if membership.revoke_key(session, representative_id):
        body = {"by": "operator", "representative_id": representative_id}
        record(session, "key_revoked", [View(member_id, body)], now)

    def draft(sequence: int) -> AnyStatement:
        changed = tuple(successor if each is person else each for each in people)
        return dataclasses.replace(stated, sequence=sequence, issued_at=now, representatives=changed)

    return add_draft(session, "member", member_id, draft, now, is_urgent=True)


def _successor(person: StatedRepresentative, replacement: KeyReplacement | None) -> StatedRepresentative:
    if replacement is None:
        return dataclasses.replace(person, state=RepresentativeState.REVOKED)
    if replacement.representative_id != person.representative_id:
        raise ReplacementError(f"the new key is asked for by {replacement.representative_id}")
    if replacement.replaces != person.public_key:
        raise ReplacementError("the new key is to replace another key than the one stated: ask for it anew")
    if replacement.public_key == person.public_key:
        raise ReplacementError("the new key is the old one")
    return dataclasses.replace(person, public_key=replacement.public_key, state=RepresentativeState.ACTIVE)
