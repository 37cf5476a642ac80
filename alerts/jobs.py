"""Draining the exchange's outbox: each message becomes one notice of its member, in one transaction."""

from __future__ import annotations

from sqlalchemy.orm import Session

from alerts.store.notices import add_notices
from exchange.kernel import outbox
from exchange.kernel.session import Database

MESSAGES_AT_ONCE = 500


def drain_outbox(database: Database) -> int:
    """Make notices of all waiting messages; how many."""
    return database.run_in_batches(_drain, MESSAGES_AT_ONCE)


def _drain(session: Session) -> int:
    messages = outbox.take(session, MESSAGES_AT_ONCE)
    add_notices(
        session,
        [
            {
                "notice_id": message.message_id,
                "member_id": message.member_id,
                "kind": message.kind,
                "event_id": message.event_id,
                "created_at": message.created_at,
            }
            for message in messages
        ],
    )
    return len(messages)
