"""Subscriptions to alerts at the exchange, as a member sees them: every answer checked for its form."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, TypeVar

import msgspec

from member.errors import UsedWronglyError, quoted
from member.transport import wire
from member.transport.channel import Channel, decode
from member.transport.pages import ListBound, walk

_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.ASCII)
_PAGE = 100
_Form = TypeVar("_Form")


class SubscriptionStanding(msgspec.Struct, frozen=True):
    """How a subscription stands."""

    subscription_id: str
    state: str


class NewSubscription(msgspec.Struct, frozen=True):
    """A subscription and its secret, which a mail subscription has not."""

    subscription_id: str
    state: str
    secret: str | None

    def __repr__(self) -> str:
        return f"NewSubscription({self.subscription_id!r}, {self.state!r})"


class Subscription(msgspec.Struct, frozen=True):
    """A subscription as it is listed."""

    subscription_id: str
    state: str
    channel: str
    target: str
    themes: list[str]
    colours: list[str]
    kinds: list[str]
    groups: list[str]
    created_by: str
    created_at: str
    ended_at: str | None
    failures: int
    waiting: int
    dead: int


class Delivery(msgspec.Struct, frozen=True):
    """A delivery as it is listed; `alert_id` is null where it is of no alert that the member may read now."""

    delivery_id: str
    message_id: str
    kind: str
    alert_id: str | None
    version: int
    state: str
    attempts: int
    error: str
    created_at: str
    next_at: str | None
    finished_at: str | None


class _Subscriptions(msgspec.Struct, frozen=True):
    subscriptions: list[Subscription]
    next: str | None


class _Deliveries(msgspec.Struct, frozen=True):
    deliveries: list[Delivery]
    next: str | None


class _Replayed(msgspec.Struct, frozen=True):
    replayed: int


_Paged = TypeVar("_Paged", _Subscriptions, _Deliveries)


class SubscriptionClient:
    """The requests of one representative about subscriptions."""

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._server = channel.base_url

    def begin(self, channel: str, target: str, filters: dict[str, list[str]]) -> NewSubscription:
        """A new subscription."""
        return self._post(wire.SUBSCRIPTIONS, {"channel": channel, "target": target, **filters}, NewSubscription)

    def change_secret(self, subscription_id: str) -> NewSubscription:
        """A subscription's next secret."""
        return self._post(_path(subscription_id, "secret"), {}, NewSubscription)

    def step(self, subscription_id: str, step: str, value: dict[str, Any]) -> SubscriptionStanding:
        """Confirm, test or end a subscription."""
        return self._post(_path(subscription_id, step), value, SubscriptionStanding)

    def replay(self, subscription_id: str, wanted: dict[str, Any]) -> int:
        """Have deliveries sent again; how many."""
        return self._post(_path(subscription_id, "replay"), wanted, _Replayed).replayed

    def subscriptions(self) -> Iterator[Subscription]:
        """Own subscriptions, ended ones too."""
        for page in self._pages(wire.SUBSCRIPTIONS, _Subscriptions, {}):
            yield from page.subscriptions

    def deliveries(self, subscription_id: str, state: str) -> Iterator[Delivery]:
        """A subscription's deliveries in a state, oldest first."""
        for page in self._pages(_path(subscription_id, "deliveries"), _Deliveries, {"state": state}):
            yield from page.deliveries

    def _pages(self, path: str, form: type[_Paged], given: dict[str, str]) -> Iterator[_Paged]:
        for page, _ in walk(
            self._channel, path, {**given, "limit": _PAGE}, form, ListBound("subscriptions or deliveries")
        ):
            yield page

    def _post(self, path: str, value: dict[str, Any], form: type[_Form]) -> _Form:
        return decode(self._channel.post(path, msgspec.json.encode(value)).body, form, self._server)


def _path(subscription_id: str, step: str) -> str:
    given = subscription_id.strip().lower()
    if not _UUID.fullmatch(given):
        raise UsedWronglyError(f"{quoted(subscription_id)} is no id of a subscription", "member subscription list")
    return f"{wire.SUBSCRIPTIONS}/{given}/{step}"
