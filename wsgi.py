"""The composition root: settings become the web application. The exchange and the alerts know of each other only here
and in exchange/programs/cli.py.

    EXCHANGE_HOME=/srv/exchange gunicorn -k gthread wsgi:application
"""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from flask import Flask

from alerts.composition import blueprints
from alerts.store.notices import count_notices
from exchange.configuration.settings import (
    Settings,
    SettingsError,
    load_policy,
    load_receipt_key,
    load_settings,
    load_webhook_key,
)
from exchange.kernel.session import LONGEST_STATEMENT_SECONDS, create_database
from exchange.operations.start_checks import check_start
from exchange.programs.application import create_app
from exchange.web.context import Context
from keys.signatures.messages import SigningKey
from schemas.values.clock import utc_now


def load_keys(settings: Settings) -> tuple[SigningKey, bytes]:
    """The receipt key and the webhook key. Raises SettingsError, naming what is missing."""
    return load_receipt_key(settings), load_webhook_key(settings)


def compose(
    settings: Settings, clock: Callable[[], datetime] = utc_now, keys: tuple[SigningKey, bytes] | None = None
) -> Flask:
    """The application of an exchange. Call it in the process that serves, after any fork; `keys` are those of
    load_keys, if they were loaded before it. Raises SettingsError.
    """
    receipt_key, webhook_key = keys or load_keys(settings)
    context = Context(
        settings=settings,
        database=create_database(
            settings.database_url,
            statement_seconds=LONGEST_STATEMENT_SECONDS,
            log_stale_seconds=settings.log_stale_seconds,
        ),
        receipt_key=receipt_key,
        clock=clock,
        count_notices=count_notices,
        webhook_key=webhook_key,
        policy=load_policy(settings),
    )
    return create_app(context, blueprints())


def __getattr__(name: str) -> Flask:
    """`application` is made when a server asks for it, so that importing this module starts nothing."""
    if name != "application":
        raise AttributeError(name)
    home = os.environ.get("EXCHANGE_HOME")
    if not home:
        raise SettingsError("EXCHANGE_HOME is not set: it names the folder that `exchange init` made")
    settings = load_settings(Path(home))
    database = create_database(settings.database_url)
    try:
        check_start(settings, database)
    finally:
        database.dispose()
    return compose(settings)
