"""What members say to an alert (read, put to use, what came of it), and its issuer's reading of that."""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from alerts.acts.acting import find_own, find_readable, status_of, view_of
from alerts.acts.reading import own_response
from alerts.domain.rules import decide_acknowledgement
from alerts.store.alerts import AlertResponse, StoredAlert, find_response, list_responses
from exchange.kernel import outbox
from exchange.kernel.actor import Actor
from exchange.kernel.session import Database
from exchange.log.acting import RecordedRefusals, Request, act_once, require
from exchange.log.entries import View
from exchange.log.events import record
from schemas.alerts.messages import Acknowledgement, AlertStatus, Response, Responses
from schemas.values.canonical import digest
from schemas.values.encoding import to_base64


def acknowledge_alert(
    database: Database, request: Request, alert_id: str, said: Acknowledgement
) -> tuple[AlertStatus, int]:
    """Keep what the member says, in place of what it said before; how the alert stands. Raises as act_once does."""
    actor, now = request.actor, request.now

    def acknowledge(session: Session) -> AlertStatus:
        stored = find_readable(session, actor.member_id, alert_id, now)
        require(decide_acknowledgement(stored.alert, actor.member_id))
        response = find_response(session, alert_id, actor.member_id, lock=True)
        if response is None:
            response = AlertResponse(alert_id=alert_id, member_id=actor.member_id, acknowledged_at=now)
            session.add(response)
        response.version, response.feedback = stored.version, said.feedback
        response.implemented_at = (response.implemented_at or now) if said.implemented else None
        session.flush()
        _record(session, stored, response, request)
        return status_of(stored)

    return act_once(
        database, request, {"asked": "alert_acknowledge", "alert_id": alert_id}, acknowledge, answer=AlertStatus
    )


def read_responses(database: Database, actor: Actor, alert_id: str, now: datetime) -> Responses:
    """What members said, for the issuer alone. Raises UnknownAlertError (recorded), LogUnavailableError."""

    def read(session: Session) -> Responses:
        find_own(session, actor.member_id, alert_id)
        found = list_responses(session, alert_id)
        view = {"alert_id": alert_id, "responses": len(found), "representative_id": actor.representative_id}
        event_id = record(session, "alert_responses_read", [View(actor.member_id, view)], now).event_id
        return Responses(responses=[_shown(one) for one in found], event_id=event_id)

    return RecordedRefusals(database, actor, {"asked": "alert_responses", "alert_id": alert_id}, now).run(read)


def _shown(response: AlertResponse) -> Response:
    return Response(**msgspec.structs.asdict(own_response(response)), member_id=response.member_id)


def _record(session: Session, stored: StoredAlert, response: AlertResponse, request: Request) -> None:
    actor = request.actor
    view = {
        **view_of(stored),
        "acknowledged_by": actor.member_id,
        "implemented": response.implemented_at is not None,
        "feedback_sha256": to_base64(digest(response.feedback)) if response.feedback else None,
    }
    views = [
        View(actor.member_id, {**view, "representative_id": actor.representative_id}),
        View(stored.member_id, view),
    ]
    event = record(session, "alert_acknowledged", views, request.now, {"signature": actor.signature})
    outbox.send(session, "alert_acknowledged", event.event_id, [stored.member_id], request.now)
