"""Subscriptions to alerts, and what is to be delivered to them."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Index, Integer, String, Text, UniqueConstraint
from sqlalchemy.orm import Mapped, mapped_column

from exchange.store.base import Base, UtcDateTime


class Subscription(Base):
    """Where a member wants alerts pushed: `channel` is `webhook` (`target` a URL) or `mail` (`target` an address).
    `filters_json` names themes, colours, kinds of issuer and groups; an empty list means all of them. A webhook's
    signing secret is not stored: it follows from a key in the exchange's custody, the id and `secret_number`, which
    rises when the member changes it.
    """

    __tablename__ = "subscriptions"
    __table_args__ = (Index("ix_subscriptions_member_id", "member_id", "subscription_id"),)

    subscription_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(64))
    channel: Mapped[str] = mapped_column(String(10))
    target: Mapped[str] = mapped_column(Text)
    filters_json: Mapped[str] = mapped_column(Text)
    secret_number: Mapped[int] = mapped_column(Integer)
    created_by: Mapped[str] = mapped_column(String(129))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    ended_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class Delivery(Base):
    """One version of one alert on its way to one subscription; `delivery_id` is also the message's id, so that a
    receiver knows a repetition. `state` is `waiting`, `delivered`, `dead` or `dropped` (the right to it ended first).
    """

    __tablename__ = "deliveries"
    __table_args__ = (
        UniqueConstraint("subscription_id", "alert_id", "version"),
        Index("ix_deliveries_state_next_at", "state", "next_at"),
    )

    delivery_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    subscription_id: Mapped[str] = mapped_column(String(36))
    member_id: Mapped[str] = mapped_column(String(64))
    alert_id: Mapped[str] = mapped_column(String(36))
    version: Mapped[int] = mapped_column(Integer)
    state: Mapped[str] = mapped_column(String(10))
    attempts: Mapped[int] = mapped_column(Integer)
    next_at: Mapped[datetime] = mapped_column(UtcDateTime)
    last_error: Mapped[str] = mapped_column(String(200))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    finished_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
