"""Setting an exchange up: its keys in custody, its log, its database, and the draft of its own statement."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from urllib.parse import urlsplit

from edge.sqlite import sqlite_file
from exchange.configuration.settings import (
    LOG_KEY_PURPOSE,
    RECEIPT_KEY_PURPOSE,
    TICK_SECONDS,
    Settings,
    SettingsError,
    config_file,
    key_path,
    load_settings,
    make_webhook_key,
    write_config,
)
from exchange.kernel.session import Database, create_database
from exchange.log.head_file import HeadFile
from exchange.membership.statements import list_newest_effective, other_exchange
from exchange.registrars.propose import propose_statement
from keys.custody.files import make_private_folder, write_private_file, write_secret
from keys.custody.making import about_to_make, about_to_make_database
from keys.custody.new_home import is_unfinished, whole_home
from keys.signatures.messages import SigningKey, canonical_url
from keys.statements.envelopes import Root
from keys.statements.types import ExchangeStatement
from migrations.upgrade import upgrade
from schemas.values.canonical import canonical_json
from tlog.notes import NoteSigner


@dataclass(frozen=True, slots=True)
class Plan:
    """What `exchange init` is given. No `database_url` means SQLite in the home."""

    exchange_id: str
    url: str
    registrars: Path
    tick_seconds: int = TICK_SECONDS
    database_url: str | None = None
    passphrase_file: Path | None = None


def set_up(home: Path, plan: Plan, passphrase: bytes, now: datetime) -> tuple[Settings, str]:
    """Make the home of an exchange; its settings and the id of the proposal that registrars are to sign.

    Whole or not at all: what fails leaves the folder as it was (keys.custody.new_home), and a database without the
    draft. Raises SettingsError, CustodyError, StatementError, DatabaseUnfitError, SQLAlchemyError.
    """
    if config_file(home).exists() and not is_unfinished(home):
        raise SettingsError(f"{home} holds an exchange already")
    root = Root.load(plan.registrars)
    url = _public_url(plan.url)
    with whole_home(home):
        return _make_home(home, plan, root, url, passphrase, now)


def _make_home(  # noqa: PLR0917 - what was given and what was read of it
    home: Path, plan: Plan, root: Root, url: str, passphrase: bytes, now: datetime
) -> tuple[Settings, str]:
    write_private_file(home / "registrars.json", canonical_json(root.to_wire()))
    receipt_key = SigningKey.generate()
    log_seed = secrets.token_bytes(32)
    signer = NoteSigner(f"{urlsplit(url).netloc}/{plan.exchange_id}", log_seed)
    write_secret(key_path(home, "receipt.key"), receipt_key.to_seed(), passphrase, RECEIPT_KEY_PURPOSE)
    write_secret(key_path(home, "log.key"), log_seed, passphrase, LOG_KEY_PURPOSE)
    make_webhook_key(home, passphrase)
    write_config(
        home,
        {
            "exchange_id": plan.exchange_id,
            "url": url,
            "database_url": plan.database_url or f"sqlite:///{home / 'exchange.db'}",
            "log_origin": signer.name,
            "log_vkey": str(signer.verifier_key),
            "tick_seconds": plan.tick_seconds,
            "passphrase_file": None if plan.passphrase_file is None else str(plan.passphrase_file.absolute()),
        },
    )
    settings = load_settings(home, {}, being_made=True)
    make_private_folder(settings.head_file.parent)
    head_file = HeadFile(settings.head_file, signer)
    about_to_make(*head_file.files)
    head_file.create()
    return settings, _draft_own_statement(settings, receipt_key.public_bytes, now)


def _draft_own_statement(settings: Settings, receipt_key: bytes, now: datetime) -> str:
    about_to_make_database(sqlite_file(settings.database_url))
    database = create_database(settings.database_url)
    try:
        upgrade(database)
        _refuse_used(database, settings.exchange_id)
        return propose_statement(
            database,
            "exchange",
            settings.exchange_id,
            lambda sequence: ExchangeStatement(
                sequence=sequence,
                issued_at=now,
                exchange_id=settings.exchange_id,
                url=settings.url,
                log_origin=settings.log_origin,
                log_vkey=settings.log_vkey,
                receipt_key=receipt_key,
            ),
            now,
        )
    finally:
        database.dispose()


def _refuse_used(database: Database, exchange_id: str) -> None:
    """SettingsError for the database of an exchange that was in force, or of one with another id."""
    with database.reading() as session:
        other = other_exchange(session, exchange_id)
        in_force = list_newest_effective(session)
    if other is not None or in_force:
        raise SettingsError(
            f"the database is that of exchange {other or exchange_id} already; name an empty one, or restore that"
            " exchange from its backup: exchange restore"
        )


def _public_url(url: str) -> str:
    """The address that members sign for: absolute, without path end."""
    try:
        return canonical_url(url).rstrip("/")
    except ValueError as error:
        raise SettingsError(f"--url: {error}") from None
