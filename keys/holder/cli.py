"""`keyholder`: set up a key holder, run it, and decide who may ask it how much.

Every command takes --json: then one JSON document goes to standard output, `{"error": {"type", "detail"}}` on failure.
Exit status: 0 done, 1 refused or failed, 2 used wrongly.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import structlog
from msgspec import to_builtins
from sqlalchemy import make_url
from sqlalchemy.exc import SQLAlchemyError

from edge.database_faults import explain_database_error
from edge.logs import configure_logs
from edge.sqlite import sqlite_file
from keys.custody.files import CustodyError, check_new_passphrase, read_passphrase
from keys.custody.making import about_to_make_database
from keys.custody.new_home import is_unfinished, whole_home
from keys.holder import store
from keys.holder.budget import WINDOW
from keys.holder.ceremony import hold_ceremony
from keys.holder.database import HolderDatabase, HolderDatabaseError, open_database
from keys.holder.requests import RequestRefusedError, StoreTamperedError
from keys.holder.results import (
    AllowedMembers,
    DealtEpoch,
    GrantedExtra,
    GrantedMembers,
    HeldEpoch,
    HolderStatus,
    MemberBudget,
    NewHolder,
)
from keys.holder.service import HolderService, standing_of
from keys.holder.settings import (
    PASSPHRASE_VARIABLE,
    HolderConfig,
    HolderHomeError,
    create_home,
    list_share_epochs,
    load_config,
    open_settings,
)
from keys.signatures.strict import require_identifier
from keys.statements.keyring import Keyring, Root, StatementError, UnknownStatementError
from keys.terminal.program import Program, complete_program, print_result, run_program
from schemas.values.encoding import to_base64, to_rfc3339

_MAX_EVALUATIONS = 10**12
DEBUG_VARIABLE = "KEYHOLDER_DEBUG"
_FAILURES = (
    HolderHomeError,
    CustodyError,
    StatementError,
    RequestRefusedError,
    StoreTamperedError,
    HolderDatabaseError,
    SQLAlchemyError,
    OSError,
)
_TYPES: dict[type[Exception], str] = {
    HolderHomeError: "home",
    RequestRefusedError: "refused",
    HolderDatabaseError: "databaseunfit",
}
"""What `--json` calls a failure, where it is not the name of its class."""

log = structlog.get_logger("keyholder")


@dataclass
class Invocation:
    """What the options before the command said."""

    home: Path | None

    def config(self) -> HolderConfig:
        """The configuration of the home. Raises click.UsageError without --home; HolderHomeError."""
        if self.home is None:
            raise click.UsageError("--home DIR is required before the command")
        return _whole_config(self.home)


@click.group("keyholder", cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--home", type=click.Path(path_type=Path), envvar="KEYHOLDER_HOME", help="The key holder's folder.")
@click.pass_context
def cli(context: click.Context, home: Path | None) -> None:
    """One of the n key holders of the exchange.

    Example: keyholder --home /var/lib/keyholder serve
    """
    context.obj = Invocation(home)


@cli.command()
@click.option("--holder-id", required=True, help="Its identifier, such as holder-1.")
@click.option("--url", required=True, help="Its address as members reach it; requests are signed for it.")
@click.option("--registrars", required=True, type=click.Path(path_type=Path), help="The registrars' root file.")
@click.option("--passphrase-file", type=click.Path(path_type=Path), help="Remembered for later commands.")
@click.option("--database-url", help="PostgreSQL instead of a SQLite file in the home.")
@click.pass_obj
def init(
    invocation: Invocation,
    *,
    holder_id: str,
    url: str,
    registrars: Path,
    passphrase_file: Path | None,
    database_url: str | None,
) -> None:
    """Make the home: signing key, configuration, database.

    Example: keyholder --home H init --holder-id holder-1 --url https://keys.example --registrars registrars.json
    """
    if invocation.home is None:
        raise click.UsageError("--home DIR is required before the command")
    root = Root.load(registrars)
    prompt = _prompt_twice if sys.stdin.isatty() else None
    passphrase = read_passphrase(passphrase_file, variable=PASSPHRASE_VARIABLE, environ=os.environ, prompt=prompt)
    check_new_passphrase(passphrase, holder_id)
    with whole_home(invocation.home):
        config = create_home(
            invocation.home,
            holder_id,
            url,
            root,
            passphrase,
            passphrase_file=passphrase_file,
            database_url=database_url,
        )
        about_to_make_database(sqlite_file(config.database_url))
        with _database(config):
            pass
    print_result(NewHolder(**_described(config), home=str(config.home)))


@cli.command()
@click.option("--epoch", required=True, type=click.IntRange(1, 65_535), help="The number of the new epoch.")
@click.option("--threshold", required=True, type=click.IntRange(2, 64), help="How many holders a quorum has.")
@click.option("--home", "homes", required=True, multiple=True, type=click.Path(path_type=Path), help="Once a holder.")
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Where the draft for the registrars goes.")
@click.pass_obj
def ceremony(invocation: Invocation, epoch: int, threshold: int, homes: tuple[Path, ...], out: Path) -> None:
    """Deal a new key to several holders' homes on this machine.

    Example: keyholder ceremony --epoch 1 --threshold 2 --home H1 --home H2 --home H3 --out epoch.json
    """
    click.echo("this machine sees the whole key during a dealt ceremony: wipe it afterwards", err=True)
    configs = [_whole_config(home) for home in homes]
    opened = [(config, _passphrase(config)) for config in configs]
    draft = hold_ceremony(
        opened,
        epoch,
        threshold,
        lambda draft: out.write_text(json.dumps(to_builtins(draft), indent=2) + "\n", encoding="utf-8"),
    )
    print_result(
        DealtEpoch(epoch=epoch, threshold=threshold, holders=len(homes), public_key=draft.public_key, out=str(out))
    )


@cli.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to listen on.")
@click.option("--port", type=click.IntRange(1, 65_535), help="By default that of the holder's URL.")
@click.option("--workers", default=1, show_default=True, type=click.IntRange(1, 64))
@click.option("--threads", default=4, show_default=True, type=click.IntRange(1, 64))
@click.pass_obj
def serve(invocation: Invocation, host: str, port: int | None, workers: int, threads: int) -> None:
    """Answer members until SIGTERM.

    Example: keyholder --home H serve --port 8001
    """
    # The server is needed here alone, and its import is slow.
    from keys.holder.serving import HolderServer, port_of  # noqa: PLC0415

    config = invocation.config()
    settings = open_settings(config, _passphrase(config))
    with _database(config) as database:
        HolderService(settings, database, _now).check_shares()
    HolderServer(settings, host=host, port=port or port_of(config.url), workers=workers, threads=threads).run()


@cli.command()
@click.argument("members", nargs=-1, required=True)
@click.option("--evaluations", type=click.IntRange(0, _MAX_EVALUATIONS), help="Per 30 days, instead of the rule.")
@click.option("--statement", type=click.Path(path_type=Path), help="A registrars' statement to store first.")
@click.pass_obj
def allow(invocation: Invocation, members: tuple[str, ...], evaluations: int | None, statement: Path | None) -> None:
    """Answer these members, with a standing budget per 30 days.

    Without --evaluations: 1 % of the declared book (at least 100), times t / n. What the registrars state of a member
    may arrive later; until then it is refused.

    Example: keyholder --home H allow bank-a bank-b
    """
    config = invocation.config()
    _check_members(members)
    with _database(config) as database:
        if statement is not None:
            settings = open_settings(config, _passphrase(config))
            HolderService(settings, database, _now).store_statement(_read_envelope(statement))
        with database.transaction() as connection:
            for member_id in members:
                store.allow_member(connection, member_id, evaluations, _now())
        described = [_describe_member(config, database, member_id) for member_id in members]
    print_result(AllowedMembers(members=described))
    for one in described:
        log.info("member allowed", member_id=one.member_id, evaluations=one.standing)


@cli.command()
@click.argument("members", nargs=-1, required=True)
@click.option("--evaluations", required=True, type=click.IntRange(1, _MAX_EVALUATIONS), help="How many, each.")
@click.option("--until", required=True, type=click.DateTime(["%Y-%m-%d"]), help="The last day (UTC).")
@click.pass_obj
def grant(invocation: Invocation, members: tuple[str, ...], evaluations: int, until: datetime) -> None:
    """Give members a dated extra, for a first load or a rotation.

    Example: keyholder --home H grant bank-a --evaluations 700000 --until 2027-01-31
    """
    config, now = invocation.config(), _now()
    _check_members(members)
    ends_at = until.replace(tzinfo=UTC) + timedelta(days=1)
    if ends_at <= now:
        raise HolderHomeError("the last day of a grant is not past")
    with _database(config) as database:
        with database.transaction() as connection:
            unknown = [one for one in members if store.find_member(connection, one) is None]
            if unknown:
                raise HolderHomeError(f"not allowed here yet: {', '.join(unknown)}; run `keyholder allow` first")
            for member_id in members:
                store.add_grant(connection, member_id, evaluations, ends_at, now)
        described = [_describe_member(config, database, member_id) for member_id in members]
    print_result(GrantedMembers(members=described))
    for member_id in members:
        log.info("grant given", member_id=member_id, evaluations=evaluations, ends_at=to_rfc3339(ends_at))


@cli.command()
@click.pass_obj
def status(invocation: Invocation) -> None:
    """Who it is, its epochs, and each member's budget and use.

    Example: keyholder --home H status --json
    """
    config = invocation.config()
    with _database(config) as database:
        keyring = _read_keyring(config, database)
        with database.reading() as connection:
            members = [one.member_id for one in store.list_members(connection)]
        described = [_describe_member(config, database, member_id) for member_id in members]
    shares = set(list_share_epochs(config))
    epochs = [
        HeldEpoch(epoch=one.epoch, state=one.state.value, threshold=one.threshold, share=one.epoch in shares)
        for one in sorted(keyring.epochs(), key=lambda one: one.epoch)
    ]
    print_result(HolderStatus(**_described(config), shares=sorted(shares), epochs=epochs, members=described))


complete_program(cli)


def main() -> None:
    """The entry point."""
    configure_logs()
    sys.exit(run_program(cli, sys.argv[1:], _explain, DEBUG_VARIABLE))


def _explain(error: Exception) -> tuple[str, str] | None:
    if not isinstance(error, _FAILURES):
        return None
    # What a database driver says may quote a URL or a row: its kind is enough.
    detail = type(error).__name__ if isinstance(error, SQLAlchemyError) else str(error)
    return _TYPES.get(type(error)) or type(error).__name__.removesuffix("Error").lower(), detail


def _now() -> datetime:
    return datetime.now(UTC)


def _prompt() -> str:
    text: str = click.prompt("Passphrase", hide_input=True, err=True)
    return text


def _prompt_twice() -> str:
    text: str = click.prompt("New passphrase", hide_input=True, confirmation_prompt=True, err=True)
    return text


def _passphrase(config: HolderConfig) -> bytes:
    click.echo(f"opening {config.home}", err=True)
    return config.read_passphrase(os.environ, _prompt if sys.stdin.isatty() else None)


def _whole_config(home: Path) -> HolderConfig:
    if is_unfinished(home):
        raise HolderHomeError(f"{home} was left half made: run `keyholder --home {home} init` again")
    return load_config(home)


@contextmanager
def _database(config: HolderConfig) -> Iterator[HolderDatabase]:
    database = open_database(config.database_url)
    try:
        database.migrate()
        yield database
    except SQLAlchemyError as error:
        raise HolderDatabaseError(explain_database_error(error, make_url(config.database_url))) from error
    finally:
        database.dispose()


def _check_members(members: tuple[str, ...]) -> None:
    for member_id in members:
        try:
            require_identifier(member_id)
        except ValueError as error:
            raise click.UsageError(f"member id: {error}") from None


def _read_envelope(path: Path) -> object:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise HolderHomeError(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError):
        raise HolderHomeError(f"{path} is not JSON") from None


def _read_keyring(config: HolderConfig, database: HolderDatabase) -> Keyring:
    keyring = Keyring(config.root)
    with database.reading() as connection:
        for envelope in store.list_envelopes(connection):
            keyring.add(envelope)
    return keyring


def _described(config: HolderConfig) -> dict[str, str]:
    return {
        "holder_id": config.holder_id,
        "url": config.url,
        "verify_key": to_base64(config.verify_key),
        "registrars_fingerprint": config.root.fingerprint,
    }


def _describe_member(config: HolderConfig, database: HolderDatabase, member_id: str) -> MemberBudget:
    keyring, now = _read_keyring(config, database), _now()
    with database.reading() as connection:
        member = store.find_member(connection, member_id)
        if member is None:
            raise HolderHomeError(f"{member_id} is not allowed here")
        budget = store.read_budget(connection, member, standing_of(keyring, member), now)
        used = store.count_evaluations(connection, member_id, now - WINDOW)
    try:
        state = keyring.member(member_id).state.value
    except UnknownStatementError:
        state = "awaiting_statement"
    return MemberBudget(
        member_id=member_id,
        state=state,
        standing=budget.standing,
        used=budget.used,
        renews_at=to_rfc3339(budget.renews_at),
        grants=[
            GrantedExtra(evaluations=one.evaluations, used=one.used, ends_at=to_rfc3339(one.ends_at))
            for one in budget.grants
        ],
        remaining=budget.remaining(now),
        evaluations_30_days=used,
    )


if __name__ == "__main__":
    main()
