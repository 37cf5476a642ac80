"""Settings of one exchange: HOME/config.toml, then the environment (EXCHANGE_*), which wins. Frozen once loaded.

Nothing secret is kept in a file but in custody; a missing secret stops the start and is named. The database's URL may
carry a password, so it is not shown.
"""

from __future__ import annotations

import json
import os
import re
import secrets
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from edge.caller_address import Proxies, parse_proxies
from edge.request_limits import DEFAULT_LIMIT, LARGEST_LIMIT
from edge.source_limits import UNSIGNED_REQUESTS_PER_MINUTE
from exchange.configuration.allowed_targets import AllowedTargets, is_host_name
from exchange.gateways.file import load_rules
from exchange.gateways.request_policy import RequestPolicy
from exchange.kernel.limits import CORRECTION_HOURS, GRACE_MINUTES, IMMEDIATE_MINUTES, LONGEST_QUERY_DAYS
from exchange.kernel.session import LOG_STALE_SECONDS
from exchange.log.sequencer import merge_delay
from keys.custody.files import CustodyError, read_passphrase, read_secret, write_private_file, write_secret
from keys.custody.new_home import is_unfinished
from keys.signatures.messages import SigningKey
from keys.signatures.strict import require_identifier
from keys.signatures.urls import canonical_url
from keys.statements.envelopes import Root
from tlog.notes import NoteSigner

PASSPHRASE_VARIABLE = "EXCHANGE_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable
LOG_KEY_PURPOSE = "log signing key"
RECEIPT_KEY_PURPOSE = "receipt key"
WEBHOOK_KEY_PURPOSE = "webhook key"
ENROLMENTS_PER_MINUTE = 30
FEED_REQUESTS_PER_MINUTE = 6_000
"""A MISP server that finds a feed of 2,000 events asks for each of them at once, and comes back for what
it missed in its next round only.
"""
TICK_SECONDS = 300
"""A leaf for each member every five minutes: 4.8 million leaves a year for 46 members (docs/adr/0034)."""
LONGEST_TICK = 3_600
_DAY_SECONDS = 86_400
_DAY_MINUTES = 1_440
_LONGEST_GRACE_MINUTES = 30 * _DAY_MINUTES
_LONGEST_CORRECTION_HOURS = 30 * 24
SMTP_PORT = 587
DIGEST_MINUTES = 60
SMTP_SECURITIES = ("starttls", "tls", "none")
_THIS_MACHINE = ("localhost", "127.0.0.1", "::1")
_SENDER = re.compile(r"[A-Za-z0-9_+-]+(\.[A-Za-z0-9_+-]+)*@[A-Za-z0-9.-]+", re.ASCII)
CONFIGURED = (
    *("exchange_id", "url", "database_url", "log_origin", "log_vkey"),
    *("tick_seconds", "log_stale_seconds", "passphrase_file"),
    *("requests_per_minute", "feed_requests_per_minute", "enrolments_per_minute"),
    *("unsigned_requests_per_minute", "trusted_proxies"),
    *("gateways_file", "immediate_minutes", "request_grace_minutes", "longest_query_days"),
    "correction_hours",
    *("allowed_private_targets", "digest_minutes", "mail_sender"),
    *("smtp_host", "smtp_port", "smtp_security", "smtp_user", "smtp_password_file"),
)

_Value = TypeVar("_Value")


class SettingsError(Exception):
    """The exchange cannot start as it is set up; the message names what is missing or wrong."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the web application, the worker and the commands are set to. `tick_seconds` is the log's tick; disclosing
    stops while the last tick was published longer than `log_stale_seconds` ago. Of the limits a minute, the
    first two are each member's, the others each address's (edge.source_limits): of answers to enrolment codes
    over all processes, and of all calls that do not authenticate in each process. Without an `smtp_host` no mail is
    sent; webhooks reach public addresses and the `allowed_private_targets`.
    """

    home: Path
    exchange_id: str
    url: str
    log_origin: str
    log_vkey: str
    root: Root
    database_url: str = field(repr=False)
    tick_seconds: int = TICK_SECONDS
    log_stale_seconds: int = LOG_STALE_SECONDS
    passphrase_file: Path | None = field(default=None, repr=False)
    requests_per_minute: int = DEFAULT_LIMIT
    feed_requests_per_minute: int = FEED_REQUESTS_PER_MINUTE
    enrolments_per_minute: int = ENROLMENTS_PER_MINUTE
    unsigned_requests_per_minute: int = UNSIGNED_REQUESTS_PER_MINUTE
    trusted_proxies: Proxies = frozenset()
    allowed_private_targets: AllowedTargets = AllowedTargets()  # noqa: RUF009 - a frozen value
    digest_minutes: int = DIGEST_MINUTES
    gateways_file: Path | None = None
    immediate_minutes: int = IMMEDIATE_MINUTES
    request_grace_minutes: int = GRACE_MINUTES
    longest_query_days: int = LONGEST_QUERY_DAYS
    correction_hours: int = CORRECTION_HOURS
    mail_sender: str = ""
    smtp_host: str = ""
    smtp_port: int = SMTP_PORT
    smtp_security: str = SMTP_SECURITIES[0]
    smtp_user: str = ""
    smtp_password_file: Path | None = field(default=None, repr=False)

    @property
    def head_file(self) -> Path:
        """Where the last signed head of the log is kept, outside the database."""
        return self.home / "head" / "signed-head"

    @property
    def merge_delay_seconds(self) -> int:
        """How long a committed entry may take to be in the published tree; part of every receipt."""
        return merge_delay(self.tick_seconds)


