"""Queueing an alert for those who subscribed to it, in the transaction that changes the alert."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from alerts.domain.alert import Alert


def queue_deliveries(session: Session, alert: Alert, now: datetime) -> None:
    """One delivery for each subscription that the alert matches and whose member may read it. RED alerts are never
    pushed.
    """
