"""Queueing an alert for those who subscribed to it, in the transaction that changes the alert."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from alerts.domain.alert import Alert
from alerts.domain.subscription import is_pushed, matches
from alerts.readers.audiences import is_addressed
from alerts.store.subscriptions import ALERT, Delivery, list_active, new_delivery
from exchange.kernel.upsert import insert_ignoring
from exchange.membership.store import list_members, load_authority


def queue_deliveries(session: Session, alert: Alert, now: datetime) -> None:
    """One delivery for each subscription that the alert matches and whose member may read it. RED alerts are never
    pushed. Whether the member still may is looked at again when it is sent.
    """
    subscriptions = list_active(session) if is_pushed(alert) else []
    if not subscriptions:
        return
    authority = load_authority(session, now)
    kinds = {member.member_id: member.kind for member in list_members(session)}
    audience = alert.content.audience
    rows = []
    for subscription in subscriptions:
        member_id = subscription.member_id
        if not is_addressed(audience, member_id, kinds.get(member_id, ""), authority):
            continue
        shared = [group_id for group_id in audience.groups if authority.is_in(group_id, member_id)]
        if matches(subscription.filters, alert, kinds[alert.member_id], shared):
            rows.append(new_delivery(subscription, ALERT, alert.alert_id, alert.version, now))
    insert_ignoring(session, Delivery, rows)
