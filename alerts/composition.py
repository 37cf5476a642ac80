"""What the programs compose the alerts of: their pages and their jobs."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from alerts.acts.publication import apply_due_changes
from alerts.delivery.jobs import delivery_jobs
from alerts.jobs import drain_outbox
from alerts.pages import alert_pages, feed_pages, feed_token_pages, notices, subscription_pages, taxii_pages
from exchange.configuration.settings import Settings, load_policy
from exchange.kernel.session import Database
from exchange.operations.jobs import Job
from exchange.web.pages import Blueprint
from schemas.values.clock import utc_now


def blueprints() -> list[Blueprint]:
    """The pages, for the web application."""
    pages = (notices, alert_pages, feed_token_pages, taxii_pages, feed_pages, subscription_pages)
    return [page.blueprint for page in pages]


def jobs(settings: Settings, database: Database, clock: Callable[[], datetime] = utc_now) -> list[Job]:
    """What the worker does for alerts. Raises SettingsError for a key or password that is not there, or for counsel's
    file of gateways.
    """
    gateways = load_policy(settings).rules
    often = max(1, min(5, settings.tick_seconds))
    return [
        Job("outbox", often, lambda now: drain_outbox(database)),
        Job("alerts", often, lambda now: apply_due_changes(database, now, gateways)),
        *delivery_jobs(settings, database, clock),
    ]
