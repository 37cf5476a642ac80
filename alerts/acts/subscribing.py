"""What a member does with its subscriptions to alerts.

Rules, in order:
1. A member sees and changes its own subscriptions only; another's id is unknown to it.
2. Filters name groups that the member is in now; any other group is refused in the same words, whether there is one
   of that name or not.
3. Nothing of an alert is pushed before the subscriber has shown the code that its receiver was sent, so that nobody
   subscribes a stranger.
4. Beginning, changing and ending a subscription are in the member's log: a new way out of the exchange is nothing that
   one representative opens unseen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import select
from sqlalchemy.orm import Session

from alerts.delivery.outbound import replay
from alerts.delivery.targets import TargetRefusedError, check_url
from alerts.delivery.webhook import WebhookSecrets
from alerts.readers.audiences import readable_audiences
from alerts.store import subscriptions as store
from alerts.store.alerts import StoredAlert
from alerts.store.subscriptions import ALERT, CONFIRM, NEVER, TEST, Delivery, Subscription
from exchange.configuration.allowed_targets import AllowedTargets
from exchange.kernel.actor import Actor
from exchange.kernel.decision import RefusalError, refuse
from exchange.kernel.upsert import insert_ignoring
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership.store import load_authority, lock_member
from schemas.alerts.messages import UUID
from schemas.alerts.subscriptions import ReplayForm, SubscriptionFilters, SubscriptionForm
from schemas.terms import DeliveryState, PushChannel
from schemas.values.canonical import canonical_json
from schemas.values.identifiers import uuid7
from schemas.values.message import narrowed

MAX_LIVE = 20
MAX_PER_DAY = 50
MAX_CODES = 5
BETWEEN_TESTS = timedelta(minutes=10)
"""Limits what can be sent to an address that somebody subscribes to annoy its owner."""
_DAY = timedelta(days=1)
_ID = re.compile(UUID, re.ASCII)
_LONGEST_ADDRESS = 254
_LABEL = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"
# RFC 5321 without quoted and internationalised local parts, which no header and no log needs.
_ADDRESS = re.compile(rf"(?i:[a-z0-9!#$%&'*+/=?^_`{{|}}~.-]{{1,64}}@({_LABEL}\.)+{_LABEL})", re.ASCII)


class UnknownSubscriptionError(LookupError):
    """The member has no subscription of that id."""


def subscribe(
    session: Session, actor: Actor, wish: SubscriptionForm, allowed: AllowedTargets, *, has_mail: bool, now: datetime
) -> Subscription:
    """A new subscription, unconfirmed; its receiver is about to be sent the code. Raises RefusalError."""
    target = _check_target(wish, allowed, has_mail=has_mail)
    _check_groups(session, actor, wish, now)
    # Locked, so that requests that come together do not pass the limit.
    lock_member(session, actor.member_id)
    if store.count_live(session, actor.member_id) >= MAX_LIVE:
        raise RefusalError(refuse("too-many-subscriptions", "channel", f"at most {MAX_LIVE}: end one first"))
    if store.count_begun(session, actor.member_id, now - _DAY) >= MAX_PER_DAY:
        raise RefusalError(refuse("too-many-today", "channel", f"at most {MAX_PER_DAY} new ones in a day"))
    made = Subscription(
        subscription_id=uuid7(),
        member_id=actor.member_id,
        channel=wish.channel,
        target=target,
        filters_json=_filters_json(wish),
        secret_number=1,
        secret_at=now,
        created_by=actor.representative_id,
        created_at=now,
        confirmed_at=None,
        ended_at=None,
        failures=0,
        failed_at=NEVER,
        tried_at=now,
        claim_id="",
        claimed_until=NEVER,
    )
    session.add(made)
    session.flush()
    _queue(session, made, CONFIRM, now)
    _record(session, "subscription_begun", actor, made, now)
    return made


def confirm(
    session: Session, actor: Actor, subscription_id: str, *, code: str, secrets: WebhookSecrets, now: datetime
) -> Subscription:
    """The subscription, active from now on. Raises UnknownSubscriptionError, RefusalError."""
    subscription = _own_live(session, actor, subscription_id)
    if not secrets.is_code(subscription.subscription_id, code):
        raise RefusalError(refuse("code", "code", "this is not the code that the receiver was sent"))
    if subscription.confirmed_at is None:
        subscription.confirmed_at = now
        _record(session, "subscription_confirmed", actor, subscription, now)
    return subscription


def change_secret(session: Session, actor: Actor, subscription_id: str, now: datetime) -> Subscription:
    """The subscription with its next secret. Raises UnknownSubscriptionError, RefusalError."""
    subscription = _own_live(session, actor, subscription_id)
    if subscription.channel != PushChannel.WEBHOOK:
        raise RefusalError(refuse("no-secret", "subscription_id", "a mail subscription has no secret"))
    subscription.secret_number += 1
    subscription.secret_at = now
    _record(session, "subscription_secret_changed", actor, subscription, now)
    return subscription


def send_test(session: Session, actor: Actor, subscription_id: str, now: datetime) -> Subscription:
    """Queue a message that says nothing, or the code once more while the subscription is unconfirmed.

    Raises UnknownSubscriptionError, RefusalError.
    """
    subscription = _own_live(session, actor, subscription_id)
    _queue(session, subscription, CONFIRM if subscription.confirmed_at is None else TEST, now)
    return subscription


def end_subscription(session: Session, actor: Actor, subscription_id: str, now: datetime) -> Subscription:
    """The subscription, ended; ending it twice changes nothing. Raises UnknownSubscriptionError."""
    subscription = find_subscription(session, actor, subscription_id, lock=True)
    if subscription.ended_at is None:
        store.end(session, subscription, now)
        _record(session, "subscription_ended", actor, subscription, now)
    return subscription


def replay_deliveries(session: Session, actor: Actor, subscription_id: str, form: ReplayForm, now: datetime) -> int:
    """Send again: of `delivery_ids` those that are finished, or of what was queued `since` a time those that died; how
    many. The member's right to each is looked at again. Raises UnknownSubscriptionError.
    """
    subscription = _own_live(session, actor, subscription_id)
    rows = select(Delivery).where(Delivery.subscription_id == subscription.subscription_id, Delivery.kind == ALERT)
    if form.since is not msgspec.UNSET:
        rows = rows.where(Delivery.state == DeliveryState.DEAD.value, Delivery.created_at >= form.since)
    elif form.delivery_ids is not msgspec.UNSET:
        chosen = [str(delivery_id) for delivery_id in form.delivery_ids]
        rows = rows.where(Delivery.state != DeliveryState.WAITING.value, Delivery.delivery_id.in_(chosen))
    found = session.scalars(rows).all()
    replay(found, now)
    return len(found)


def find_subscription(session: Session, actor: Actor, subscription_id: str, *, lock: bool = False) -> Subscription:
    """One's own subscription, ended or not. Raises UnknownSubscriptionError."""
    is_id = _ID.fullmatch(subscription_id) is not None
    found = store.find_own(session, actor.member_id, subscription_id, lock=lock) if is_id else None
    if found is None:
        raise UnknownSubscriptionError
    return found