def config_file(home: Path) -> Path:
    """Where the configuration lies."""
    return home / "config.toml"


def load_settings(home: Path, environ: Mapping[str, str] = os.environ, *, being_made: bool = False) -> Settings:
    """The settings of the exchange at `home`; `being_made` by `init` alone. Raises SettingsError."""
    if is_unfinished(home) and not being_made:
        raise SettingsError(f"{home} was left half made: run `exchange --home {home} init` again")
    found = _read_config(config_file(home))
    for name in CONFIGURED:
        if environ.get(f"EXCHANGE_{name.upper()}"):
            found[name] = environ[f"EXCHANGE_{name.upper()}"]
    try:
        passphrase_file, gateways_file = _optional(found, "passphrase_file"), _optional(found, "gateways_file")
        return Settings(
            home=home,
            exchange_id=_checked(found, "exchange_id", require_identifier),
            url=_checked(found, "url", canonical_url).rstrip("/"),
            log_origin=_text_of(found, "log_origin"),
            log_vkey=_text_of(found, "log_vkey"),
            root=Root.load(home / "registrars.json"),
            database_url=_text_of(found, "database_url"),
            tick_seconds=_number_of(found, "tick_seconds", TICK_SECONDS, LONGEST_TICK),
            log_stale_seconds=_number_of(found, "log_stale_seconds", LOG_STALE_SECONDS, _DAY_SECONDS),
            passphrase_file=Path(passphrase_file) if passphrase_file else None,
            requests_per_minute=_number_of(found, "requests_per_minute", DEFAULT_LIMIT, LARGEST_LIMIT),
            feed_requests_per_minute=_number_of(
                found, "feed_requests_per_minute", FEED_REQUESTS_PER_MINUTE, LARGEST_LIMIT
            ),
            enrolments_per_minute=_number_of(found, "enrolments_per_minute", ENROLMENTS_PER_MINUTE, LARGEST_LIMIT),
            unsigned_requests_per_minute=_number_of(
                found, "unsigned_requests_per_minute", UNSIGNED_REQUESTS_PER_MINUTE, LARGEST_LIMIT
            ),
            trusted_proxies=_parsed(found, "trusted_proxies", parse_proxies),
            digest_minutes=_number_of(found, "digest_minutes", DIGEST_MINUTES, _DAY_MINUTES),
            gateways_file=Path(gateways_file) if gateways_file else None,
            immediate_minutes=_number_of(found, "immediate_minutes", IMMEDIATE_MINUTES, _DAY_MINUTES),
            request_grace_minutes=_number_of(found, "request_grace_minutes", GRACE_MINUTES, _LONGEST_GRACE_MINUTES),
            longest_query_days=_number_of(found, "longest_query_days", LONGEST_QUERY_DAYS, LONGEST_QUERY_DAYS),
            correction_hours=_number_of(found, "correction_hours", CORRECTION_HOURS, _LONGEST_CORRECTION_HOURS),
            allowed_private_targets=_parsed(found, "allowed_private_targets", AllowedTargets.parse),
            **_read_mail(found),
        )
    except ValueError as error:
        raise SettingsError(f"{error} (settings are in {config_file(home)} and EXCHANGE_…)") from None


def write_config(home: Path, values: Mapping[str, Any]) -> None:
    """Write HOME/config.toml, readable by its owner alone. A TOML basic string is written like a JSON one."""
    lines = [f"{name} = {json.dumps(value, ensure_ascii=False)}" for name, value in values.items() if value is not None]
    write_private_file(config_file(home), "\n".join([*lines, ""]).encode())


def load_log_signer(settings: Settings, environ: Mapping[str, str] = os.environ) -> NoteSigner:
    """The key that signs the log's checkpoints; the worker alone needs it. Raises SettingsError."""
    return NoteSigner(settings.log_origin, _read_key(settings, "log.key", LOG_KEY_PURPOSE, environ))


def load_receipt_key(settings: Settings, environ: Mapping[str, str] = os.environ) -> SigningKey:
    """The key that signs receipts; the web application alone needs it. Raises SettingsError."""
    return SigningKey.from_seed(_read_key(settings, "receipt.key", RECEIPT_KEY_PURPOSE, environ))


def load_webhook_key(settings: Settings, environ: Mapping[str, str] = os.environ) -> bytes:
    """The key, 32 bytes, that the secrets of webhooks follow from. Raises SettingsError."""
    return _read_key(settings, "webhook.key", WEBHOOK_KEY_PURPOSE, environ)


