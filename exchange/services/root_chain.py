"""The chain of roots at the exchange: who the registrars are at present, and drafting who they are to be.

Rules, in order:
1. The first root is that of the home; the others are the statements of the type `root` in force, walked and verified
   anew whenever they are read (keys/roots.py): the database is not trusted with who may state authority.
2. A root carries over exactly what is in force here when it comes into force, no less and no more: else what came in
   between would be lost. Then the draft is discarded and made anew.
3. With it the signatures of those who left go from what still waits (exchange/services/accept_statement.py).
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from exchange.services.propose_statement import add_draft
from exchange.store.session import Database
from exchange.store.statements import (
    StoredStatement,
    list_effective_about,
    list_newest_effective,
    signatures_of,
)
from keys.roots import Roots
from keys.statement_types import MAX_CARRIED, RootStatement, to_payload
from keys.statements import ROOT, ROOT_SUBJECT, Envelope, Root, StatementError


def envelope_of(session: Session, stored: StoredStatement) -> dict[str, Any]:
    """The DSSE envelope (JSON object) with all signatures gathered."""
    pairs = tuple((f"registrar/{name}", signature) for name, signature in signatures_of(session, stored.statement_id))
    return Envelope(stored.payload, pairs).to_wire()


def load_roots(session: Session, pinned: Root) -> Roots:
    """The roots from the home's to the newest. Raises StatementError if the database holds one that nobody signed."""
    roots = Roots(pinned)
    for stored in list_effective_about(session, ROOT, ROOT_SUBJECT):
        roots.add(envelope_of(session, stored))
    return roots


def read_roots(database: Database, pinned: Root) -> Roots:
    """load_roots in a reading of its own."""
    with database.reading() as session:
        return load_roots(session, pinned)


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
    """Rule 2. Raises StatementError."""
    if stated.statements != _carried(session):
        detail = "what is in force has changed since this root was drafted: discard the draft and make it anew"
        raise StatementError("inconsistent", detail)


def _carried(session: Session) -> frozenset[bytes]:
    found = [row.statement_id for row in list_newest_effective(session) if row.type != ROOT]
    if len(found) > MAX_CARRIED:
        raise StatementError("malformed", f"a root carries over at most {MAX_CARRIED} statements, not {len(found)}")
    return frozenset(bytes.fromhex(statement_id) for statement_id in found)
