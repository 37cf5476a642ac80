"""Whether an exchange is set up as it must be, reported check by check, each with the cure.

A check that cannot be made because an earlier one failed is left out: the first cure comes first. Nothing is changed.
"""

from __future__ import annotations

import os
import socket
import ssl
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlsplit

from sqlalchemy import make_url, text
from sqlalchemy.exc import SQLAlchemyError

from edge.database_faults import explain_database_error
from exchange.configuration.settings import (
    Settings,
    SettingsError,
    config_file,
    load_log_signer,
    load_receipt_key,
    load_settings,
    load_webhook_key,
)
from exchange.kernel.fitness import DatabaseUnfitError
from exchange.kernel.session import Database, create_database
from exchange.log.head_file import LogRefusedError
from exchange.log.reading import stands_still
from exchange.membership.statements import other_exchange
from exchange.operations.measures import is_worker_alive
from exchange.operations.restore import LogState, compare_with_head
from exchange.operations.start_checks import WHAT_TO_DO
from migrations.upgrade import check_current

CLOCK_TOLERANCE = timedelta(seconds=10)
"""Of a request's 60 seconds; a clock that is kept by NTP is off by milliseconds."""
MIN_CERTIFICATE_DAYS = 14
_WEBHOOK = "keys/webhook.key"
_WHOLE = ("registrars.json", "keys/log.key", "keys/receipt.key", _WEBHOOK, "head")
_NEW_KEY = "; if it is lost, exchange upgrade makes a new one, and members fetch new secrets"
_CONNECT_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Finding:
    """One check: its name, whether all is well, what was found, and what to do (empty where all is well)."""

    check: str
    is_well: bool
    found: str
    cure: str = ""


def examine(home: Path, clock: Callable[[], datetime]) -> list[Finding]:
    """Every check of the exchange at `home`, in order."""
    return list(_examine(home, clock))


def _examine(home: Path, clock: Callable[[], datetime]) -> Iterator[Finding]:
    places = list(_check_places(home))
    yield from places
    if not all(one.is_well for one in places):
        return
    try:
        settings = load_settings(home)
        yield Finding("settings", True, f"{config_file(home)}: exchange {settings.exchange_id}, {settings.url}")
    except SettingsError as error:
        yield Finding("settings", False, str(error), "mend the setting that is named (docs/settings.md)")
        return
    yield _check_keys(settings)
    yield from _check_database(settings, clock)
    yield _check_certificate(settings.url, clock())


def _check_places(home: Path) -> Iterator[Finding]:
    """The home and what lies in it: there, of this user, and for nobody else."""
    if not home.is_dir():
        yield Finding(
            "home", False, f"there is no folder {home}", f"exchange --home {home} init …, or name another --home"
        )
        return
    if not config_file(home).is_file():
        yield Finding(
            "home", False, f"{home} holds no exchange", f"exchange --home {home} init …, or name another --home"
        )
        return
    owner, me = home.stat().st_uid, os.geteuid()
    yield Finding(
        "owner",
        owner == me,
        f"{home} belongs to user {owner}, this runs as user {me}",
        "" if owner == me else f"run it as the home's user: runuser -u exchange -- exchange --home {home} doctor",
    )
    secret = [home, config_file(home), home / "registrars.json", home / "keys", *sorted((home / "keys").glob("*.key"))]
    open_to_others = [path for path in secret if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077]
    cure = "; ".join(f"chmod {'700' if path.is_dir() else '600'} {path}" for path in open_to_others)
    found = "others may enter or read something in it" if open_to_others else "for its owner alone"
    yield Finding("modes", not open_to_others, f"{home}: {found}", cure)
    missing = [name for name in _WHOLE if not (home / name).exists()]
    yield Finding(
        "home",
        not missing,
        f"{home}: {', '.join(missing)} missing" if missing else f"{home} is complete",
        f"put it back from where the home is kept (docs/production.md, Backup){_NEW_KEY if _WEBHOOK in missing else ''}"
        if missing
        else "",
    )


def _check_keys(settings: Settings) -> Finding:
    try:
        load_log_signer(settings)
        load_receipt_key(settings)
        load_webhook_key(settings)
    except SettingsError as error:
        cure = "name the passphrase's file in EXCHANGE_PASSPHRASE_FILE or passphrase_file, of this user and mode 0600"
        return Finding("keys", False, str(error), cure)
    return Finding("keys", True, "the passphrase opens the keys of log, receipts and webhooks")


