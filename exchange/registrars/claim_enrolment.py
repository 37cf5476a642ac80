"""Answering an invitation: a new member's keys, each with a proof, become a draft for the registrars to sign.

Rules, in order:
1. The code is one that was issued, for this member id, not expired and not used; it is used once. The same
   claim again gets the same answer.
2. Every representative proves that it holds its key, for this code, this member and these roles.
3. The encryption key is one to which something can be sealed.
4. Nobody is a member by this: that takes the registrars' quorum.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from sqlalchemy.orm import Session

from exchange.kernel.problem_error import ProblemError
from exchange.kernel.session import Database
from exchange.registrars.enrolments import Enrolment, lock_enrolment
from exchange.registrars.propose import add_draft
from keys.sealing.hybrid import SealingError, check_encryption_key
from keys.signatures.ed25519 import SignatureError, verify_signature
from keys.statements.types import MemberState, MemberStatement, RepresentativeState, StatedRepresentative
from schemas.enrolments import ClaimedRepresentative, NewEnrolment, ProvedEnrolment
from schemas.problems import Problem
from schemas.terms import MemberKind, Role, Sector
from schemas.values.canonical import digest
from schemas.values.encoding import to_base64

_ROLES_OF_THE_TASKFORCE = frozenset({Role.REGISTRAR, Role.OPERATOR})


_DETAILS = {
    "code": "The code is unknown, expired or used, or it is another member's.",
    "encryption-key": "The encryption key is not a valid hybrid public key.",
    "proof": "A representative did not prove that it holds its key for this code.",
    "roles": "A member's representative cannot have these roles.",
    "representative": "A representative's id starts with the member's.",
}


class EnrolmentRefusedError(ProblemError):
    """The claim is refused; `reason` is a slug: code, proof, roles, representative, encryption-key. Codes that were
    never issued, have expired or were used by another look alike.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(Problem("enrolment-refused", "Enrolment refused", 403, _DETAILS[reason], {"reason": reason}))
        self.reason = reason


def claim_enrolment(database: Database, claim: NewEnrolment, now: datetime) -> str:
    """Use the code and draft the member's statement; the proposal's id. Raises EnrolmentRefusedError,
    StatementError.
    """
    return database.run_in_transaction(lambda session: _claim(session, claim, now))


def _claim(session: Session, claim: NewEnrolment, now: datetime) -> str:
    code_sha256 = hashlib.sha256(claim.code.encode("utf-8")).digest()
    claim_sha256 = _digest_of(claim)
    invitation = lock_enrolment(session, code_sha256)
    if invitation is None or invitation.member_id != claim.member_id:
        raise EnrolmentRefusedError("code")
    if invitation.used_at is not None:
        if invitation.claim_sha256 != claim_sha256 or invitation.proposal_id is None:
            raise EnrolmentRefusedError("code")
        return invitation.proposal_id
    if now >= invitation.expires_at:
        raise EnrolmentRefusedError("code")
    _check_encryption_key(claim.encryption_key)
    for person in claim.representatives:
        _verify(claim, person, code_sha256.hex())
    proposal_id = add_draft(
        session, "member", claim.member_id, lambda sequence: _draft(claim, invitation, sequence, now), now
    )
    invitation.used_at, invitation.claim_sha256, invitation.proposal_id = now, claim_sha256, proposal_id
    session.flush()
    return proposal_id


def _digest_of(claim: NewEnrolment) -> bytes:
    people = [
        [person.representative_id, to_base64(person.public_key), person.roles] for person in claim.representatives
    ]
    return digest([claim.code, claim.member_id, to_base64(claim.encryption_key), people])


def _check_encryption_key(public_key: bytes) -> None:
    try:
        check_encryption_key(public_key)
    except SealingError:
        raise EnrolmentRefusedError("encryption-key") from None


def _verify(claim: NewEnrolment, person: ClaimedRepresentative, code_sha256: str) -> None:
    """Raise EnrolmentRefusedError unless the representative is the member's and holds its key."""
    if not person.representative_id.startswith(f"{claim.member_id}/"):
        raise EnrolmentRefusedError("representative")
    if not person.roles or _ROLES_OF_THE_TASKFORCE & set(person.roles):
        raise EnrolmentRefusedError("roles")
    proved = ProvedEnrolment(
        member_id=claim.member_id,
        code_sha256=code_sha256,
        encryption_key=claim.encryption_key,
        public_key=person.public_key,
        roles=person.roles,
    )
    try:
        verify_signature(person.public_key, proved.signed, person.proof)
    except SignatureError:
        raise EnrolmentRefusedError("proof") from None


def _draft(claim: NewEnrolment, invitation: Enrolment, sequence: int, now: datetime) -> MemberStatement:
    return MemberStatement(
        sequence=sequence,
        issued_at=now,
        member_id=claim.member_id,
        name=invitation.name,
        kind=MemberKind(invitation.kind),
        sector=Sector(invitation.sector),
        state=MemberState.ACTIVE,
        declared_book=invitation.declared_book,
        encryption_key=claim.encryption_key,
        representatives=tuple(
            StatedRepresentative(
                person.representative_id,
                person.public_key,
                frozenset(Role(role) for role in person.roles),
                RepresentativeState.ACTIVE,
            )
            for person in claim.representatives
        ),
    )
