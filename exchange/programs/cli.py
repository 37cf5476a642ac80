"""The program `exchange`: setting up, serving, and the operator's side of membership.

What the operator drafts here counts only when the registrars have signed it; stopping a member counts at once. This
module and wsgi.py compose: they alone know both the exchange and the alerts.
"""

from __future__ import annotations

import dataclasses
import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import click
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.orm import Session

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
from exchange.membership.roots import read_roots
from exchange.membership.statements import latest_effective, next_sequence
from exchange.membership.store import groups_of_member, list_members
from exchange.operations.back_up import BackupError
from exchange.programs.backup_commands import backup, new_origin, restore, upgrade
from exchange.programs.commands import (
    CommandError,
    configure_logs,
    database_error,
    home_of,
    opened,
    reports,
    run_program,
)
from exchange.programs.doctor_command import doctor
from exchange.programs.key_commands import four_eyes_command, rotate_key_command
from exchange.programs.metrics_commands import metrics
from exchange.programs.proposal_commands import proposal
from exchange.programs.report_commands import report
from exchange.programs.root_commands import root_group
from exchange.programs.sandbox_commands import demo, sandbox
from exchange.queries.decide import QueryLimits
from exchange.registrars.enrolments import list_invited
from exchange.registrars.issue_enrolment import CODE_LIFETIME, Invitation, issue_enrolment
from exchange.registrars.propose import UnknownProposalError, add_drafted_payload, propose_statement
from exchange.registrars.rotate_key import UnknownRepresentativeError
from exchange.registrars.stop_member import UnknownMemberError, stop_member
from keys.custody.files import CustodyError, check_new_passphrase, read_passphrase
from keys.custody.new_home import is_unfinished
from keys.signatures.strict import require_identifier
from keys.statements.envelopes import StatementError
from keys.statements.replacement import ReplacementError
from keys.statements.types import GroupState, GroupStatement, MemberState, parse_statement
from keys.terminal.program import Program, complete_program
from schemas.terms import GroupKind, MemberKind, Sector
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


class IdentifierType(click.ParamType[str]):
    """An identifier: 1 to 64 of a-z, 0-9, - and _."""

    name = "id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """The identifier itself, or a usage error."""
        try:
            return require_identifier(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


class Identifiers(click.ParamType[list[str]]):
    """Identifiers separated by commas."""

    name = "id,id"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> list[str]:
        """The identifiers, or a usage error."""
        if isinstance(value, list):
            return value
        return [IdentifierType().convert(part.strip(), param, ctx) for part in str(value).split(",") if part.strip()]


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
@reports(lambda done: f"The exchange {done['exchange_id']} is set up. Registrars sign proposal {done['proposal_id']}.")
def init(context: click.Context, /, **options: Any) -> dict[str, Any]:
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
    return {
        "exchange_id": settings.exchange_id,
        "url": settings.url,
        "log": {"origin": settings.log_origin, "vkey": settings.log_vkey},
        "registrars_fingerprint": settings.root.fingerprint,
        "proposal_id": proposal_id,
    }


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


@program.group(epilog="Example: exchange member list")
def member() -> None:
    """Invite, list and stop members, rotate their representatives' keys, and say what takes two of them."""


member.add_command(rotate_key_command)
member.add_command(four_eyes_command)


@member.command(
    "enrol",
    epilog="Example: exchange member enrol acme --kind telecom --name A --sector telecommunications --declared-book 9",
)
@click.argument("member_id", type=IdentifierType())
@click.option("--kind", required=True, type=click.Choice([kind.value for kind in MemberKind]))
@click.option("--name", required=True)
@click.option("--sector", required=True, type=click.Choice([sector.value for sector in Sector]))
@click.option("--declared-book", required=True, type=click.IntRange(0, 10**10), help="How many accounts it holds.")
@click.pass_context
@reports(lambda done: f"Give this code to {done['member_id']}, once and in confidence:\n{done['code']}")
def enrol(context: click.Context, /, **options: Any) -> dict[str, Any]:
    """Make a one-time enrolment code. It makes nobody a member: the registrars sign for that."""
    if not 1 <= len(options["name"]) <= 200 or not options["name"].isprintable():
        raise click.BadParameter("expected 1 to 200 printable characters", param_hint="--name")
    now = utc_now()
    with opened(context) as (settings, database):
        root = read_roots(database, settings.root).as_pinned()
        code = issue_enrolment(database, Invitation(**options), url=settings.url, root=root, now=now)
    return {"member_id": options["member_id"], "code": code, "expires_at": to_rfc3339(now + CODE_LIFETIME)}


