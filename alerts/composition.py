"""What the programs compose the alerts of: their pages and their jobs."""

from __future__ import annotations

from alerts.jobs import drain_outbox
from alerts.pages import alert_pages, notices, taxii_pages
from alerts.publication import do_what_is_due
from exchange.settings import Settings
from exchange.store.session import Database
from exchange.web.pages import Blueprint
from exchange.worker import Job


def blueprints() -> list[Blueprint]:
    """The pages, for the web application."""
    return [notices.blueprint, alert_pages.blueprint, taxii_pages.blueprint]


def jobs(settings: Settings, database: Database) -> list[Job]:
    """What the worker does for alerts."""
    often = max(1, min(5, settings.tick_seconds))
    return [
        Job("outbox", often, lambda now: drain_outbox(database)),
        Job("alerts", often, lambda now: do_what_is_due(database, now)),
    ]
