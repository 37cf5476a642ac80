"""Recording in the log, fail closed: no entry, no disclosure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.orm import Session

from exchange.log.entries import RecordedEvent, View, record_event
from exchange.store.session import is_retryable


class LogUnavailableError(RuntimeError):
    """The log cannot take an entry, so nothing may be disclosed."""


def record(
    session: Session, kind: str, views: Sequence[View], now: datetime, core: dict[str, Any] | None = None
) -> RecordedEvent:
    """Record one event with one view for each affected member, in the transaction of the act.

    Raises LogUnavailableError, upon which the caller's transaction must not commit.
    """
    try:
        event = record_event(session, kind, views, now, core)
        session.flush()
    except SQLAlchemyError as error:
        if isinstance(error, DBAPIError) and is_retryable(error):
            raise
        raise LogUnavailableError("the log takes no entries") from error
    return event
