"""The program `exchange`: setting up, serving, and the operator's side of membership.

What the operator drafts here counts only when the registrars have signed it; stopping a member counts at once. This
module and wsgi.py compose: they alone know both the exchange and the alerts.
"""

from __future__ import annotations

import json
import os
import sys
from functools import partial
from pathlib import Path
from typing import Any

import click
import msgspec
from sqlalchemy.exc import SQLAlchemyError

from edge.logs import logging_configuration
from exchange.configuration.settings import (
    LONGEST_TICK,
    PASSPHRASE_VARIABLE,
    TICK_SECONDS,
    SettingsError,
    config_file,
    load_log_signer,
    load_policy,
)
from exchange.kernel.decision import RefusalError
from exchange.kernel.fitness import DatabaseUnfitError
from exchange.log.events import LogUnavailableError
from exchange.log.head_file import LogRefusedError
from exchange.log.reading import read_status
from exchange.membership.statements import next_sequence
from exchange.operations.back_up import BackupError
from exchange.programs.backup_commands import backup, new_origin, restore, upgrade
from exchange.programs.commands import CommandError, configure_logs, database_error, home_of, opened, run_program
from exchange.programs.doctor_command import doctor
from exchange.programs.group_commands import sharing_group
from exchange.programs.identifiers import IdentifierType
from exchange.programs.member_commands import member_group
from exchange.programs.metrics_commands import metrics
from exchange.programs.proposal_commands import proposal
from exchange.programs.report_commands import report
from exchange.programs.root_commands import root_group
from exchange.programs.sandbox_commands import demo, sandbox
from exchange.queries.decide import QueryLimits
from exchange.registrars.propose import UnknownProposalError, add_drafted_payload
from exchange.registrars.rotate_key import UnknownRepresentativeError
from exchange.registrars.stop_member import UnknownMemberError
from keys.custody.files import CustodyError, check_new_passphrase, read_passphrase
from keys.custody.new_home import is_unfinished
from keys.statements.envelopes import StatementError
from keys.statements.replacement import ReplacementError
from keys.terminal.program import CommandResult, Program, complete_program, reports
from schemas.values.canonical import NotCanonicalError, canonical_json
from schemas.values.clock import utc_now
from schemas.values.encoding import to_rfc3339

ERRORS: list[tuple[type[Exception], str]] = [
    (SettingsError, "settings"),
    (CustodyError, "custody"),
    (StatementError, "statement"),
    (UnknownProposalError, "unknown"),
    (NotCanonicalError, "statement"),
    (DatabaseUnfitError, "database"),
    (UnknownMemberError, "unknown-member"),
    (UnknownRepresentativeError, "unknown-representative"),
    (ReplacementError, "new-key"),
    (LogRefusedError, "log"),
    (LogUnavailableError, "log"),
    (RefusalError, "refused"),
    (BackupError, "backup"),
]


@click.group(
    "exchange",
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Example: exchange --home /srv/exchange serve --port 8443",
)
@click.option(
    "--home", default="exchange-home", envvar="EXCHANGE_HOME", show_default=True, help="The exchange's folder."
)
def program(home: str) -> None:
    """Run an exchange: members find overlaps between their indicators without showing them."""


class LogName(msgspec.Struct, frozen=True, kw_only=True):
    """The log's origin, and the key that verifies its checkpoints."""

    origin: str
    vkey: str


class NewExchange(CommandResult, frozen=True):
    """An exchange that was set up."""

    exchange_id: str
    url: str
    log: LogName
    registrars_fingerprint: str
    proposal_id: str

    def text(self) -> str:
        return f"The exchange {self.exchange_id} is set up. Registrars sign proposal {self.proposal_id}."


