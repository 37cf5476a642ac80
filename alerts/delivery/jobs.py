"""What the worker does about pushing: every few seconds what is due, and once a day what need not be kept."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

from sqlalchemy import delete, select

from alerts.delivery.mail import Mailer, MailSettings
from alerts.delivery.rounds import Dispatcher
from alerts.delivery.sending import WebhookClient
from alerts.delivery.webhook import WebhookSecrets
from alerts.store.subscriptions import Delivery, Subscription
from exchange.configuration.settings import Settings, load_smtp_password, load_webhook_key
from exchange.kernel.session import Database
from exchange.kernel.upsert import run_counted
from exchange.operations.jobs import DELIVERY, Job

KEPT = timedelta(days=90)
"""So long a subscriber can look up how a delivery went, and have it sent again."""
UNCONFIRMED_KEPT = timedelta(days=7)


def delivery_jobs(settings: Settings, database: Database, clock: Callable[[], datetime]) -> list[Job]:
    """The jobs of an exchange. Raises SettingsError for a key or password that is not there."""
    dispatcher = Dispatcher(
        database=database,
        clock=clock,
        url=settings.url,
        secrets=WebhookSecrets(load_webhook_key(settings)),
        webhooks=WebhookClient(settings.allowed_private_targets),
        mailer=Mailer(mail_settings(settings)),
        digest_minutes=settings.digest_minutes,
    )
    often = max(1, min(5, settings.tick_seconds))
    return [
        Job("deliver", often, lambda now: dispatcher.deliver_webhooks(failing=False), DELIVERY),
        Job("deliver_again", often, lambda now: dispatcher.deliver_webhooks(failing=True), DELIVERY),
        Job("mail", often, lambda now: dispatcher.deliver_mail(), DELIVERY),
        Job("forget_deliveries", 86_400, lambda now: forget_deliveries(database, now)),
    ]


def mail_settings(settings: Settings) -> MailSettings:
    """How mail leaves. Raises SettingsError."""
    return MailSettings(
        host=settings.smtp_host,
        port=settings.smtp_port,
        security=settings.smtp_security,
        user=settings.smtp_user,
        sender=settings.mail_sender,
        password=load_smtp_password(settings),
    )


def forget_deliveries(database: Database, now: datetime) -> int:
    """Delete what finished long ago, subscriptions that ended long ago, and those that nobody confirmed; how many
    rows.
    """
    ended = Subscription.ended_at < now - KEPT
    stranger = Subscription.confirmed_at.is_(None) & (Subscription.created_at < now - UNCONFIRMED_KEPT)
    gone = select(Subscription.subscription_id).where(ended | stranger)
    statements = (
        delete(Delivery).where(Delivery.finished_at < now - KEPT),
        delete(Delivery).where(Delivery.subscription_id.in_(gone)),
        delete(Subscription).where(ended | stranger),
    )
    return database.run_in_transaction(lambda session: sum(run_counted(session, rows) for rows in statements))