@member.command("list", epilog="Example: exchange member list --json")
@click.pass_context
@reports(lambda done: "\n".join(f"{row['member_id']:24} {row['state']:10} {row['name']}" for row in done["members"]))
def list_command(context: click.Context) -> dict[str, Any]:
    """Members as the registrars stated them, and whether the operator stopped them."""
    with opened(context) as (_, database), database.reading() as session:
        found = [
            {
                "member_id": row.member_id,
                "name": row.name,
                "kind": row.kind,
                "sector": row.sector,
                "state": "stopped" if row.stopped_at is not None and row.state == MemberState.ACTIVE else row.state,
                "groups": [group.group_id for group in groups_of_member(session, row.member_id)],
            }
            for row in list_members(session)
        ]
    return {"members": found}


@member.command(epilog="Example: exchange member suspend acme")
@click.argument("member_id", type=IdentifierType())
@click.pass_context
@reports(lambda done: f"{done['member_id']} is stopped. Registrars sign proposal {done['proposal_id']} to suspend it.")
def suspend(context: click.Context, member_id: str) -> dict[str, Any]:
    """Refuse a member everything at once, and draft its suspension for the registrars."""
    with opened(context) as (_, database):
        return {"member_id": member_id, "state": "stopped", "proposal_id": stop_member(database, member_id, utc_now())}


@program.group(epilog="Example: exchange group add mules --members c")
def group() -> None:
    """Draft sharing groups for the registrars to sign."""


def _show_group(done: dict[str, Any]) -> str:
    return f"Registrars sign proposal {done['proposal_id']} about the group {done['group_id']}."


@group.command(
    epilog="Example: exchange group create mules --kind cell --members a,b --objective 'one ring' --sunset 2027-03-31"
)
@click.argument("group_id", type=IdentifierType())
@click.option("--members", required=True, type=Identifiers(), help="Member ids, separated by commas.")
@click.option("--kind", default=GroupKind.THREAT_GROUP.value, type=click.Choice([kind.value for kind in GroupKind]))
@click.option("--name", help="[default: the id]")
@click.option("--objective", required=True)
@click.option("--sunset", type=click.DateTime(["%Y-%m-%d"]), help="Its last day.")
@click.pass_context
@reports(_show_group)
def create(context: click.Context, /, group_id: str, **options: Any) -> dict[str, Any]:
    """Draft a group. A cell requires a sunset date, after which it closes by itself."""
    if options["kind"] == GroupKind.CELL and options["sunset"] is None:
        raise click.BadParameter("a cell requires one", param_hint="--sunset")
    now = utc_now()

    def draft(sequence: int) -> GroupStatement:
        return GroupStatement(
            sequence=sequence,
            issued_at=now,
            group_id=group_id,
            name=options["name"] or group_id,
            kind=GroupKind(options["kind"]),
            objective=options["objective"],
            sunset=None if options["sunset"] is None else _end_of(options["sunset"].date()),
            state=GroupState.OPEN,
            members=frozenset(options["members"]),
        )

    with opened(context) as (_, database):
        with database.reading() as session:
            held = latest_effective(session, "group", group_id)
            _require_known(session, options["members"])
        stated = None if held is None else parse_statement(held.payload)
        if isinstance(stated, GroupStatement) and stated.state is GroupState.OPEN:
            raise CommandError("group-exists", f"the group {group_id} is in force: exchange group add, or close")
        return {"group_id": group_id, "proposal_id": propose_statement(database, "group", group_id, draft, now)}


def _require_known(session: Session, members: Sequence[str]) -> None:
    """CommandError for who is no member and was not invited either: the registrars would sign a slip of the pen."""
    known = {one.member_id for one in list_members(session)} | list_invited(session, members)
    strange = [member_id for member_id in members if member_id not in known]
    if strange:
        raise CommandError(
            "unknown-member",
            f"nobody was enrolled as {', '.join(strange)}: exchange member list; exchange member enrol first",
        )