@program.command(epilog="Example: exchange init --registrars registrars.json --url https://x.example --exchange-id uk")
@click.option("--registrars", required=True, type=click.Path(path_type=Path), help="The registrars' root (JSON).")
@click.option("--url", required=True, help="The public address, which members sign for.")
@click.option("--exchange-id", required=True, type=IdentifierType())
@click.option("--database-url", help="sqlite:///… or postgresql+psycopg://…  [default: SQLite in the home]")
@click.option("--passphrase-file", type=click.Path(path_type=Path), help="Opens the keys; asked for if not given.")
@click.option(
    "--tick-seconds",
    default=TICK_SECONDS,
    show_default=True,
    type=click.IntRange(1, LONGEST_TICK),
    help="How often the log grows, by a leaf for each member.",
)
@click.pass_context
@reports
def init(context: click.Context, /, **options: Any) -> NewExchange:
    """Make keys, log and database, and draft the exchange's own statement."""
    from exchange.operations.set_up import Plan, set_up  # noqa: PLC0415 - slow to import, needed here only

    if config_file(home_of(context)).exists() and not is_unfinished(home_of(context)):
        raise SettingsError(f"{home_of(context)} holds an exchange already")
    passphrase = read_passphrase(
        options["passphrase_file"],
        variable=PASSPHRASE_VARIABLE,
        environ=os.environ,
        prompt=lambda: click.prompt("New passphrase", hide_input=True, confirmation_prompt=True, err=True),
    )
    check_new_passphrase(passphrase, options["exchange_id"])
    try:
        settings, proposal_id = set_up(home_of(context), Plan(**options), passphrase, utc_now())
    except SQLAlchemyError as error:
        raise database_error(error, options["database_url"] or f"sqlite:///{home_of(context)}") from error
    return NewExchange(
        exchange_id=settings.exchange_id,
        url=settings.url,
        log=LogName(origin=settings.log_origin, vkey=settings.log_vkey),
        registrars_fingerprint=settings.root.fingerprint,
        proposal_id=proposal_id,
    )


@program.command(epilog="Example: exchange --home /srv/exchange serve --port 8443")
@click.option("--host", default="127.0.0.1", show_default=True)
@click.option("--port", default=8443, show_default=True, type=click.IntRange(1, 65_535))
@click.option("--workers", default=2, show_default=True, type=click.IntRange(1, 64), help="Processes.")
@click.option("--threads", default=8, show_default=True, type=click.IntRange(1, 64), help="Threads of each process.")
@click.pass_context
def serve(context: click.Context, host: str, port: int, workers: int, threads: int) -> None:
    """Serve the HTTP API, behind a proxy that speaks TLS."""
    from exchange.programs.metrics_commands import prepare_measuring  # noqa: PLC0415 - needed here only

    configure_logs(of_service=True)
    prepare_measuring(home_of(context))  # before anything that counts is imported
    import wsgi  # noqa: PLC0415 - slow to import, needed here only
    from edge.serving import Server  # noqa: PLC0415 - likewise
    from exchange.operations.start_checks import check_start  # noqa: PLC0415 - likewise

    with opened(context) as (settings, database):
        check_start(settings, database)
    keys = wsgi.load_keys(settings)  # a missing secret stops the start here, not in a worker process
    Server(
        lambda: wsgi.compose(settings, keys=keys),
        host=host,
        port=port,
        workers=workers,
        threads=threads,
        logconfig_dict=logging_configuration(),
    ).run()


@program.command(epilog="Example: exchange --home /srv/exchange worker")
@click.pass_context
def worker(context: click.Context) -> None:
    """Tick the log and run the scheduled jobs, until SIGTERM."""
    from alerts.composition import jobs as alerts_jobs  # noqa: PLC0415 - slow to import, needed here only
    from exchange.log.head_file import HeadFile  # noqa: PLC0415 - likewise
    from exchange.log.sequencer import Sequencer  # noqa: PLC0415 - likewise
    from exchange.operations.start_checks import check_start  # noqa: PLC0415 - likewise
    from exchange.programs.worker import Worker, exchange_jobs, query_jobs  # noqa: PLC0415 - likewise

    configure_logs(of_service=True)
    with opened(context) as (settings, database):
        check_start(settings, database)
        signer = load_log_signer(settings)
        sequencer = Sequencer(database, signer, HeadFile(settings.head_file, signer))
        limits = QueryLimits(load_policy(settings).rules, settings.longest_query_days)
        queries = query_jobs(database, limits, min(60, settings.tick_seconds))
        jobs = [
            *exchange_jobs(database, settings.correction_hours),
            *queries,
            *alerts_jobs(settings, database, utc_now),
        ]
        Worker(database, sequencer, tick_seconds=settings.tick_seconds, jobs=jobs, clock=utc_now).run()


