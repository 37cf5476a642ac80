"""How the operator sets pushing up: what is refused at the start, and where its secrets lie."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from click.testing import CliRunner

from alerts.composition import jobs
from alerts.delivery.jobs import mail_settings
from exchange.configuration.settings import (
    Settings,
    SettingsError,
    config_file,
    key_path,
    load_settings,
    load_webhook_key,
    make_missing_keys,
)
from exchange.kernel.session import create_database
from exchange.operations.set_up import Plan, set_up
from exchange.programs.cli import program
from keys.custody.files import write_private_file
from schemas.values.canonical import canonical_json
from tests.keys.factories import make_root

MAIL = {"EXCHANGE_SMTP_HOST": "mail.exchange.example", "EXCHANGE_MAIL_SENDER": "alerts@exchange.example"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The home of an exchange, as `exchange init` makes it."""
    folder = tmp_path_factory.mktemp("home")
    passphrase, root = folder / "passphrase", folder / "registrars.json"
    write_private_file(passphrase, b"a passphrase of the tests")
    write_private_file(root, canonical_json(make_root().to_wire()))
    plan = Plan("uk", "https://exchange.example", root, passphrase_file=passphrase)
    set_up(folder / "exchange", plan, b"a passphrase of the tests", datetime.now(UTC))
    return folder / "exchange"


def test_without_a_word_no_mail_leaves_and_nothing_private_is_reached(home: Path) -> None:
    settings = load_settings(home, {})
    assert (settings.smtp_host, settings.smtp_port, settings.smtp_security) == ("", 587, "starttls")
    assert not settings.allowed_private_targets.has("localhost")
    assert (settings.allowed_private_targets.names, settings.allowed_private_targets.networks) == (frozenset(), ())


def test_mail_and_targets_are_read_from_the_environment_too(home: Path, tmp_path: Path) -> None:
    password = tmp_path / "password"
    write_private_file(password, b"pass w\xc3\xb6rd\n")
    login = {"EXCHANGE_SMTP_USER": "exchange", "EXCHANGE_SMTP_PASSWORD_FILE": str(password)}
    targets = {"EXCHANGE_ALLOWED_PRIVATE_TARGETS": "hooks.internal,10.1.0.0/16"}
    settings = load_settings(home, {**MAIL, **login, **targets})
    assert settings.allowed_private_targets.has("hooks.internal")
    assert mail_settings(settings).password == "pass wörd"
    assert "wörd" not in repr(mail_settings(settings))
    assert str(password) not in repr(settings)
    password.chmod(0o644)
    with pytest.raises(SettingsError, match="smtp_password_file: others may read"):
        mail_settings(settings)


@pytest.mark.parametrize(
    ("environ", "told"),
    [
        ({"EXCHANGE_SMTP_HOST": "mail.example"}, "mail_sender"),
        ({**MAIL, "EXCHANGE_MAIL_SENDER": "a@b.example,c@d.example"}, "mail_sender"),
        ({**MAIL, "EXCHANGE_MAIL_SENDER": "Alerts <a@b.example>"}, "mail_sender"),
        ({**MAIL, "EXCHANGE_SMTP_SECURITY": "none"}, "smtp_security"),
        ({**MAIL, "EXCHANGE_SMTP_SECURITY": "ssl"}, "smtp_security"),
        (
            {**MAIL, "EXCHANGE_SMTP_HOST": "127.0.0.1", "EXCHANGE_SMTP_SECURITY": "none", "EXCHANGE_SMTP_USER": "u"},
            "none",
        ),
        ({**MAIL, "EXCHANGE_SMTP_USER": "u"}, "smtp_password_file"),
        ({**MAIL, "EXCHANGE_SMTP_PASSWORD_FILE": "/p"}, "smtp_user"),
        ({**MAIL, "EXCHANGE_SMTP_PORT": "0"}, "smtp_port"),
        ({"EXCHANGE_DIGEST_MINUTES": "1441"}, "digest_minutes"),
        ({"EXCHANGE_ALLOWED_PRIVATE_TARGETS": "10.0.0.0/33"}, "allowed_private_targets"),
    ],
)
def test_what_cannot_be_stops_the_start_and_is_named(home: Path, environ: dict[str, str], told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        load_settings(home, environ)


def test_the_webhook_key_is_in_custody_and_an_upgrade_adds_a_missing_one(home: Path) -> None:
    settings: Settings = load_settings(home, {})
    key = load_webhook_key(settings)
    assert len(key) == 32
    make_missing_keys(settings)
    assert load_webhook_key(settings) == key
    assert key not in key_path(home, "webhook.key").read_bytes()
    key_path(home, "webhook.key").unlink()
    database = create_database(settings.database_url)
    try:
        with pytest.raises(SettingsError, match="webhook key"):
            jobs(settings, database)
    finally:
        database.dispose()
    done = CliRunner().invoke(program, ["--home", str(home), "upgrade", "--json"])
    assert done.exit_code == 0, done.output
    assert load_webhook_key(settings) not in (key, bytes(32))
    assert b"smtp_password" not in config_file(home).read_bytes()
