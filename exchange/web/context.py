"""What the web application is given: everything it uses of the world."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import cast

from flask import current_app
from sqlalchemy.orm import Session

from edge.minute_counts import MinuteCounts
from edge.source_limits import SourceLimits
from exchange.configuration.settings import Settings
from exchange.gateways.request_policy import RequestPolicy
from exchange.kernel.session import Database
from keys.signatures.messages import SigningKey

_EXTENSION = "exchange"


@dataclass(frozen=True, slots=True)
class Context:
    """Settings, database, the key of receipts, the clock (aware UTC), who counts a member's notices, the key that the
    secrets of webhooks follow from, the rules of requests, how often each member read feeds in this minute, and how
    often each source called without authenticating.
    """

    settings: Settings
    database: Database
    receipt_key: SigningKey
    clock: Callable[[], datetime]
    count_notices: Callable[[Session, str], int]
    webhook_key: bytes = field(repr=False)
    policy: RequestPolicy = field(default_factory=RequestPolicy)
    feed_counts: MinuteCounts = field(default_factory=MinuteCounts, repr=False)
    sources: SourceLimits = field(init=False, repr=False)

    def __post_init__(self) -> None:
        limits = SourceLimits(self.settings.unsigned_requests_per_minute)
        object.__setattr__(self, "sources", limits)


def current_context() -> Context:
    """The context of the application that serves the present request."""
    return cast(Context, current_app.extensions[_EXTENSION])


def attach_context(extensions: dict[str, object], context: Context) -> None:
    """Give an application its context."""
    extensions[_EXTENSION] = context
