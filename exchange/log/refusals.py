"""Recording that something was refused, and why: refusals are logged like grants."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from exchange.kernel.actor import Actor
from exchange.kernel.decision import Decision
from exchange.kernel.session import Database
from exchange.log.entries import View
from exchange.log.events import record


def refuse_disclosure(
    database: Database, actor: Actor, decision: Decision, asked: dict[str, Any], now: datetime
) -> str:
    """Record the refusal for the member that asked; the id of the event. `asked` says for what, without
    content.
    """
    body = {
        **asked,
        "representative_id": actor.representative_id,
        "reasons": [{"code": reason.code, "field": reason.field} for reason in decision.reasons],
    }
    return database.run_in_transaction(
        lambda session: record(session, "refusal", [View(actor.member_id, body)], now).event_id
    )