def load_smtp_password(settings: Settings) -> str:
    """The password for the mail server, empty where none is required. Raises SettingsError."""
    if settings.smtp_password_file is None:
        return ""
    try:
        return read_passphrase(settings.smtp_password_file, variable="", environ={}).decode()
    except CustodyError as error:
        raise SettingsError(f"smtp_password_file: {error}") from None


def load_policy(settings: Settings) -> RequestPolicy:
    """The rules of the legal gateways and the clock of requests. Raises SettingsError."""
    try:
        rules = load_rules(settings.gateways_file)
    except ValueError as error:
        raise SettingsError(f"gateways_file: {error}") from None
    return RequestPolicy(rules, settings.immediate_minutes, settings.request_grace_minutes)


def make_webhook_key(home: Path, passphrase: bytes) -> None:
    """Put a new webhook key into custody. Raises CustodyError."""
    write_secret(key_path(home, "webhook.key"), secrets.token_bytes(32), passphrase, WEBHOOK_KEY_PURPOSE)


def make_missing_keys(settings: Settings, environ: Mapping[str, str] = os.environ) -> None:
    """Make what a home of an earlier version lacks. Raises SettingsError."""
    if key_path(settings.home, "webhook.key").exists():
        return
    try:
        passphrase = read_passphrase(settings.passphrase_file, variable=PASSPHRASE_VARIABLE, environ=environ)
        make_webhook_key(settings.home, passphrase)
    except CustodyError as error:
        raise SettingsError(f"{WEBHOOK_KEY_PURPOSE}: {error}") from None


def key_path(home: Path, name: str) -> Path:
    """Where a key lies in custody."""
    return home / "keys" / name


def _read_key(settings: Settings, name: str, purpose: str, environ: Mapping[str, str]) -> bytes:
    # The environment names another file than the configuration; settings hold the one that counts.
    try:
        passphrase = read_passphrase(settings.passphrase_file, variable=PASSPHRASE_VARIABLE, environ=environ)
        return read_secret(key_path(settings.home, name), passphrase, purpose)
    except CustodyError as error:
        raise SettingsError(f"{purpose}: {error}") from None


def _read_config(path: Path) -> dict[str, Any]:
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise SettingsError(f"{path} is missing: run `exchange --home {path.parent} init` first") from None
    except (OSError, ValueError, RecursionError) as error:
        raise SettingsError(f"{path} cannot be read: {error}") from None
    unknown = sorted(set(found) - set(CONFIGURED))
    if unknown:
        raise SettingsError(f"{path}: {unknown[0]!r} is not a setting; known are {', '.join(CONFIGURED)}")
    return found


def _parsed(found: Mapping[str, Any], name: str, parse: Callable[[str], _Value]) -> _Value:
    try:
        return parse(_optional(found, name))
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _read_mail(found: Mapping[str, Any]) -> dict[str, Any]:
    """How mail leaves. A password goes through TLS, and nothing goes in the clear but to this machine itself."""
    host, security = _optional(found, "smtp_host").lower(), _optional(found, "smtp_security") or SMTP_SECURITIES[0]
    sender, user = _optional(found, "mail_sender"), _optional(found, "smtp_user")
    password_file = _optional(found, "smtp_password_file")
    if security not in SMTP_SECURITIES:
        raise ValueError(f"smtp_security is one of {', '.join(SMTP_SECURITIES)}")
    if security == "none" and (user or host not in {"", *_THIS_MACHINE}):
        raise ValueError("smtp_security none is allowed only for a mail server on this machine and without smtp_user")
    if host and not (_SENDER.fullmatch(sender) and is_host_name(sender.rpartition("@")[2].lower())):
        raise ValueError("mail_sender is missing or not a valid address: set it, such as alerts@exchange.example")
    if bool(user) != bool(password_file):
        raise ValueError("smtp_user and smtp_password_file are set together, or neither")
    return {
        "mail_sender": sender,
        "smtp_host": host,
        "smtp_port": _number_of(found, "smtp_port", SMTP_PORT, 65_535),
        "smtp_security": security,
        "smtp_user": user,
        "smtp_password_file": Path(password_file) if password_file else None,
    }


def _optional(found: Mapping[str, Any], name: str) -> str:
    return "" if found.get(name) in (None, "") else _text_of(found, name)


def _text_of(found: Mapping[str, Any], name: str) -> str:
    value = found.get(name)
    if value is None or value == "":
        raise ValueError(f"{name} is missing: set it")
    if not isinstance(value, str) or not value.isprintable():
        raise ValueError(f"{name} is a line of text")
    return value


def _checked(found: Mapping[str, Any], name: str, check: Callable[[str], str]) -> str:
    text = _text_of(found, name)
    try:
        return check(text)
    except ValueError as error:
        raise ValueError(f"{name}: {error}") from None


def _number_of(found: Mapping[str, Any], name: str, usual: int, most: int) -> int:
    """A whole number from 1; the environment gives it as text."""
    value = str(found.get(name, usual))
    if not re.fullmatch(r"[0-9]{1,9}", value, re.ASCII) or not 1 <= int(value) <= most:
        raise ValueError(f"{name} is a whole number from 1 to {most}")
    return int(value)
