"""Recording in the log, fail closed: no entry, no disclosure, and none while the log stands still."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from exchange.kernel.actor import Actor
from exchange.kernel.session import LOG_STALE, is_retryable
from exchange.log.entries import RecordedEvent, View, record_event
from exchange.log.reading import stands_still
from schemas.values.canonical import digest
from schemas.values.encoding import to_base64

_DISCLOSES_NOTHING = frozenset(
    {"authority", "stop", "key_revoked", "refusal", "subscription_ended", "feed_token_revoked", "holder_fault"}
)
"""Events that disclose nothing of anyone's: a member can be stopped, a key revoked, a request refused, a subscription
or a feed token ended, a key holder's fault reported, whatever the log's worker does.
"""


class LogUnavailableError(RuntimeError):
    """The log cannot take an entry, or has stood still for too long, so nothing may be disclosed. The message is
    for the caller.
    """


def record(
    session: Session, kind: str, views: Sequence[View], now: datetime, core: dict[str, Any] | None = None
) -> RecordedEvent:
    """Record one event with one view for each affected member, in the transaction of the act.

    Raises LogUnavailableError, upon which the caller's transaction must not commit.
    """
    try:
        if kind not in _DISCLOSES_NOTHING and stands_still(session, now, session.info[LOG_STALE]):
            raise LogUnavailableError("The log's worker stands still: the log has not grown for too long.")
        event = record_event(session, kind, views, now, core)
        session.flush()
    except SQLAlchemyError as error:
        if isinstance(error, DBAPIError) and is_retryable(error):
            raise
        raise LogUnavailableError("The log takes no entries at present.") from error
    return event


def record_reading(
    session: Session,
    kind: str,
    actor: Actor,
    asked: Mapping[str, object],
    shown: Sequence[msgspec.Struct],
    *,
    now: datetime,
) -> str:
    """Record what of a list its reader was shown, by count and digest; the id of the event."""
    view = {
        **asked,
        "representative_id": actor.representative_id,
        "count": len(shown),
        "shown_sha256": to_base64(digest(msgspec.to_builtins(shown))),
    }
    return record(session, kind, [View(actor.member_id, view)], now).event_id
