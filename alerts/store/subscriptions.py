"""Subscriptions to alerts, and what is to be delivered to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

import msgspec
from sqlalchemy import Index, Integer, String, Text, UniqueConstraint, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from schemas.alerts.subscriptions import SubscriptionFilters
from schemas.terms import DeliveryState, PushChannel, SubscriptionState
from schemas.values.identifiers import uuid7

NEVER = datetime(1970, 1, 1, tzinfo=UTC)

ALERT, CONFIRM, TEST = "alert", "confirm", "test"
"""Kinds of deliveries. The last two say nothing of an alert: their `alert_id` is empty, their `version` counts them."""


class Subscription(Base):
    """Where a member has alerts pushed: `channel` is `webhook` (`target` a URL) or `mail` (`target` an address).
    `filters_json` names themes, colours, kinds of issuer and groups; an empty list means all of them. A webhook's
    signing secret is not stored: it follows from a key in the exchange's custody, the id and `secret_number`, which
    rises when the member changes it (`secret_at`). `failures` counts the attempts that failed since the last one that
    did not; `failed_at` is when the last of all did. The worker that serves the subscription holds it under its
    `claim_id` until `claimed_until`.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (Index("ix_subscriptions_member_id", "member_id", "subscription_id"),)

    subscription_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(64))
    channel: Mapped[str] = mapped_column(String(10))
    target: Mapped[str] = mapped_column(Text)
    filters_json: Mapped[str] = mapped_column(Text)
    secret_number: Mapped[int] = mapped_column(Integer)
    secret_at: Mapped[datetime] = mapped_column(UtcDateTime)
    created_by: Mapped[str] = mapped_column(String(129))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    confirmed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    failures: Mapped[int] = mapped_column(Integer)
    failed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    tried_at: Mapped[datetime] = mapped_column(UtcDateTime)
    claim_id: Mapped[str] = mapped_column(String(36))
    claimed_until: Mapped[datetime] = mapped_column(UtcDateTime)

    @property
    def filters(self) -> SubscriptionFilters:
        """As a value."""
        return msgspec.json.decode(self.filters_json, type=SubscriptionFilters)

    @property
    def state(self) -> SubscriptionState:
        """Where it stands."""
        if self.ended_at is not None:
            return SubscriptionState.ENDED
        return SubscriptionState.UNCONFIRMED if self.confirmed_at is None else SubscriptionState.ACTIVE


class Delivery(Base):
    """One version of one alert on its way to one subscription. `message_id` is the id of the message that carries it,
    the same at every attempt, so that a receiver knows a repetition: a webhook's is the `delivery_id`, a digest's is
    given when it is put together, and empty until then. `state` is a schemas.terms.DeliveryState.
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("subscription_id", "alert_id", "version"),
        Index("ix_deliveries_state_next_at", "state", "next_at"),
        Index("ix_deliveries_finished_at", "finished_at"),
        Index("ix_deliveries_subscription_id_state", "subscription_id", "state", "next_at"),
    )

    delivery_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    subscription_id: Mapped[str] = mapped_column(String(36))
    member_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(10))
    message_id: Mapped[str] = mapped_column(String(36))
    alert_id: Mapped[str] = mapped_column(String(36))
    version: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int] = mapped_column(Integer)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_error: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


def new_delivery(
    subscription: Subscription, kind: str, alert_id: str, version: int, now: datetime
) -> dict[str, object]:
    """A row that waits. A digest gathers alerts sent by mail and names the message; every other is one of its own."""
    delivery_id = uuid7()
    is_gathered = kind == ALERT and subscription.channel == PushChannel.MAIL
    return {
        "delivery_id": delivery_id,
        "subscription_id": subscription.subscription_id,
        "member_id": subscription.member_id,
        "kind": kind,
        "message_id": "" if is_gathered else delivery_id,
        "alert_id": alert_id,
        "version": version,
        "state": DeliveryState.WAITING.value,
        "attempts": 0,
        "next_at": now,
        "last_error": "",
        "created_at": now,
        "finished_at": None,
    }


def list_active(session: Session) -> Sequence[Subscription]:
    """Every member's subscriptions to which alerts go."""
    found = select(Subscription).where(Subscription.ended_at.is_(None), Subscription.confirmed_at.is_not(None))
    return session.scalars(found).all()


def find_own(session: Session, member_id: str, subscription_id: str, *, lock: bool = False) -> Subscription | None:
    """The member's subscription of that id; None for an unknown one and for another's."""
    found = select(Subscription).where(
        Subscription.subscription_id == subscription_id, Subscription.member_id == member_id
    )
    return session.scalars(found.with_for_update() if lock else found).one_or_none()


def count_live(session: Session, member_id: str) -> int:
    """How many subscriptions a member has that have not ended."""
    live = (Subscription.member_id == member_id) & Subscription.ended_at.is_(None)
    return session.scalar(select(func.count()).select_from(Subscription).where(live)) or 0


def count_deliveries(session: Session, subscription_ids: Iterable[str]) -> dict[tuple[str, str], int]:
    """How many deliveries each subscription has in each state."""
    counted = (
        select(Delivery.subscription_id, Delivery.state, func.count())
        .where(Delivery.subscription_id.in_(list(subscription_ids)))
        .group_by(Delivery.subscription_id, Delivery.state)
    )
    return {(subscription_id, state): count for subscription_id, state, count in session.execute(counted)}


def count_begun(session: Session, member_id: str, since: datetime) -> int:
    """How many subscriptions a member has begun since a time, ended ones too."""
    begun = (Subscription.member_id == member_id) & (Subscription.created_at > since)
    return session.scalar(select(func.count()).select_from(Subscription).where(begun)) or 0


def end(session: Session, subscription: Subscription, now: datetime) -> None:
    """End a subscription: what waits for it is dropped."""
    subscription.ended_at = now
    waiting = (Delivery.subscription_id == subscription.subscription_id) & (
        Delivery.state == DeliveryState.WAITING.value
    )
    dropped = {"state": DeliveryState.DROPPED.value, "last_error": "the subscription ended", "finished_at": now}
    session.execute(update(Delivery).where(waiting).values(**dropped))