def page_of_subscriptions(session: Session, actor: Actor, after: str, limit: int) -> Sequence[Subscription]:
    """One's own subscriptions behind an id, in the order of the ids."""
    return session.scalars(
        select(Subscription)
        .where(Subscription.member_id == actor.member_id, Subscription.subscription_id > after)
        .order_by(Subscription.subscription_id)
        .limit(limit)
    ).all()


def page_of_deliveries(
    session: Session, subscription: Subscription, state: str | None, after: str, limit: int
) -> Sequence[Delivery]:
    """A subscription's deliveries behind an id, oldest first."""
    rows = select(Delivery).where(
        Delivery.subscription_id == subscription.subscription_id, Delivery.delivery_id > after
    )
    if state is not None:
        rows = rows.where(Delivery.state == state)
    return session.scalars(rows.order_by(Delivery.delivery_id).limit(limit)).all()


def find_readable(session: Session, actor: Actor, rows: Sequence[Delivery], now: datetime) -> set[str]:
    """The ids of those alerts among the deliveries that the member may read now."""
    asked = {row.alert_id for row in rows if row.kind == ALERT}
    audiences = readable_audiences(session, actor.member_id, now)
    found = select(StoredAlert.alert_id).where(StoredAlert.alert_id.in_(asked), StoredAlert.audience_id.in_(audiences))
    return set(session.scalars(found))


def _own_live(session: Session, actor: Actor, subscription_id: str) -> Subscription:
    subscription = find_subscription(session, actor, subscription_id, lock=True)
    if subscription.ended_at is not None:
        raise RefusalError(refuse("subscription-ended", "subscription_id", "it has ended: make a new one"))
    return subscription


def _check_target(wish: SubscriptionForm, allowed: AllowedTargets, *, has_mail: bool) -> str:
    if wish.channel == PushChannel.WEBHOOK:
        try:
            return check_url(wish.target, allowed)
        except TargetRefusedError as error:
            raise RefusalError(refuse("webhook-target", "target", str(error))) from None
    if not has_mail:
        raise RefusalError(refuse("no-mail", "channel", "this exchange sends no mail: take a webhook"))
    local, _, domain = wish.target.rpartition("@")
    has_good_dots = not (local.startswith(".") or local.endswith(".") or ".." in local)
    if len(wish.target) > _LONGEST_ADDRESS or not _ADDRESS.fullmatch(wish.target) or not has_good_dots:
        raise RefusalError(refuse("mail-address", "target", "expected one plain address, name@example.org"))
    return f"{local}@{domain.lower()}"


def _filters_json(wish: SubscriptionForm) -> str:
    """The filters in one spelling: sorted and without repetition."""
    filters = msgspec.to_builtins(narrowed(wish, SubscriptionFilters))
    return canonical_json({name: sorted(set(codes)) for name, codes in filters.items()}).decode()


def _check_groups(session: Session, actor: Actor, filters: SubscriptionFilters, now: datetime) -> None:
    authority = load_authority(session, now)
    if not all(authority.is_in(group_id, actor.member_id) for group_id in filters.groups):
        raise RefusalError(refuse("groups", "groups", "name open groups that you are in"))


def _queue(session: Session, subscription: Subscription, kind: str, now: datetime) -> None:
    own = (Delivery.subscription_id == subscription.subscription_id) & (Delivery.kind != ALERT)
    sent = session.scalars(select(Delivery).where(own)).all()
    if kind == CONFIRM and len(sent) >= MAX_CODES:
        raise RefusalError(refuse("too-many-codes", "subscription_id", f"{MAX_CODES} were sent: begin anew"))
    if any(row.kind == kind and row.created_at > now - BETWEEN_TESTS for row in sent):
        raise RefusalError(refuse("too-soon", "subscription_id", "wait ten minutes after the last one"))
    number = max((row.version for row in sent), default=0) + 1
    insert_ignoring(session, Delivery, [store.new_delivery(subscription, kind, "", number, now)])


def _record(session: Session, kind: str, actor: Actor, subscription: Subscription, now: datetime) -> None:
    body = {
        "subscription_id": subscription.subscription_id,
        "channel": subscription.channel,
        "representative_id": actor.representative_id,
    }
    record(session, kind, [View(actor.member_id, body)], now)