def _check_database(settings: Settings, clock: Callable[[], datetime]) -> Iterator[Finding]:
    try:
        database = create_database(settings.database_url)
    except DatabaseUnfitError as error:
        yield Finding("database", False, str(error), "mend it as said, then run doctor again")
        return
    except SQLAlchemyError as error:
        yield _unusable(settings, error)
        return
    try:
        kind = "SQLite" if database.is_sqlite else "PostgreSQL"
        check_current(database)
        yield Finding("database", True, f"{kind} answers, is fit, and its tables are this version's")
        yield from _check_own(settings, database)
        yield _check_clock(database, clock)
        yield from _check_log(settings, database, clock())
    except DatabaseUnfitError as error:
        yield Finding("database", False, str(error), f"exchange --home {settings.home} upgrade")
    except SQLAlchemyError as error:
        yield _unusable(settings, error)
    finally:
        database.dispose()


def _check_own(settings: Settings, database: Database) -> Iterator[Finding]:
    with database.reading() as session:
        other = other_exchange(session, settings.exchange_id)
    if other is not None:
        found = f"it is that of exchange {other}, not of {settings.exchange_id}"
        yield Finding("database", False, found, f"name the database of {settings.exchange_id} in config.toml")


def _unusable(settings: Settings, error: SQLAlchemyError) -> Finding:
    explained = explain_database_error(error, make_url(settings.database_url))
    found, _, cure = explained.partition(": ")[2].partition(": ")
    return Finding("database", False, found or explained, cure or "see the server's log")


def _check_clock(database: Database, clock: Callable[[], datetime]) -> Finding:
    """Against the database server's, which is the one other clock at hand."""
    if database.is_sqlite:
        return Finding("clock", True, f"this machine says {clock():%Y-%m-%d %H:%M:%S} UTC; keep it by NTP")
    with database.reading() as session:
        before, theirs, after = clock(), session.execute(text("SELECT clock_timestamp()")).scalar_one(), clock()
    off = abs(theirs - (before + (after - before) / 2))
    cure = "" if off <= CLOCK_TOLERANCE else "keep both machines' clocks by NTP: requests are refused at 60 seconds"
    return Finding("clock", not cure, f"{off.total_seconds():.1f} s off the database server's", cure)


def _check_log(settings: Settings, database: Database, now: datetime) -> Iterator[Finding]:
    with database.reading() as session:
        try:
            state, size = compare_with_head(session, settings)
        except LogRefusedError as error:
            yield Finding("head", False, str(error), "never delete the head to make it pass")
            return
        is_well = state is LogState.CONTINUES
        found = f"the last signed head has {size} leaves" if is_well else WHAT_TO_DO[state].partition(". ")[0]
        yield Finding("head", is_well, found, "" if is_well else WHAT_TO_DO[state].partition(". ")[2])
        alive, stands = is_worker_alive(session, now), stands_still(session, now, settings.log_stale_seconds)
    found = "a worker holds the lease" if alive else "no worker holds the lease"
    found += ", and the log stands still: nothing is disclosed" if stands else ""
    cure = "" if alive and not stands else "systemctl restart exchange-worker, and read journalctl -u exchange-worker"
    yield Finding("worker", not cure, found, cure)


def _check_certificate(url: str, now: datetime) -> Finding:
    """The certificate that members see at the public address."""
    parts = urlsplit(url)
    if parts.scheme != "https":
        is_local = parts.hostname in {"localhost", "127.0.0.1", "::1"}
        cure = (
            "" if is_local else "members reach it unencrypted: put a proxy with TLS in front and sign an https:// URL"
        )
        return Finding("certificate", is_local, f"{url} is without TLS", cure)
    host, port = parts.hostname or "", parts.port or 443
    try:
        with (
            socket.create_connection((host, port), _CONNECT_SECONDS) as plain,
            ssl.create_default_context().wrap_socket(plain, server_hostname=host) as secured,
        ):
            until = (secured.getpeercert() or {}).get("notAfter", "")
    except ssl.SSLCertVerificationError as error:
        cure = f"renew it, or put the whole chain for {host} into the proxy (ssl_certificate)"
        return Finding("certificate", False, f"{host}:{port}: {error.verify_message}", cure)
    except (OSError, ValueError) as error:
        cure = "start the proxy, open the port, or mend the name in the name service"
        return Finding("certificate", False, f"{host}:{port} does not answer with TLS ({type(error).__name__})", cure)
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(until)), UTC)
    left = (ends - now).days
    cure = "" if left >= MIN_CERTIFICATE_DAYS else "renew it now, and see why that did not happen by itself"
    return Finding("certificate", not cure, f"{host}:{port}: good until {ends:%Y-%m-%d}, {left} days", cure)
