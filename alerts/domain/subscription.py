"""Subscriptions: which alerts one asks for, how much of an alert a push says, and when it is tried again."""

from __future__ import annotations

from collections.abc import Collection
from datetime import timedelta

import msgspec

from alerts.domain.alert import Alert
from exchange.gateways.handling import is_wider
from schemas.alerts.subscriptions import PushedAlert, SubscriptionFilters
from schemas.terms import PushChannel, TrafficLight

RETRIES = (
    *(timedelta(seconds=5), timedelta(minutes=5), timedelta(minutes=30)),
    *(timedelta(hours=hours) for hours in (2, 5, 10, 14, 20, 24)),
)
"""How long after each failed attempt the next one follows (Standard Webhooks, "Deliverability and reliability"): ten
attempts within somewhat more than three days.
"""
_JITTER = 0.2
_STRICTEST_WITH_TITLE = {PushChannel.WEBHOOK: TrafficLight.AMBER, PushChannel.MAIL: TrafficLight.GREEN}
"""Of stricter alerts the reference alone is pushed. A webhook goes by TLS to a receiver that the member runs; mail
passes through others' servers and stays in mailboxes.
"""


def matches(filters: SubscriptionFilters, alert: Alert, issuer_kind: str, shared_groups: Collection[str]) -> bool:
    """Whether they let an alert pass. `shared_groups` are those of its audience that the subscriber is in: the others
    are not its business, and a filter must not find out about them.
    """
    content = alert.content
    return (
        (not filters.themes or content.theme in filters.themes)
        and (not filters.colours or content.colour in filters.colours)
        and (not filters.kinds or issuer_kind in filters.kinds)
        and (not filters.groups or not set(filters.groups).isdisjoint(shared_groups))
    )


def is_pushed(alert: Alert) -> bool:
    """Whether anything of an alert is pushed: TLP:RED is read in person, through the signed API."""
    return alert.content.tlp != TrafficLight.RED


def pushed_alert(alert: Alert, channel: str) -> PushedAlert:
    """What a push says of an alert, never more than that there is one and what it is about: who reads the rest proves
    its right to it then, and what is withdrawn later lies in no mailbox.
    """
    content = alert.content
    pushed = PushedAlert(
        alert_id=alert.alert_id,
        reference=alert.reference,
        version=alert.version,
        state=alert.state.value,
        tlp=content.tlp,
    )
    if is_wider(_STRICTEST_WITH_TITLE[PushChannel(channel)], content.tlp):
        return pushed
    return msgspec.structs.replace(pushed, title=content.title, colour=content.colour, theme=content.theme)


def pause_after(attempts: int, chance: float) -> timedelta | None:
    """How long to wait after so many failed attempts, None after the last. `chance` (0 to 1) spreads them, so that a
    receiver that comes back is not asked for everything at once.
    """
    if attempts > len(RETRIES):
        return None
    return RETRIES[attempts - 1] * (1 + _JITTER * chance)
