"""What all acts on alerts share: whose alert it is, who may read it, and what the log and the answers say of it."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy.orm import Session

from alerts.domain.alert import READABLE
from alerts.domain.rules import Issuer
from alerts.readers.audiences import readable_audiences
from alerts.store.alerts import StoredAlert, find_alert, lock_own
from exchange.gateways.rules import GatewayRules
from exchange.kernel.decision import refuse
from exchange.log.acting import UnknownObjectError
from exchange.membership.store import find_member, load_authority
from schemas.alerts.messages import AlertStatus
from schemas.values.encoding import to_base64, to_rfc3339


class UnknownAlertError(UnknownObjectError):
    """There is no alert of that id that the asker may know of."""

    decision = refuse("unknown-alert", "alert_id", "there is no such alert")


def find_own(session: Session, member_id: str, alert_id: str) -> StoredAlert:
    """An alert that the member issues, locked until the transaction ends. Raises UnknownAlertError."""
    found = lock_own(session, member_id, alert_id=alert_id)
    if found is None:
        raise UnknownAlertError
    return found


def find_readable(session: Session, member_id: str, alert_id: str, now: datetime) -> StoredAlert:
    """An alert that the member may read now: its own in every state, others' that are addressed to it from their
    publication on. Raises UnknownAlertError, after the same work whether there is one or not.
    """
    audiences = readable_audiences(session, member_id, now)
    found = find_alert(session, alert_id)
    if found is not None and (
        found.member_id == member_id or (found.audience_id in audiences and found.state in READABLE)
    ):
        return found
    raise UnknownAlertError


def load_issuer(session: Session, member_id: str, gateways: GatewayRules, now: datetime) -> Issuer:
    """The member as an issuer, under present authority."""
    member = find_member(session, member_id)
    return Issuer(member_id, "" if member is None else member.kind, load_authority(session, now), gateways)


def view_of(stored: StoredAlert) -> dict[str, object]:
    """What the log says of an alert to whoever it concerns: which version, marked how, its content as a digest."""
    alert = stored.alert
    return {
        "alert_id": alert.alert_id,
        "reference": alert.reference,
        "version": alert.version,
        "state": alert.state.value,
        "tlp": alert.content.tlp,
        "content_sha256": to_base64(alert.sha256_of(alert.version)),
    }


def status_of(stored: StoredAlert) -> AlertStatus:
    """What an act answers."""
    return AlertStatus(alert_id=stored.alert_id, reference=stored.reference, state=stored.state)


def cut(moment: datetime) -> datetime:
    """The moment in whole milliseconds."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)


def text_of(moment: datetime | None) -> str | None:
    """The moment on the wire, None for none."""
    return None if moment is None else to_rfc3339(moment)
