"""Releasing, withdrawing, and what falls due: publication at a set time, and expiry.

Alerts that change together are locked before anything else, and the feeds' clock is taken last, so that no two
transactions wait for each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from functools import partial

from sqlalchemy.orm import Session

from alerts.acts.acting import cut, find_own, load_issuer, status_of, view_of
from alerts.acts.authoring import decide_draft, find_superseded
from alerts.delivery.queueing import queue_deliveries
from alerts.domain.rules import decide_audience, decide_ground, decide_release, decide_time, decide_withdrawal, end_of
from alerts.feeds.storing import store_objects
from alerts.readers.audiences import members_addressed
from alerts.readers.disclosing import record_disclosed_to_all
from alerts.store.alerts import StoredAlert, list_due, members_disclosed_to, take_due
from exchange.gateways.rules import RULES, GatewayRules
from exchange.kernel import outbox
from exchange.kernel.decision import Decision
from exchange.kernel.lasting_failures import LastingFailures
from exchange.kernel.session import Database
from exchange.log.acting import Request, act_once, require
from exchange.log.entries import View
from exchange.log.events import LogUnavailableError, record
from schemas.alerts.messages import AlertStatus
from schemas.terms import AlertState
from schemas.values.encoding import to_rfc3339

_NOT_CHANGED = "alert not changed"
_failures = LastingFailures()
"""By alert: one that keeps failing is tried in each round, and said once."""
_AT_ONCE = 200
_MILLISECOND = timedelta(milliseconds=1)


def release_alert(
    database: Database, request: Request, alert_id: str, at: datetime | None, gateways: GatewayRules
) -> tuple[AlertStatus, int]:
    """Publish the alert, or have it published at a time; how it stands. Raises as act_once does."""

    def release(session: Session) -> AlertStatus:
        stored = find_own(session, request.actor.member_id, alert_id)
        release_in(session, request, stored, at, gateways)
        return status_of(stored)

    return act_once(database, request, {"asked": "alert_release", "alert_id": alert_id}, release, answer=AlertStatus)


def release_in(
    session: Session, request: Request, stored: StoredAlert, at: datetime | None, gateways: GatewayRules
) -> None:
    """Release a locked alert, in the caller's transaction. Raises RefusalError, LogUnavailableError."""
    actor, now = request.actor, request.now
    content, state = stored.alert.content, AlertState(stored.state)
    require(
        decide_release(state, stored.author_id, actor.representative_id)
        & decide_time(content, at, now)
        & decide_draft(session, actor.member_id, content, gateways, now)
    )
    stored.state, stored.releaser_id = AlertState.SCHEDULED.value, actor.representative_id
    stored.due_at, stored.modified_at = at or now, cut(now)
    _note(session, "alert_released", stored, request, publish_at=None if at is None else to_rfc3339(at))
    if at is None:
        _publish(session, stored, now)


def withdraw_alert(database: Database, request: Request, alert_id: str, reason: str) -> tuple[AlertStatus, int]:
    """Take back what readers see, and notify everyone it was disclosed to; or stop what is scheduled, which is then as
    reviewed. How it stands. Raises as act_once does.
    """

    def withdraw(session: Session) -> AlertStatus:
        stored = find_own(session, request.actor.member_id, alert_id)
        require(decide_withdrawal(AlertState(stored.state), reason))
        if stored.state == AlertState.SCHEDULED:
            _unschedule(stored, request.now)
            _note(session, "alert_unscheduled", stored, request, reason=reason)
            return status_of(stored)
        _change(stored, AlertState.WITHDRAWN, request.now)
        stored.reason, stored.due_at = reason, None
        _notify(session, "alert_withdrawn", stored, request.now, representative_id=request.actor.representative_id)
        _serve(session, [stored], request.now)
        return status_of(stored)

    return act_once(database, request, {"asked": "alert_withdraw", "alert_id": alert_id}, withdraw, answer=AlertStatus)