def _end_of(day: date) -> datetime:
    """The first moment after a day (UTC)."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


@group.command(epilog="Example: exchange group add mules --members c")
@click.argument("group_id", type=IdentifierType())
@click.option("--members", required=True, type=Identifiers(), help="Member ids, separated by commas.")
@click.pass_context
@reports(_show_group)
def add(context: click.Context, group_id: str, members: list[str]) -> dict[str, Any]:
    """Draft a group with more members."""
    with opened(context) as (_, database), database.reading() as session:
        _require_known(session, members)
    return _change_group(context, group_id, lambda held: {"members": held.members | frozenset(members)})


@group.command(epilog="Example: exchange group close mules")
@click.argument("group_id", type=IdentifierType())
@click.pass_context
@reports(_show_group)
def close(context: click.Context, group_id: str) -> dict[str, Any]:
    """Draft the closing of a group."""
    return _change_group(context, group_id, lambda held: {"state": GroupState.CLOSED})


def _change_group(
    context: click.Context, group_id: str, change: Callable[[GroupStatement], dict[str, Any]]
) -> dict[str, Any]:
    """Draft a group as stated now, but for what `change` gives."""
    now = utc_now()
    with opened(context) as (_, database):
        with database.reading() as session:
            held = latest_effective(session, "group", group_id)
        if held is None:
            raise CommandError("unknown-group", f"no statement in force speaks of the group {group_id}")
        stated = parse_statement(held.payload)
        assert isinstance(stated, GroupStatement)  # noqa: S101 - its type is group; for the type checker

        def draft(sequence: int) -> GroupStatement:
            return dataclasses.replace(stated, sequence=sequence, issued_at=now, **change(stated))

        return {"group_id": group_id, "proposal_id": propose_statement(database, "group", group_id, draft, now)}


@program.group(epilog="Example: exchange epoch propose epoch.json")
def epoch() -> None:
    """Draft key epochs for the registrars to sign."""


@epoch.command(epilog="Example: exchange epoch propose epoch.json")
@click.argument("file", type=click.Path(path_type=Path))
@click.pass_context
@reports(lambda done: f"Registrars sign proposal {done['proposal_id']} about epoch {done['epoch']}.")
def propose(context: click.Context, file: Path) -> dict[str, Any]:
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
        return {"epoch": number, "proposal_id": add_drafted_payload(session, canonical_json({**body, **head}), now)}


@program.group(epilog="Example: exchange alert generate 1000 --member necc --group taskforce")
def alert() -> None:
    """Alerts of generated text, for trying out feeds and readers."""


@alert.command(epilog="Example: exchange alert generate 1000 --member necc --group taskforce")
@click.argument("count", type=click.IntRange(1, 1_000_000))
@click.option("--member", "member_id", required=True, type=IdentifierType(), help="Who issues them.")
@click.option(
    "--group", "group_id", required=True, type=IdentifierType(), help="A group of its, which may read them all."
)
@click.pass_context
@reports(lambda done: f"{done['alerts']:,} generated alerts are published.")
def generate(context: click.Context, count: int, member_id: str, group_id: str) -> dict[str, Any]:
    """Publish COUNT generated alerts by the rules of every other, with their log entries and in all feeds.

    They bear nobody's signature: give this command in a sandbox, not where alerts are meant.
    """
    from alerts.load import publish_generated  # noqa: PLC0415 - slow to import, needed here only

    with opened(context) as (_, database):
        report = partial(click.echo, err=True)
        return {"alerts": publish_generated(database, member_id, group_id, count, report)}


@program.group("log", epilog="Example: exchange log status")
def log_group() -> None:
    """The transparency log."""


@log_group.command(epilog="Example: exchange log status --json")
@click.pass_context
@reports(
    lambda done: f"{done['origin']}: {done['size']} leaves, {done['pending']} entries wait, signed {done['signed_at']}"
)
def status(context: click.Context) -> dict[str, Any]:
    """Size of the published log, its head's age, and what waits for the next tick."""
    with opened(context) as (settings, database), database.reading() as session:
        found = read_status(session)
    return {
        "origin": settings.log_origin,
        "vkey": settings.log_vkey,
        "size": found.size,
        "signed_at": None if found.signed_at is None else to_rfc3339(found.signed_at),
        "pending": found.pending,
    }


log_group.add_command(new_origin)
for command in (backup, restore, upgrade, metrics, report, doctor, proposal, root_group):
    program.add_command(command)
program.add_command(sandbox)
program.add_command(demo)
complete_program(program)


def main() -> None:
    """The entry point."""
    configure_logs()
    sys.exit(run_program(program, sys.argv[1:], ERRORS))
