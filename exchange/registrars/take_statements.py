"""Taking statements that were in force before: an exchange restored from an older backup has lost those since, and who
signed them since may be registrars that it does not know yet (docs/adr/0045).

They come as a registrar's home keeps them, each with its quorum's signatures; nothing else is believed. A root counts
once all that it carries over is in force, and what the new quorum signed once that root is, so they are taken in as
many rounds as bring anything new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from exchange.kernel.session import Database
from exchange.membership.statements import EFFECTIVE, find_statement, statement_id_of
from exchange.registrars.accept import accept_statement
from keys.statements.envelopes import Envelope, Root, Statement, StatementError, read_payload


@dataclass(frozen=True, slots=True)
class TakenStatement:
    """What became of a statement; `problem` is None for one that is in force now."""

    type: str
    subject: str
    sequence: int
    problem: str | None


def take_statements(
    database: Database, pinned: Root, envelopes: Sequence[object], now: datetime
) -> list[TakenStatement]:
    """What became of each that was not in force here. Raises StatementError for what is no statement, before anything
    is taken, LogUnavailableError.
    """
    waiting = [envelope for envelope in envelopes if not _is_in_force(database, envelope)]
    problems: dict[int, str | None] = dict.fromkeys(range(len(waiting)), "")
    while True:
        left = [number for number, problem in problems.items() if problem is not None]
        for number in left:
            problems[number] = _take(database, pinned, waiting[number], now)
        if all(problems[number] is not None for number in left):
            break
    heads = [_head_of(envelope) for envelope in waiting]
    return [
        TakenStatement(head.type, head.subject, head.sequence, problems[number]) for number, head in enumerate(heads)
    ]


def _is_in_force(database: Database, envelope: object) -> bool:
    head = _head_of(envelope)
    with database.reading() as session:
        stored = find_statement(session, statement_id_of(head.payload))
    return stored is not None and stored.state == EFFECTIVE


def _take(database: Database, pinned: Root, envelope: object, now: datetime) -> str | None:
    """Why it is not in force, None if it is."""
    try:
        standing = accept_statement(database, pinned, envelope, now)
    except StatementError as error:
        return str(error)
    if standing.state == EFFECTIVE:
        return None
    return f"{standing.signatures} of the {standing.quorum} required signatures"


def _head_of(envelope: object) -> Statement:
    return read_payload(Envelope.parse(envelope).payload)