def apply_due_changes(database: Database, now: datetime, gateways: GatewayRules = RULES) -> int:
    """Publish what is scheduled for now, and let expire what has passed its last day; how many alerts changed. Several
    workers at once do each once. One that fails stays due, and holds up no other.
    """
    with database.reading() as session:
        due = list_due(session, now, _AT_ONCE)
    done = 0
    for alert_id in due:
        try:
            done += database.run_in_transaction(partial(_do, alert_id=alert_id, gateways=gateways, now=now))
        except LogUnavailableError:
            raise
        except Exception as error:  # noqa: BLE001 - one alert that fails must not keep the others
            _failures.failed(_NOT_CHANGED, alert_id, error=type(error).__name__)
        else:
            _failures.recovered(_NOT_CHANGED, alert_id)
    return done


def _do(session: Session, alert_id: str, gateways: GatewayRules, now: datetime) -> bool:
    stored = take_due(session, alert_id, now)
    if stored is None:
        return False
    if stored.state == AlertState.SCHEDULED:
        content, issuer = stored.alert.content, load_issuer(session, stored.member_id, gateways, now)
        may = decide_audience(content.audience, issuer) & decide_ground(content, issuer)
        decision = may & decide_time(content, now, now)
        if decision.is_allowed:
            _publish(session, stored, now)
        else:
            _refuse(session, stored, decision, now)
        return True
    _change(stored, AlertState.EXPIRED, now)
    stored.due_at = None
    _notify(session, "alert_expired", stored, now)
    _serve(session, [stored], now)
    return True


def _publish(session: Session, stored: StoredAlert, now: datetime) -> None:
    content = stored.alert.content
    old = find_superseded(session, stored.member_id, content)
    _change(stored, AlertState.PUBLISHED, now)
    stored.published_at, stored.due_at = stored.modified_at, end_of(content.expires_on)
    _notify(session, "alert_published", stored, now)
    if old is None or old.state != AlertState.PUBLISHED:  # it may have ended by itself since this one was released
        _serve(session, [stored], now)
        return
    _change(old, AlertState.SUPERSEDED, now)
    old.superseded_by, old.due_at = stored.reference, None
    _notify(session, "alert_superseded", old, now)
    _serve(session, [stored, old], now)


def _refuse(session: Session, stored: StoredAlert, decision: Decision, now: datetime) -> None:
    """What its issuer may no longer publish when the time comes waits for a new release."""
    _unschedule(stored, now)
    reasons = [{"code": reason.code, "field": reason.field} for reason in decision.reasons]
    view = {"asked": "alert_publish", "alert_id": stored.alert_id, "reasons": reasons}
    event = record(session, "refusal", [View(stored.member_id, view)], now)
    outbox.send(session, "refusal", event.event_id, [stored.member_id], now)


def _unschedule(stored: StoredAlert, now: datetime) -> None:
    stored.state, stored.modified_at = AlertState.REVIEWED.value, cut(now)
    stored.due_at = stored.releaser_id = None


def _change(stored: StoredAlert, state: AlertState, now: datetime) -> None:
    """The next version of what readers see; its moment is later than the last one's, within one millisecond too."""
    earliest = stored.modified_at + _MILLISECOND if stored.version else stored.created_at
    stored.modified_at = max(cut(now), earliest)
    stored.state, stored.version = state.value, stored.version + 1


def _note(session: Session, kind: str, stored: StoredAlert, request: Request, **said: str | None) -> None:
    """Record a step that concerns the issuer alone."""
    view = {**view_of(stored), "representative_id": request.actor.representative_id, **said}
    record(session, kind, [View(stored.member_id, view)], request.now, {"signature": request.actor.signature})


def _notify(session: Session, kind: str, stored: StoredAlert, now: datetime, **said: str) -> None:
    """Record a change that readers see, and notify all who are addressed now or to whom it was disclosed."""
    recipients = members_disclosed_to(session, stored.alert_id) | set(
        members_addressed(session, stored.alert.content.audience, now)
    )
    others = sorted(recipients - {stored.member_id})
    view = view_of(stored)
    views = [View(stored.member_id, {**view, **said}), *(View(member_id, view) for member_id in others)]
    event = record(session, kind, views, now)
    record_disclosed_to_all(session, stored, others, event_id=event.event_id, channel="log", now=now)
    outbox.send(session, kind, event.event_id, others, now)


def _serve(session: Session, changed: Sequence[StoredAlert], now: datetime) -> None:
    """Bring the present versions into the feeds and to subscribers."""
    for stored in changed:
        queue_deliveries(session, stored.alert, now)
    for stored in changed:
        store_objects(session, stored.alert, now)
