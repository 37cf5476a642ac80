"""Subscriptions to alerts on the wire."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Annotated

import msgspec

from schemas.terms import (
    AlertColour,
    AlertState,
    DeliveryState,
    MemberKind,
    PushChannel,
    SubscriptionState,
    Theme,
    TrafficLight,
)
from schemas.values.message import Count, Form, IdCursor, Identifier, Message, Time, Uuid, one_of

LARGEST_PAGE = 100
MAX_REPLAYED = 1_000
_MAX_GROUPS = 100


class SubscriptionFilters(Message, frozen=True):
    """Which alerts are pushed: of one of the themes, of one of the colours, issued by a member of one of the kinds,
    addressed to one of the groups. An empty list asks for nothing in particular.
    """

    themes: Annotated[list[Annotated[str, one_of(Theme)]], Count(0, len(Theme))] = msgspec.field(default_factory=list)
    colours: Annotated[list[Annotated[str, one_of(AlertColour)]], Count(0, len(AlertColour))] = msgspec.field(
        default_factory=list
    )
    kinds: Annotated[list[Annotated[str, one_of(MemberKind)]], Count(0, len(MemberKind))] = msgspec.field(
        default_factory=list
    )
    groups: Annotated[list[Identifier], Count(0, _MAX_GROUPS)] = msgspec.field(default_factory=list)


class SubscriptionForm(SubscriptionFilters, frozen=True, kw_only=True):
    """A new subscription; `target` is a URL or a mail address."""

    channel: Annotated[str, one_of(PushChannel)]
    target: Annotated[str, Form("Text", 2_000)]


class SubscriptionStatus(Message, frozen=True):
    """Where a subscription stands."""

    subscription_id: Uuid
    state: Annotated[str, one_of(SubscriptionState)]


class NewSubscription(SubscriptionStatus, frozen=True):
    """What was made. `secret` signs a webhook's messages, and is shown here only; null for mail."""

    secret: str | None

    def __repr__(self) -> str:
        return f"NewSubscription({self.subscription_id!r}, {self.state!r})"


class ConfirmationForm(Message, frozen=True):
    """The code that the receiver was sent."""

    code: Annotated[str, Form("Text", 64)]

    def __repr__(self) -> str:
        return "ConfirmationForm()"


class ListedSubscription(SubscriptionFilters, frozen=True, kw_only=True):
    """A subscription. `failures` counts the attempts that failed since the last one that did not."""

    subscription_id: Uuid
    state: Annotated[str, one_of(SubscriptionState)]
    channel: Annotated[str, one_of(PushChannel)]
    target: str
    created_by: str
    created_at: Time
    ended_at: Time | None
    failures: int
    waiting: int
    dead: int


class SubscriptionsQuery(Message, frozen=True):
    """Where to go on."""

    cursor: IdCursor | None = None
    limit: Annotated[int, Form("QueryInteger", 1, LARGEST_PAGE)] = LARGEST_PAGE


class SubscriptionsPage(Message, frozen=True):
    """One page of subscriptions."""

    subscriptions: list[ListedSubscription]
    next: str | None


class DeliveriesQuery(SubscriptionsQuery, frozen=True):
    """Which deliveries, and where to go on."""

    state: Annotated[str, one_of(DeliveryState)] | None = None


class ListedDelivery(Message, frozen=True):
    """A delivery. `alert_id` is null for what is about no alert that the member may read now."""

    delivery_id: Uuid
    message_id: str
    kind: str
    alert_id: Uuid | None
    version: int
    state: Annotated[str, one_of(DeliveryState)]
    attempts: int
    error: str
    created_at: Time
    next_at: Time | None
    finished_at: Time | None


class DeliveriesPage(Message, frozen=True):
    """One page of deliveries."""

    deliveries: list[ListedDelivery]
    next: str | None


class ReplayForm(Message, frozen=True):
    """What to send again: deliveries by their ids, or those that died of what was queued since a time."""

    delivery_ids: Annotated[list[Uuid], Count(1, MAX_REPLAYED)] | msgspec.UnsetType = msgspec.UNSET
    since: Annotated[datetime, Form("Moment")] | msgspec.UnsetType = msgspec.UNSET

    def faults(self) -> Iterator[tuple[str, str]]:
        """Exactly one of the two."""
        if (self.delivery_ids is msgspec.UNSET) == (self.since is msgspec.UNSET):
            yield "delivery_ids", "expected either delivery_ids or since"


class Replayed(Message, frozen=True):
    """How many wait again."""

    replayed: int


class PushedAlert(Message, frozen=True):
    """What a push says of an alert: the title, colour and theme only as far as its TLP lets them leave so, the address
    to read it at in a webhook alone.
    """

    alert_id: Uuid
    reference: str
    version: int
    state: Annotated[str, one_of(AlertState)]
    tlp: Annotated[str, one_of(TrafficLight)]
    title: str | msgspec.UnsetType = msgspec.UNSET
    colour: str | msgspec.UnsetType = msgspec.UNSET
    theme: str | msgspec.UnsetType = msgspec.UNSET
    url: str | msgspec.UnsetType = msgspec.UNSET


class PushedWord(Message, frozen=True):
    """What a push says of the subscription itself: a test, or the code that confirms it."""

    subscription_id: Uuid
    code: str | msgspec.UnsetType = msgspec.UNSET


class AlertPush(Message, frozen=True):
    """The body of a push of an alert to a webhook, as canonical JSON: `alert.published` …, when, and which."""

    type: str
    timestamp: Time
    data: PushedAlert


class SubscriptionPush(Message, frozen=True):
    """The same about the subscription itself: `subscription.confirm` or `subscription.test`."""

    type: str
    timestamp: Time
    data: PushedWord
