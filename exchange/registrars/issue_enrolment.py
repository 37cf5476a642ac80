"""Inviting a member: a one-time code, given to it out of band. Only the code's digest is kept."""

from __future__ import annotations

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from exchange.kernel.session import Database
from exchange.registrars.enrolments import Enrolment
from keys.statements.envelopes import Root
from schemas.enrolments import EnrolmentCode
from schemas.values.canonical import canonical_json

CODE_LIFETIME = timedelta(days=14)


@dataclass(frozen=True, slots=True)
class Invitation:
    """Whom the code is for. Kind and sector are codes of schemas/terms.py; the book is a number of
    accounts.
    """

    member_id: str
    name: str
    kind: str
    sector: str
    declared_book: int


def issue_enrolment(database: Database, invitation: Invitation, *, url: str, root: Root, now: datetime) -> str:
    """The code, of which the exchange keeps the digest alone."""
    content = EnrolmentCode(
        exchange_url=url,
        member_id=invitation.member_id,
        secret=secrets.token_urlsafe(32),
        registrars=root.to_wire(),
    )
    code = base64.urlsafe_b64encode(canonical_json(msgspec.to_builtins(content))).rstrip(b"=").decode("ascii")
    row = Enrolment(
        code_sha256=hashlib.sha256(code.encode("ascii")).digest(),
        member_id=invitation.member_id,
        name=invitation.name,
        kind=invitation.kind,
        sector=invitation.sector,
        declared_book=invitation.declared_book,
        issued_at=now,
        expires_at=now + CODE_LIFETIME,
    )
    with database.transaction() as session:
        session.add(row)
    return code
