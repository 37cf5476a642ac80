"""Subscriptions to alerts at the exchange, as a member sees them: every answer checked for its form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Self, TypeVar

import msgspec

from member.errors import UsageError, quoted
from member.next_steps import Act, Next
from member.transport import wire
from member.transport.channel import Channel, decode
from member.transport.pages import ListBound, walk
from member.workplace.workplace import Workplace
from schemas.alerts.subscriptions import (
    DeliveriesPage,
    ListedDelivery,
    ListedSubscription,
    NewSubscription,
    Replayed,
    ReplayForm,
    SubscriptionForm,
    SubscriptionsPage,
    SubscriptionStatus,
)
from schemas.values.message import Empty, Message

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_PAGE = 100
_Form = TypeVar("_Form")


_Paged = TypeVar("_Paged", SubscriptionsPage, DeliveriesPage)


class SubscriptionClient:
    """The requests of one representative about subscriptions."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._server = channel.base_url

    @classmethod
    def at(cls, workplace: Workplace) -> Self:
        """As the acting representative."""
        return cls(workplace.exchange_channel)

    def begin(self, wanted: SubscriptionForm) -> NewSubscription:
        """A new subscription."""
        return self._post(wire.SUBSCRIPTIONS, wanted, NewSubscription)

    def change_secret(self, subscription_id: str) -> NewSubscription:
        """A subscription's next secret."""
        return self._post(_path(subscription_id, "secret"), Empty(), NewSubscription)

    def step(self, subscription_id: str, step: str, value: Message) -> SubscriptionStatus:
        """Confirm, test or end a subscription."""
        return self._post(_path(subscription_id, step), value, SubscriptionStatus)

    def replay(self, subscription_id: str, wanted: ReplayForm) -> int:
        """Have deliveries sent again; how many."""
        return self._post(_path(subscription_id, "replay"), wanted, Replayed).replayed

    def subscriptions(self) -> Iterator[ListedSubscription]:
        """Own subscriptions, ended ones too."""
        for page in self._pages(wire.SUBSCRIPTIONS, SubscriptionsPage, {}):
            yield from page.subscriptions

    def deliveries(self, subscription_id: str, state: str) -> Iterator[ListedDelivery]:
        """A subscription's deliveries in a state, oldest first."""
        for page in self._pages(_path(subscription_id, "deliveries"), DeliveriesPage, {"state": state}):
            yield from page.deliveries

    def _pages(self, path: str, form: type[_Paged], given: dict[str, str]) -> Iterator[_Paged]:
        for page, _ in walk(
            self._channel, path, {**given, "limit": _PAGE}, form, ListBound("subscriptions or deliveries")
        ):
            yield page

    def _post(self, path: str, value: Message, form: type[_Form]) -> _Form:
        return decode(self._channel.post(path, msgspec.json.encode(value)).body, form, self._server)


def _path(subscription_id: str, step: str) -> str:
    given = subscription_id.strip().lower()
    if not _UUID.fullmatch(given):
        raise UsageError(f"{quoted(subscription_id)} is not a valid subscription id", then=Next(Act.LIST_SUBSCRIPTIONS))
    return f"{wire.SUBSCRIPTIONS}/{given}/{step}"
