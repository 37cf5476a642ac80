"""The `member` program: the commands, put together."""

from __future__ import annotations

import logging
from pathlib import Path

import click

from keys.terminal.program import complete_program
from member.commands.alerts import alert
from member.commands.enrolment import init, join, status
from member.commands.feed import feed
from member.commands.hits import hits
from member.commands.holder_faults import holder_fault
from member.commands.indicators import submit, token
from member.commands.log import log
from member.commands.notices import notices
from member.commands.outcomes import assessment, outcome
from member.commands.queries.query import query
from member.commands.registrars.home import registrar
from member.commands.representatives import representative
from member.commands.requests.ask import request
from member.commands.rows import rows
from member.commands.settings import config
from member.commands.shared.common import MemberGroup
from member.commands.shared.session import Session
from member.commands.subscriptions import subscription
from member.commands.vault import vault
from member.commands.withdrawals import corrections, withdraw


@click.group(
    cls=MemberGroup,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="Example: member --home ~/bank-a submit suspects.csv",
)
@click.option(
    "--home",
    type=click.Path(file_okay=False, path_type=Path),
    envvar="MEMBER_HOME",
    help="The home directory (~/.exchange-member if not said).",
)
@click.option("--as", "said_as", help="Which representative acts (if not said whoever's home it is, or analyst).")
@click.pass_context
def cli(context: click.Context, home: Path | None, said_as: str | None) -> None:
    """What a member of the exchange runs: its vault, its submissions and hits, its alerts, its own check of the log."""
    session = context.ensure_object(Session)
    session.set_out(home, said_as)


for command in (
    *(init, join, status, notices, representative, token, submit, hits, query, request, alert, feed, subscription),
    *(rows, withdraw, corrections, outcome, assessment),
    holder_fault,
    *(log, vault, config, registrar),
):
    cli.add_command(command)


def _note_json(context: click.Context) -> None:
    context.ensure_object(Session).as_json = True


complete_program(cli, _note_json)


def main() -> None:
    """Entry point of the console script."""
    # What is logged for programs that embed these modules is shown to a person as a warning.
    logging.getLogger("member").addHandler(logging.NullHandler())
    cli.main()
