"""Taking statements that were in force before: an exchange restored from an older backup has lost those since, and who
signed them since may be registrars that it does not know yet (docs/adr/0045).

They come as a registrar's home keeps them, each with its quorum's signatures; nothing else is believed. A root counts
once all that it carries over is in force, and what the new quorum signed once that root is, so they are taken in as
many rounds as bring anything new.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from exchange.kernel.session import Database
from exchange.membership.statements import EFFECTIVE, find_statement, statement_id_of
from exchange.registrars.accept import accept_statement
from keys.statements.envelopes import Envelope, Root, StatementError, read_payload


def take_statements(
    database: Database, pinned: Root, envelopes: Sequence[dict[str, Any]], now: datetime
) -> list[dict[str, Any]]:
    """What became of each that was not in force here: `type`, `subject`, `sequence`, and `problem`, None for one that
    is in force now. Raises StatementError for what is no statement, before anything is taken, LogUnavailableError.
    """
    waiting = [envelope for envelope in envelopes if not _is_in_force(database, envelope)]
    problems: dict[int, str | None] = dict.fromkeys(range(len(waiting)), "")
    while True:
        left = [number for number, problem in problems.items() if problem is not None]
        for number in left:
            problems[number] = _take(database, pinned, waiting[number], now)
        if all(problems[number] is not None for number in left):
            break
    return [{**_named(envelope), "problem": problems[number]} for number, envelope in enumerate(waiting)]


def _is_in_force(database: Database, envelope: dict[str, Any]) -> bool:
    payload = Envelope.parse(envelope).payload
    read_payload(payload)
    with database.reading() as session:
        stored = find_statement(session, statement_id_of(payload))
    return stored is not None and stored.state == EFFECTIVE


def _take(database: Database, pinned: Root, envelope: dict[str, Any], now: datetime) -> str | None:
    """Why it is not in force, None if it is."""
    try:
        standing = accept_statement(database, pinned, envelope, now)
    except StatementError as error:
        return str(error)
    if standing.state == EFFECTIVE:
        return None
    return f"{standing.signatures} of the {standing.quorum} signatures that it wants"


def _named(envelope: dict[str, Any]) -> dict[str, Any]:
    head = read_payload(Envelope.parse(envelope).payload)
    return {"type": head.type, "subject": head.subject, "sequence": head.sequence}
