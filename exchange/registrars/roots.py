"""Drafting who the registrars are to be.

A root carries over exactly what is in force here when it comes into force, no less and no more: else what came in
between would be lost. Then the draft is discarded and made anew. With it the signatures of those who left go from what
still waits (exchange/registrars/accept.py).
"""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from exchange.kernel.session import Database
from exchange.membership.roots import load_roots
from exchange.membership.statements import (
    list_newest_effective,
)
from exchange.registrars.propose import add_draft
from keys.statements.envelopes import ROOT, ROOT_SUBJECT, Root, StatementError
from keys.statements.types import MAX_CARRIED, RootStatement, to_payload


def propose_root(database: Database, pinned: Root, wanted: Root, now: datetime) -> str:
    """Draft that these registrars follow the present ones; the proposal's id. Raises StatementError."""

    def draft(session: Session) -> str:
        roots = load_roots(session, pinned)

        def make(_sequence: int) -> RootStatement:
            return RootStatement(
                sequence=roots.version + 1,
                issued_at=now,
                previous=roots.fingerprint,
                quorum=wanted.quorum,
                registrars=wanted.registrars,
                statements=_carried(session),
            )

        roots.signing(to_payload(make(0)))
        return add_draft(session, ROOT, ROOT_SUBJECT, make, now)

    return database.run_in_transaction(draft)


def check_carried(session: Session, stated: RootStatement) -> None:
    """That it carries over what is in force. Raises StatementError."""
    if stated.statements != _carried(session):
        detail = "what is in force has changed since this root was drafted: discard the draft and make it anew"
        raise StatementError("inconsistent", detail)


def _carried(session: Session) -> frozenset[bytes]:
    found = [row.statement_id for row in list_newest_effective(session) if row.type != ROOT]
    if len(found) > MAX_CARRIED:
        raise StatementError("malformed", f"a root carries over at most {MAX_CARRIED} statements, not {len(found)}")
    return frozenset(bytes.fromhex(statement_id) for statement_id in found)
