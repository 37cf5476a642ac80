"""Who the registrars are at present: the chain of roots.

The first root is that of the home; the others are the statements of the type `root` in force, walked and verified anew
whenever they are read (keys/statements/roots.py): the database is not trusted with who may state authority.
"""

from __future__ import annotations

from sqlalchemy.orm import Session

from exchange.kernel.session import Database
from exchange.membership.statements import StoredStatement, list_effective_about, signatures_of
from keys.statements.envelopes import ROOT, ROOT_SUBJECT, Envelope, Root
from keys.statements.roots import Roots
from schemas.statements import StatementEnvelope


def envelope_of(session: Session, stored: StoredStatement) -> StatementEnvelope:
    """The DSSE envelope with all signatures gathered."""
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
