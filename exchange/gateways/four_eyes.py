"""Four eyes inside a member: one person prepares what another sends.

In order:
1. Where the member's own statement asks for it, nothing is sent that nobody prepared.
2. Whoever prepared it is an active person of that member, who may look into such things, and signed this very thing.
3. Two are two: another id and another key than the sender's.
4. A signatory that is no person prepares nothing.
5. What was prepared longer ago than schemas.requests.prepared says is prepared anew.
"""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from exchange.gateways.legal_gateway import Signatory
from exchange.kernel.decision import ALLOWED, Decision, refuse
from schemas.requests.prepared import PREPARED_DAYS, is_timely
from schemas.terms import Role

PREPARING = frozenset({Role.INVESTIGATOR, Role.AUTHORISER})
"""Roles of whoever may prepare an answer."""


class SignatoryKind(StrEnum):
    """What stands behind a key. A system's credential will be of another kind than a person's."""

    PERSON = "person"


@dataclass(frozen=True, slots=True)
class Preparer:
    """Whoever prepared something, as the registrars state it."""

    person: Signatory
    roles: Set[str]
    is_active: bool
    kind: SignatoryKind = SignatoryKind.PERSON


def decide_unprepared(*, is_wanted: bool) -> Decision:
    """Rule 1, of what nobody prepared."""
    if not is_wanted:
        return ALLOWED
    cure = "another person of yours prepares it (member request prepare ID); then: request answer ID --prepared"
    return refuse("not-prepared", "prepared", cure)


def decide_age(prepared_at: datetime, now: datetime) -> Decision:
    """Rule 5. The time is the preparer's own, under its signature."""
    if is_timely(prepared_at, now):
        return ALLOWED
    cure = f"prepare it anew: it is sent within {PREPARED_DAYS} days, and not before it was prepared"
    return refuse("prepared-too-old", "prepared.prepared_at", cure)


def decide_preparer(preparer: Preparer | None, sender: Signatory) -> Decision:
    """Rules 2 to 4, but for the signature. None: the member has nobody of that id."""
    if preparer is None or not preparer.is_active:
        return refuse("preparer", "prepared.representative_id", "an active representative of yours prepares it")
    if preparer.kind is not SignatoryKind.PERSON or not PREPARING & preparer.roles:
        return refuse("preparer-role", "prepared.representative_id", "an investigator or authoriser prepares it")
    if preparer.person.is_same(sender):
        return refuse("same-preparer", "prepared.representative_id", "another person, with another key, sends it")
    return ALLOWED
