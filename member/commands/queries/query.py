"""`query`: asking as law enforcement, authorising what a colleague asks, and what comes of it."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import click
import msgspec

from member.commands.queries.text import found_table, grounds_lines, handling_lines, other_agency_text, standing_text
from member.commands.shared.common import Shown, counted, reporting, table, write_new_file
from member.commands.shared.exports import exported, output_option
from member.commands.shared.session import Session
from member.commands.shared.values import given_values, value_file_option
from member.errors import UsageError
from member.normalise.rules import RULES
from member.plain import as_lines, printable
from member.queries import acts
from member.queries.acts import as_shown, list_queries, prove_reading, read_application, read_subjects
from member.queries.client import OpenedQuery, QueryClient
from member.queries.context import QueriedValue, QueryContext, UnapprovedError
from member.queries.report import COLUMNS, render_pdf, rows_of
from member.queries.shown import ShownQuery, show_grounds
from member.tables.exporting import check_output, write_rows
from member.workplace.receipts import missing_receipt
from schemas.queries.messages import QueryApplication, QueryStatus
from schemas.rendering.words import label
from schemas.terms import LegalGateway, QueryState
from schemas.values.encoding import to_rfc3339

_ASK = "ask"


class QueryGroup(click.Group):
    """`member query VALUE …` asks; a first word that names a subcommand is one."""

    def parse_args(self, context: click.Context, arguments: list[str]) -> list[str]:
        """Asking is what is meant unless something else is said."""
        said = next((word for word in arguments if word != "--json"), None)
        if said is not None and said not in self.commands and said not in context.help_option_names:
            arguments = [_ASK, *arguments]
        return super().parse_args(context, arguments)


@click.group(
    cls=QueryGroup,
    epilog="Example: member query --type iban 'GB29 NWBK 6016 1331 9268 19' --case OP-7 --legal-gateway CCA2013_s7 …",
)
def query() -> None:
    """Law enforcement: ask who holds what a case is about, covertly unless --overt is said.

    Without a subcommand: member query --type TYPE VALUE… (see member query ask --help).
    """


@query.command(
    _ASK,
    epilog="Example: member query --type phone +447700900123 --case OP-7 --legal-gateway CCA2013_s7 --purpose '…' "
    "--authorised-by authoriser --until 2027-02-01",
)
@click.option("--type", "indicator_type", type=click.Choice(sorted(RULES)), help="What the values are.")
@click.argument("values", metavar="VALUE…", nargs=-1)
@value_file_option
@click.option("--file", type=click.Path(dir_okay=False, path_type=Path), help="A CSV of indicator_type and value.")
@click.option("--case", required=True, help="The case's reference; banks never see it.")
@click.option("--legal-gateway", required=True, type=click.Choice([code.value for code in LegalGateway]))
@click.option("--purpose", required=True, help="What it is for.")
@click.option("--necessity", help="Why it cannot be done without; default: config set.")
@click.option("--proportionality", help="Why it is no more than that takes; default: config set.")
@click.option("--authorised-by", required=True, metavar="REPRESENTATIVE", help="The officer who is to authorise it.")
@click.option("--until", metavar="DATE", help="The last day of it and of its cover; 90 days if neither is said.")
@click.option("--watch", metavar="DATE", help="Tell of new rows too, until this day.")
@click.option("--overt", is_flag=True, help="Tell the banks at once.")
@click.option("--silent", is_flag=True, help="No other agency learns of it.")
@click.option(
    "--approve", is_flag=True, help="A sandbox's alone: authorise it at once, with the officer's key in the same home."
)
@click.pass_obj
@reporting
def ask(
    session: Session,
    /,
    *,
    indicator_type: str | None,
    values: tuple[str, ...],
    value_file: Path | None,
    file: Path | None,
    overt: bool,
    silent: bool,
    approve: bool,
    **given: str | None,
) -> Shown:
    """Ask which institutions hold any of the values. Another officer authorises it, and then it is answered."""
    values = given_values(values, value_file)
    subjects = read_subjects(indicator_type, values, file, session.workplace.circumstances)
    application = read_application(session.workplace, given, covert=not overt, silent=silent)
    if approve:
        return _approve_at_once(session, subjects, application)
    standing = QueryContext.at(session.workplace).ask(subjects, application, session.workplace.today())
    document = {**msgspec.to_builtins(standing), "results": [], "deconfliction": False}
    session.workplace.number("query", [standing.query_id])
    name = application.authorised_by.partition("/")[2]
    text = f"query {standing.query_id} is {standing.state}: member --as {name} query approve {standing.query_id}"
    return Shown(document, as_lines([text]), warnings=_receipt_warnings(session))


def _approve_at_once(session: Session, subjects: list[QueriedValue], application: QueryApplication) -> Shown:
    officer = QueryClient.at(session.workplace, session.officer(application.authorised_by))
    try:
        return _show(
            session,
            QueryContext.at(session.workplace).ask_and_approve(
                subjects, application, session.workplace.today(), officer
            ),
        )
    except UnapprovedError as unapproved:
        error, name = unapproved.error, application.authorised_by.partition("/")[2]
        approving = f"member --as {name} query approve {unapproved.query_id}"
        hint = f"the query is asked: give the same command again, or {approving}"
        error.hint = f"{error.hint}; {hint}" if error.hint else hint
        raise error from None


@query.command("approve", epilog="Example: member --as authoriser query approve ID")
@click.argument("query_id", metavar="ID")
@click.option(
    "--yes",
    is_flag=True,
    help="Do not ask whether you agree. Without a terminal, or with --json, giving the command is agreeing.",
)
@click.pass_obj
@reporting
def approve_one(session: Session, query_id: str, yes: bool) -> Shown:
    """Authorise a query that names you, and have it answered. Shows on what it stands: you agree to that and to nothing
    else, for the exchange approves none that says other than what was shown.

    At a terminal you are asked whether you agree; without one, or with --json, giving the command is agreeing.
    """
    workplace = session.workplace
    chosen = workplace.find_id("query", query_id)

    def agree(read: OpenedQuery) -> None:
        if session.as_json:
            return
        click.echo(printable(as_lines(grounds_lines(show_grounds(session.workplace.vault, read)))), err=True)
        if not yes and sys.stdin.isatty():
            click.confirm("Do you authorise this query?", abort=True, err=True)

    return _show(session, acts.approve(workplace, chosen, agree))


@query.command("refuse", epilog="Example: member --as authoriser query refuse ID")
@click.argument("query_id", metavar="ID")
@click.pass_obj
@reporting
def refuse(session: Session, query_id: str) -> Shown:
    """Refuse to authorise a query that names you. It is never answered."""
    return _step(session, query_id, "refuse")


@query.command("list", epilog="Example: member query list --state pending")
@click.option("--state", type=click.Choice([state.value for state in QueryState]), help="Only those in this state.")
@click.option("--case", help="Only those of this case.")
@output_option
@click.pass_obj
@reporting
def list_all(session: Session, state: str | None, case: str | None, output: Path | None) -> Shown:
    """List the queries of your agency that you asked, are to authorise, or review. An independent reviewer finds those
    of all agencies in member log entries, and what is fixed for disclosure to banks in member log withheld.
    """
    heads = list_queries(session.workplace, state, case)
    documents = [one.to_json() for one in heads]
    numbers = session.workplace.number("query", (one.read.query.query_id for one in heads))
    if output is not None:
        return exported(output, {"queries": documents}, "queries")
    columns = ("no.", "case", "state", "covert", "until", *_SPARE)
    made = table(counted(len(heads), "query", "queries"), *columns, whole=("query", "until"), spare=_SPARE)
    for one in heads:
        query = one.read.query
        others = "; ".join(map(other_agency_text, one.others))
        days = (query.until, query.watch_until or "")
        shown = (one.read.grounds.case, label(query.state), "yes" if query.covert else "no", *days)
        spare = (others, query.authorised_by, query.asked_by, query.query_id)
        made.add_row(str(numbers[query.query_id]), *shown, *spare)
    return Shown({"queries": documents}, "" if heads else _NO_QUERIES, made if heads else None)


_NO_QUERIES = "no queries (an independent reviewer finds those of all agencies in member log entries)"
_SPARE = ("watch until", "others", "authorised by", "asked by", "query")


@query.command("show", epilog="Example: member query show 3 --pdf op-7.pdf")
@click.argument("query_id", metavar="ID")
@click.option("--pdf", type=click.Path(dir_okay=False, path_type=Path), help="Write it for the case file, marked.")
@click.option("--csv", "sheet", type=click.Path(dir_okay=False, path_type=Path), help="The same as CSV (or .xlsx).")
@click.pass_obj
@reporting
def show(session: Session, query_id: str, pdf: Path | None, sheet: Path | None) -> Shown:
    """Show a query, with what it finds now while it stands. Every reading is logged.

    What is written with --pdf or --csv is made here, and says the marking, the case, and what of the reading stands in
    the log.
    """
    if pdf is not None and pdf.exists():
        raise UsageError(f"{pdf} exists already", "name a new file")
    if sheet is not None:
        check_output(sheet)
    read = QueryClient.at(session.workplace).read(session.workplace.find_id("query", query_id))
    query = as_shown(session.workplace, read)
    shown = _in_words(session, query, grounds=list(grounds_lines(show_grounds(session.workplace.vault, read))))
    return shown if pdf is None and sheet is None else _write(session, query, shown, pdf, sheet)


def _write(session: Session, query: ShownQuery, shown: Shown, pdf: Path | None, sheet: Path | None) -> Shown:
    """Write what was shown; it says where."""
    proof, read_at = prove_reading(session.workplace, query.read), to_rfc3339(session.workplace.around.clock())
    if sheet is not None:
        write_rows(sheet, COLUMNS, rows_of(query, proof, read_at))
    if pdf is not None:
        write_new_file(pdf, render_pdf(query, proof, reader=session.workplace.identity.key_id, read_at=read_at))
    written = {name: str(path) for name, path in (("pdf", pdf), ("csv", sheet)) if path is not None}
    text = "\n".join([shown.text, *(f"written: {path}" for path in written.values())])
    warning = "what is written holds identifiers in the clear: keep it as its marking says"
    document = {**query.to_json(), "log_entry": proof.number, **written}
    return replace(shown, document=document, text=text, warnings=[warning])


@query.command("extend", epilog="Example: member --as authoriser query extend ID --watch 2027-05-01 --reason 'trial'")
@click.argument("query_id", metavar="ID")
@click.option("--until", metavar="DATE", help="The new last day; with --watch, the present one if not said.")
@click.option("--watch", metavar="DATE", help="The new last day of its watch.")
@click.option("--reason", required=True, help="Why it must go on; logged.")
@click.pass_obj
@reporting
def extend(session: Session, query_id: str, until: str | None, watch: str | None, reason: str) -> Shown:
    """Let a query and its cover, or its watch, last longer. Not by the one who asked."""
    standing = acts.extend(session.workplace, query_id, until=until, watch=watch, reason=reason)
    return _standing_shown(session, standing)


@query.command("end-watch", epilog="Example: member query end-watch ID")
@click.argument("query_id", metavar="ID")
@click.pass_obj
@reporting
def end_watch(session: Session, query_id: str) -> Shown:
    """End a query's watch before its day."""
    standing = QueryClient.at(session.workplace).step(session.workplace.find_id("query", query_id), "end-watch")
    return _standing_shown(session, standing, "; its watch has ended")


def _step(session: Session, query_id: str, step: str) -> Shown:
    workplace = session.workplace
    return _standing_shown(session, QueryClient.at(workplace).step(workplace.find_id("query", query_id), step))


def _standing_shown(session: Session, standing: QueryStatus, more: str = "") -> Shown:
    return Shown(standing, as_lines([f"{standing_text(standing)}{more}"]), warnings=_receipt_warnings(session))


def _receipt_warnings(session: Session) -> list[str]:
    why = missing_receipt(session.workplace)
    return [] if why is None else [f"no receipt yet ({why}): member log verify asks for it"]


def _show(session: Session, read: OpenedQuery) -> Shown:
    return _in_words(session, as_shown(session.workplace, read))


def _in_words(session: Session, shown: ShownQuery, grounds: Sequence[str] = ()) -> Shown:
    query = shown.read.query
    others = [f"another agency is about the same: {other_agency_text(other)}" for other in shown.head.others]
    return Shown(
        shown.to_json(),
        as_lines([standing_text(query), *grounds, *handling_lines(shown.results), *others]),
        found_table(shown.results, shown.names) if query.results else None,
        _receipt_warnings(session),
    )
