"""Making the objects of an alert ready for the feeds, in the transaction that changes the alert."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from alerts.domain.alert import Alert


def store_objects(session: Session, alert: Alert, now: datetime) -> None:
    """Add the present version of the alert's objects to the collections of its groups. RED alerts are in no feed."""
