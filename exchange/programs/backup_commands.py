"""`exchange backup|restore|upgrade` and `exchange log new-origin`: what an operator does about database and log."""

from __future__ import annotations

import os
from pathlib import Path

import click

from exchange.configuration.settings import load_settings, make_missing_keys
from exchange.programs.commands import home_of, opened
from keys.custody.files import check_new_passphrase, read_passphrase
from keys.terminal.program import CommandResult, print_document, reports
from schemas.values.clock import utc_now

BACKUP_PASSPHRASE_VARIABLE = "EXCHANGE_BACKUP_PASSPHRASE_FILE"  # noqa: S105 - the name of a variable

_passphrase_option = click.option(
    "--passphrase-file",
    type=click.Path(path_type=Path),
    help=f"The backup's own passphrase (mode 0600)  [default: ${BACKUP_PASSPHRASE_VARIABLE}, else asked for].",
)


def _passphrase(file: Path | None, *, confirm: bool) -> bytes:
    return read_passphrase(
        file,
        variable=BACKUP_PASSPHRASE_VARIABLE,
        environ=os.environ,
        prompt=lambda: click.prompt("Passphrase of the backup", hide_input=True, confirmation_prompt=confirm, err=True),
    )


class WrittenBackup(CommandResult, frozen=True):
    """A backup that was written: what it holds, and its size."""

    file: str
    revision: str
    tables: int
    rows: int
    log_size: int
    bytes: int

    def text(self) -> str:
        return (
            f"{self.rows:,} rows of {self.tables} tables and a log of {self.log_size} leaves are in {self.file}"
            " (encrypted).\nNot in it, and to be kept apart from it: the folder keys, config.toml, registrars.json and"
            " the passphrases. Never restore the folder head from a copy."
        )


@click.command(epilog="Example: exchange --home /srv/exchange backup /backups/2026-11-22.age")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_passphrase_option
@click.pass_context
@reports
def backup(context: click.Context, file: Path, passphrase_file: Path | None) -> WrittenBackup:
    """Write the whole database to a new encrypted FILE, while the exchange serves."""
    from exchange.operations.back_up import back_up_database  # noqa: PLC0415 - slow to import, needed here only

    load_settings(home_of(context))  # before a passphrase is asked for
    passphrase = _passphrase(passphrase_file, confirm=True)
    check_new_passphrase(passphrase)
    now = utc_now()
    with opened(context) as (settings, database):
        made = back_up_database(database, settings, file.absolute(), passphrase, now)
    return WrittenBackup(
        file=str(file.absolute()),
        revision=made.revision,
        tables=made.tables,
        rows=made.rows,
        log_size=made.log_size,
        bytes=made.file_bytes,
    )


class Restored(CommandResult, frozen=True):
    """A backup that was restored, and how the log goes on."""

    created_at: str
    tables: int
    rows: int
    log_size: int
    last_signed_size: int | None
    log_state: str
    what_to_do: str

    def text(self) -> str:
        counted = f"{self.rows:,} rows of {self.tables} tables are restored, as of {self.created_at}."
        return f"{counted}\n{self.log_state}: {self.what_to_do}"


@click.command(epilog="Example: exchange --home /srv/exchange restore /backups/2026-11-22.age")
@click.argument("file", type=click.Path(dir_okay=False, path_type=Path))
@_passphrase_option
@click.pass_context
@reports
def restore(context: click.Context, file: Path, passphrase_file: Path | None) -> Restored:
    """Restore a backup into the empty database that the settings name, of either kind, whole or not at all."""
    from exchange.operations.restore import restore_database  # noqa: PLC0415 - slow to import, needed here only
    from exchange.operations.start_checks import WHAT_TO_DO  # noqa: PLC0415 - likewise

    load_settings(home_of(context))
    passphrase = _passphrase(passphrase_file, confirm=False)
    with opened(context) as (settings, database):
        done = restore_database(database, settings, file, passphrase)
    return Restored(
        created_at=done.created_at,
        tables=done.tables,
        rows=done.rows,
        log_size=done.log_size,
        last_signed_size=done.head_size,
        log_state=done.log_state.value,
        what_to_do=WHAT_TO_DO[done.log_state],
    )


class Upgraded(CommandResult, frozen=True):
    """The tables' revision before and now."""

    before: str | None
    now: str

    def text(self) -> str:
        return f"The tables were at revision {self.before} and are at {self.now}."


@click.command(epilog="Example: exchange --home /srv/exchange upgrade")
@click.pass_context
@reports
def upgrade(context: click.Context) -> Upgraded:
    """Bring the tables to what this version requires, whole or not at all, and make keys missing from the home.

    Take a backup first.
    """
    from migrations import upgrade as migrations  # noqa: PLC0415 - slow to import, needed here only

    with opened(context) as (settings, database):
        make_missing_keys(settings)
        before = migrations.revision_to_upgrade(database)
        migrations.upgrade(database)
    return Upgraded(before=before, now=migrations.head_revision())


@click.command("new-origin", epilog="Example: exchange --home /srv/exchange log new-origin")
@click.pass_context
def new_origin(context: click.Context) -> None:
    """Start the log under a new origin after a restore that lost entries. Every member is notified and has to accept
    it.
    """
    from exchange.operations.new_origin import start_new_origin  # noqa: PLC0415 - slow to import, needed here only

    with opened(context) as (settings, database):
        done = start_new_origin(database, settings, utc_now())
    print_document(
        done,
        f"The log goes on as {done.origin} ({done.size} leaves), after {done.former_origin}.\n"
        f"Registrars sign proposal {done.proposal_id}; then each member accepts it: `member log accept-origin`.",
    )