@program.group(epilog="Example: exchange epoch propose epoch.json")
def epoch() -> None:
    """Draft key epochs for the registrars to sign."""


class DraftedEpoch(CommandResult, frozen=True):
    """A key epoch that waits for the registrars' signatures."""

    epoch: int
    proposal_id: str

    def text(self) -> str:
        return f"Registrars sign proposal {self.proposal_id} about epoch {self.epoch}."


@epoch.command(epilog="Example: exchange epoch propose epoch.json")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
@reports
def propose(context: click.Context, file: Path) -> DraftedEpoch:
    """Draft the epoch that a ceremony of the key holders wrote to FILE."""
    try:
        body = json.loads(file.read_bytes())
        number = body["epoch"]
    except OSError as error:
        raise CommandError("file", f"{file} cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise CommandError("file", f"{file} holds no epoch") from None
    now = utc_now()
    with opened(context) as (_, database), database.transaction() as session:
        sequence = next_sequence(session, "epoch", str(number))
        head = {"type": "epoch", "sequence": sequence, "issued_at": to_rfc3339(now)}
        proposal_id = add_drafted_payload(session, canonical_json({**body, **head}), now)
    return DraftedEpoch(epoch=number, proposal_id=proposal_id)


@program.group(epilog="Example: exchange alert generate 1000 --member necc --group taskforce")
def alert() -> None:
    """Alerts of generated text, for trying out feeds and readers."""


class GeneratedAlerts(CommandResult, frozen=True):
    """How many alerts were published."""

    alerts: int

    def text(self) -> str:
        return f"{self.alerts:,} generated alerts are published."


@alert.command(epilog="Example: exchange alert generate 1000 --member necc --group taskforce")
@click.argument("count", type=click.IntRange(1, 1_000_000))
@click.option("--member", "member_id", required=True, type=IdentifierType(), help="Who issues them.")
@click.option(
    "--group", "group_id", required=True, type=IdentifierType(), help="A group of its, which may read them all."
)
@click.pass_context
@reports
def generate(context: click.Context, count: int, member_id: str, group_id: str) -> GeneratedAlerts:
    """Publish COUNT generated alerts by the rules of every other, with their log entries and in all feeds.

    They bear nobody's signature: give this command in a sandbox, not where alerts are meant.
    """
    from alerts.load import publish_generated  # noqa: PLC0415 - slow to import, needed here only

    with opened(context) as (_, database):
        report = partial(click.echo, err=True)
        return GeneratedAlerts(alerts=publish_generated(database, member_id, group_id, count, report))


@program.group("log", epilog="Example: exchange log status")
def log_group() -> None:
    """The transparency log."""


class PublishedLog(CommandResult, frozen=True):
    """The published log, and how many entries wait for the next tick."""

    origin: str
    vkey: str
    size: int
    signed_at: str | None
    pending: int

    def text(self) -> str:
        return f"{self.origin}: {self.size} leaves, {self.pending} entries wait, signed {self.signed_at}"


@log_group.command(epilog="Example: exchange log status --json")
@click.pass_context
@reports
def status(context: click.Context) -> PublishedLog:
    """Size of the published log, its head's age, and what waits for the next tick."""
    with opened(context) as (settings, database), database.reading() as session:
        found = read_status(session)
    return PublishedLog(
        origin=settings.log_origin,
        vkey=settings.log_vkey,
        size=found.size,
        signed_at=None if found.signed_at is None else to_rfc3339(found.signed_at),
        pending=found.pending,
    )


log_group.add_command(new_origin)
for command in (member_group, sharing_group, backup, restore, upgrade, metrics, report, doctor, proposal, root_group):
    program.add_command(command)
program.add_command(sandbox)
program.add_command(demo)
complete_program(program)


def main() -> None:
    """The entry point."""
    configure_logs()
    sys.exit(run_program(program, sys.argv[1:], ERRORS))
