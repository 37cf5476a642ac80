"""What a query says in words: judged in the moment of the act, then sealed to its agency and independent reviewers.

The exchange reads the texts while it is asked or decided upon, and never again: what it keeps opens with a reader's
key alone, and the terms that an officer approves hold the texts' digest. A reviewer that is enrolled later has none
sealed to it, and asks the agency for them.
"""

from __future__ import annotations

import hashlib

from sqlalchemy.orm import Session

from exchange.kernel.decision import refuse
from exchange.log.acting import require
from exchange.membership.store import find_member, list_reviewers
from exchange.queries.store import Query, add_papers
from keys.sealing.hybrid import SealingError
from keys.sealing.query_papers import PaperPlace, paper_bytes, seal_paper
from schemas.queries.messages import AskQuery, ExtensionGrounds, QueryGrounds
from schemas.values.encoding import to_base64


def grounds_of(new: AskQuery) -> QueryGrounds:
    """What a query says in words, as it is sealed."""
    return QueryGrounds(
        case=new.case.strip(),
        purpose=new.purpose,
        necessity=new.necessity or "",
        proportionality=new.proportionality or "",
        salt=to_base64(new.salt),
    )


def keep_paper(session: Session, query: Query, position: int, paper: QueryGrounds | ExtensionGrounds) -> bytes:
    """Keep a paper of a query (keys/sealing/query_papers.py), sealed to each that may read it; its digest, 32 bytes.
    Raises RefusalError if nothing can be sealed to one of them.
    """
    sha256, sealed = hashlib.sha256(paper_bytes(paper)).digest(), {}
    for reader in sorted({query.member_id, *list_reviewers(session)}):
        member = find_member(session, reader)
        try:
            place = PaperPlace(query.query_id, position, reader, sha256)
            sealed[reader] = seal_paper(paper, b"" if member is None else member.encryption_key, place)
        except SealingError:
            cure = f"nothing can be sealed to the key that the registrars state of {reader}: ask for a new statement"
            require(refuse("encryption-key", "query_id", cure))
    add_papers(session, query.query_id, position, sealed)
    return sha256
