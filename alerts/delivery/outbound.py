"""What is sent next: claimed for one worker, checked against present rights, on record before it leaves.

Rules, in order:
1. A worker claims a subscription, not a delivery: one message at a time is on its way to a receiver, and a receiver
   that does not answer holds up nobody else's. A claim that its worker does not give back runs out.
2. Rights are looked at now: what the member may no longer read is dropped; a version that is no longer the present one
   is dropped in favour of the present one, so that a withdrawn alert arrives as withdrawn.
3. Its disclosure is in the log, committed, before the first byte leaves; once however often it is tried. With
   the log down nothing leaves, and nothing is lost or counted as an attempt.
4. The outcome counts only for the worker that still holds the claim. A worker that died between sending and storing
   has its message sent again under the same id.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, and_, exists, or_, select
from sqlalchemy.orm import Session

from alerts.delivery.sending import AttemptOutcome
from alerts.domain.alert import Alert
from alerts.domain.subscription import is_pushed, pause_after, pushed_alert
from alerts.readers.audiences import is_addressed
from alerts.readers.disclosing import AlertVersion, find_undisclosed, record_disclosed
from alerts.store.alerts import StoredAlert
from alerts.store.subscriptions import ALERT, NEVER, Delivery, Subscription, end, new_delivery
from exchange.kernel import outbox
from exchange.kernel.upsert import insert_ignoring
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership.authority import Authority
from exchange.membership.store import Member, load_authority, lock_member
from schemas.alerts.subscriptions import PushedAlert
from schemas.terms import DeliveryState, PushChannel
from schemas.values.identifiers import uuid7

CLAIM = timedelta(minutes=2)
"""Several times as long as an attempt can take."""
FAILURE_COOLDOWN = timedelta(minutes=10)
"""So long after a failed attempt a receiver is not counted among those that work, whatever it answers meanwhile."""
_MAX_PER_DIGEST = 200


@dataclass(frozen=True, slots=True)
class Claim:
    """That this worker serves the subscription."""

    subscription_id: str
    member_id: str
    claim_id: str


@dataclass(frozen=True, slots=True)
class OutboundMessage:
    """One message that may leave now: deliveries of one subscription, and what is to be said of each alert."""

    claim: Claim
    subscription: Subscription
    kind: str
    message_id: str
    delivery_ids: tuple[str, ...]
    happened_at: datetime
    alerts: tuple[PushedAlert, ...]


@dataclass(frozen=True, slots=True)
class Lane:
    """Which subscriptions a round serves: those of a channel, of webhooks either the ones that are known to work or all
    others (unconfirmed, or failed within FAILURE_COOLDOWN), so that the latter hold up only each other. No members
    that are `busy`: they have enough on the way. Alerts go into digests that were queued before `digest_before`.
    """

    channel: PushChannel
    failing: bool | None
    digest_before: datetime
    busy: frozenset[str] = frozenset()


def claim_next(session: Session, lane: Lane, now: datetime) -> Claim | None:
    """Claim the subscription of the lane that has something to send and was served longest ago; None if there is
    none.
    """
    conditions = [
        Subscription.channel == lane.channel.value,
        Subscription.ended_at.is_(None),
        Subscription.claimed_until <= now,
        Subscription.member_id.not_in(lane.busy),
        exists().where(Delivery.subscription_id == Subscription.subscription_id, _is_due(lane, now)),
    ]
    works = and_(Subscription.failed_at <= now - FAILURE_COOLDOWN, Subscription.confirmed_at.is_not(None))
    if lane.failing is not None:
        conditions.append(~works if lane.failing else works)
    found = session.scalars(
        select(Subscription)
        .where(*conditions)
        .order_by(Subscription.tried_at, Subscription.subscription_id)
        .limit(1)
        .with_for_update(skip_locked=True)
    ).one_or_none()
    if found is None:
        return None
    found.claim_id, found.claimed_until, found.tried_at = uuid7(), now + CLAIM, now
    return Claim(found.subscription_id, found.member_id, found.claim_id)


def prepare(session: Session, claim: Claim, lane: Lane, now: datetime) -> OutboundMessage | None:
    """What leaves now under a claim, on record; None if nothing does, and the claim is given back then.

    Send it after the commit. Raises LogUnavailableError.
    """
    subscription = _held(session, claim)
    if subscription is None:
        return None
    # Locked, so that two subscriptions of one member do not both record the same telling.
    member = lock_member(session, subscription.member_id)
    rows = _next_rows(session, subscription, lane, now)
    reading = _Reading(session, subscription, member, load_authority(session, now), now)
    kept, fields = reading.sort(rows)
    if not kept:
        subscription.claimed_until = NEVER
        return None
    versions = [AlertVersion(row.alert_id, row.version) for row in kept if row.kind == ALERT]
    untold = find_undisclosed(session, member.member_id, versions, subscription.channel)
    record_disclosed(session, member.member_id, untold, subscription.channel, now)
    return OutboundMessage(
        claim=claim,
        subscription=subscription,
        kind=kept[0].kind,
        message_id=kept[0].message_id,
        delivery_ids=tuple(row.delivery_id for row in kept),
        happened_at=max(happened_at for happened_at, _ in fields),
        alerts=tuple(shown for _, shown in fields if shown),
    )


def give_back(session: Session, claim: Claim) -> None:
    """Let the subscription be served again at once."""
    subscription = _held(session, claim)
    if subscription is not None:
        subscription.claimed_until = NEVER


def finish(session: Session, message: OutboundMessage, outcome: AttemptOutcome, now: datetime, chance: float) -> None:
    """Store how an attempt went. `chance` (0 to 1) spreads the next ones."""
    subscription = _held(session, message.claim)
    if subscription is None:
        return
    subscription.claimed_until = NEVER
    subscription.failures = subscription.failures + 1 if outcome.error else 0
    subscription.failed_at = now if outcome.error else subscription.failed_at
    rows = select(Delivery).where(Delivery.delivery_id.in_(message.delivery_ids))
    for row in session.scalars(rows.where(Delivery.state == DeliveryState.WAITING.value)):
        _note(row, outcome, now, chance)
    if outcome.is_gone:
        _end_gone(session, subscription, now)


def _note(row: Delivery, outcome: AttemptOutcome, now: datetime, chance: float) -> None:
    row.attempts += 1
    row.last_error = outcome.error
    pause = None if outcome.is_final or outcome.is_gone else pause_after(row.attempts, chance)
    if not outcome.error:
        row.state, row.finished_at = DeliveryState.DELIVERED.value, now
    elif pause is None:
        row.state, row.finished_at = DeliveryState.DEAD.value, now
    else:
        row.next_at = now + pause


def _end_gone(session: Session, subscription: Subscription, now: datetime) -> None:
    """The receiver answered 410 Gone: its member finds that in its log and among its notices."""
    end(session, subscription, now)
    body = {"subscription_id": subscription.subscription_id, "by": "receiver"}
    event_id = record(session, "subscription_ended", [View(subscription.member_id, body)], now).event_id
    outbox.send(session, "subscription_ended", event_id, [subscription.member_id], now)


def _held(session: Session, claim: Claim) -> Subscription | None:
    """The claimed subscription, locked; None if another worker has taken it over, or it has ended."""
    mine = (Subscription.subscription_id == claim.subscription_id) & (Subscription.claim_id == claim.claim_id)
    found = select(Subscription).where(mine, Subscription.ended_at.is_(None)).with_for_update()
    return session.scalars(found).one_or_none()


def _is_due(lane: Lane, now: datetime) -> ColumnElement[bool]:
    """A message that has its id is sent as soon as its time has come; alerts without one wait for their digest."""
    gathered = and_(Delivery.message_id == "", Delivery.next_at < lane.digest_before)
    return and_(
        Delivery.state == DeliveryState.WAITING.value, or_(gathered, Delivery.message_id != ""), Delivery.next_at <= now
    )


def _next_rows(session: Session, subscription: Subscription, lane: Lane, now: datetime) -> Sequence[Delivery]:
    """The deliveries of the next message, the one that waits longest; a digest gathers all that wait for one."""
    own = Delivery.subscription_id == subscription.subscription_id
    due = select(Delivery).where(own, _is_due(lane, now)).order_by(Delivery.next_at, Delivery.delivery_id)
    first = session.scalars(due.limit(1)).one_or_none()
    if first is None:
        return []
    if first.message_id:
        waiting = Delivery.state == DeliveryState.WAITING.value
        return session.scalars(select(Delivery).where(own, waiting, Delivery.message_id == first.message_id)).all()
    rows = session.scalars(due.where(Delivery.message_id == "").limit(_MAX_PER_DIGEST)).all()
    message_id = uuid7()
    for row in rows:
        row.message_id = message_id
    return rows


@dataclass(frozen=True, slots=True)
class _Reading:
    """What may be disclosed to the member of a subscription now (rule 2)."""

    session: Session
    subscription: Subscription
    member: Member
    authority: Authority
    now: datetime

    def sort(self, rows: Iterable[Delivery]) -> tuple[list[Delivery], list[tuple[datetime, PushedAlert | None]]]:
        """The deliveries that may leave, and of each when it happened and what to say. The others are dropped."""
        kept, disclosed = [], []
        for row in rows:
            alert = None if row.kind != ALERT else self.session.get_one(StoredAlert, row.alert_id).alert
            reason = self._against(row, alert)
            if reason:
                row.state, row.last_error, row.finished_at = DeliveryState.DROPPED.value, reason, self.now
                continue
            kept.append(row)
            pushed = None if alert is None else pushed_alert(alert, self.subscription.channel)
            disclosed.append((row.created_at if alert is None else alert.modified_at, pushed))
        return kept, disclosed

    def _against(self, row: Delivery, alert: Alert | None) -> str:
        """Why a delivery does not leave, empty if nothing speaks against it."""
        if not self.member.is_active:
            return "the member is not active"
        if alert is None:
            return ""
        audience, member = alert.content.audience, self.member
        if not is_pushed(alert) or not is_addressed(audience, member.member_id, member.kind, self.authority):
            return "the member may no longer read it"
        if alert.version == row.version:
            return ""
        present = new_delivery(self.subscription, ALERT, alert.alert_id, alert.version, self.now)
        insert_ignoring(self.session, Delivery, [present])
        return "a later version takes its place"


def replay(rows: Iterable[Delivery], now: datetime) -> None:
    """Let deliveries wait again, under the same id, with all their attempts before them. A digest is put together
    anew.
    """
    for row in rows:
        is_gathered = row.kind == ALERT and row.message_id != row.delivery_id
        row.message_id = "" if is_gathered else row.message_id
        row.state, row.attempts, row.next_at, row.finished_at = DeliveryState.WAITING.value, 0, now, None
