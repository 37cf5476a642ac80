"""Reading alerts through the signed API: every page and every alert read is an entry in the reader's log."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from alerts.acts.acting import find_readable, text_of, view_of
from alerts.domain.alert import Alert
from alerts.readers.audiences import readable_audiences
from alerts.readers.disclosing import record_disclosed_to_all
from alerts.store.alerts import AlertResponse, StoredAlert, acknowledged_among, find_response, page_of_alerts
from exchange.kernel.actor import Actor
from exchange.kernel.session import Database
from exchange.log.acting import RecordedRefusals
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership.store import load_authority
from schemas.alerts.messages import AlertsPage, AlertsQuery, ListedAlert, OwnResponse, ShownAlert, Steps
from schemas.values.encoding import to_base64, to_rfc3339


@dataclass(frozen=True, slots=True)
class AlertRead:
    """An alert as the reader may see it, and the answer that shows it whole."""

    alert: Alert
    shown: ShownAlert


def read_alert(database: Database, actor: Actor, alert_id: str, form: str, now: datetime) -> AlertRead:
    """One alert, in the form `json`, `html` or `pdf`.

    Raises UnknownAlertError (recorded) and LogUnavailableError: then nothing is disclosed.
    """

    def read(session: Session) -> AlertRead:
        stored = find_readable(session, actor.member_id, alert_id, now)
        alert = _as_shown(session, stored, actor.member_id, now)
        view = {**view_of(stored), "form": form, "representative_id": actor.representative_id}
        event_id = record(session, "alert_read", [View(actor.member_id, view)], now).event_id
        _record_disclosed(session, [stored], actor, event_id, now)
        response = find_response(session, alert_id, actor.member_id)
        return AlertRead(alert, _whole(stored, alert, response, actor, event_id))

    asked = {"asked": "alert_read", "alert_id": alert_id}
    return RecordedRefusals(database, actor, asked, now).run(read)


def list_alerts(database: Database, actor: Actor, asked: AlertsQuery, now: datetime) -> AlertsPage:
    """A page of the alerts that the member may see: its own in every state, others' that are addressed to it; only
    those in a state, or of a reference, where one is given. Raises LogUnavailableError: then nothing is disclosed.
    """
    filters = {"state": asked.state, "reference": asked.reference}

    def read(session: Session) -> AlertsPage:
        audiences = readable_audiences(session, actor.member_id, now)
        page = page_of_alerts(
            session, actor.member_id, audiences, after=asked.cursor or "", limit=asked.limit, **filters
        )
        versions = [{"alert_id": one.alert_id, "version": one.version} for one in page]
        described = {"after": asked.cursor, "limit": asked.limit, **filters}
        view = {"asked": described, "alerts": versions, "representative_id": actor.representative_id}
        event_id = record(session, "alerts_listed", [View(actor.member_id, view)], now).event_id
        _record_disclosed(session, page, actor, event_id, now)
        acknowledged = acknowledged_among(session, actor.member_id, [one.alert_id for one in page])
        return AlertsPage(
            alerts=[_line(one, is_acknowledged=one.alert_id in acknowledged) for one in page],
            next=page[-1].alert_id if len(page) == asked.limit else None,
            event_id=event_id,
        )

    return database.run_in_transaction(read)


def own_response(response: AlertResponse) -> OwnResponse:
    """What a member said."""
    return OwnResponse(
        version=response.version,
        acknowledged_at=to_rfc3339(response.acknowledged_at),
        implemented_at=text_of(response.implemented_at),
        feedback=response.feedback,
    )


def _as_shown(session: Session, stored: StoredAlert, member_id: str, now: datetime) -> Alert:
    """The alert, of whose groups a reader sees those that it is in: others may be none of its business."""
    alert = stored.alert
    if alert.member_id == member_id:
        return alert
    authority, audience = load_authority(session, now), alert.content.audience
    groups = [group_id for group_id in audience.groups if authority.is_in(group_id, member_id)]
    shown = msgspec.structs.replace(audience, groups=groups)
    return replace(alert, content=msgspec.structs.replace(alert.content, audience=shown))


def _whole(
    stored: StoredAlert, alert: Alert, response: AlertResponse | None, actor: Actor, event_id: str
) -> ShownAlert:
    return ShownAlert(
        alert_id=alert.alert_id,
        reference=alert.reference,
        state=alert.state.value,
        member_id=alert.member_id,
        issuer=alert.issuer,
        version=alert.version,
        content=alert.shown,
        content_sha256=to_base64(alert.sha256_of(alert.version)),
        created_at=to_rfc3339(alert.created_at),
        modified_at=to_rfc3339(alert.modified_at),
        published_at=text_of(alert.published_at),
        reason=alert.reason,
        superseded_by=alert.superseded_by,
        response=None if response is None else own_response(response),
        steps=_steps(stored) if alert.member_id == actor.member_id else None,
        event_id=event_id,
    )


def _steps(stored: StoredAlert) -> Steps:
    publish_at = stored.due_at if stored.state == "scheduled" else None
    return Steps(
        author=stored.author_id,
        reviewer=stored.reviewer_id,
        releaser=stored.releaser_id,
        publish_at=text_of(publish_at),
    )


def _line(stored: StoredAlert, *, is_acknowledged: bool) -> ListedAlert:
    alert = stored.alert
    content = alert.shown
    return ListedAlert(
        alert_id=alert.alert_id,
        reference=alert.reference,
        state=alert.state.value,
        member_id=alert.member_id,
        issuer=alert.issuer,
        version=alert.version,
        title=content.title,
        colour=content.colour,
        classification=content.classification,
        tlp=content.tlp,
        theme=content.theme,
        published_at=text_of(alert.published_at),
        modified_at=to_rfc3339(alert.modified_at),
        expires_on=content.expires_on.isoformat(),
        acknowledged=is_acknowledged,
    )


def _record_disclosed(session: Session, found: list[StoredAlert], actor: Actor, event_id: str, now: datetime) -> None:
    for stored in found:
        if stored.member_id != actor.member_id:
            record_disclosed_to_all(session, stored, [actor.member_id], event_id=event_id, channel="api", now=now)
