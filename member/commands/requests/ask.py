"""`request`: asking the holders behind a hit for more or offering them more, and answering what others ask."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import click

from member.commands.requests.answer import answer, prepare_one, refuse, take
from member.commands.requests.text import (
    confirm_option,
    lines_of,
    next_step,
    read_fields,
    read_id,
    read_said,
)
from member.commands.shared.common import Shown, counted, reporting, table, write_new_file
from member.commands.shared.exports import exported, output_option
from member.commands.shared.session import Session
from member.errors import FAILED, UsageError
from member.inputs import read_codes, read_moment
from member.plain import as_lines, to_second
from member.requests import acts
from member.requests.acts import ask_about
from member.requests.asking import RequestContext, read_answers
from member.requests.client import RequestClient
from member.requests.notice import draft_notice
from member.requests.views import AnswerView, gateway_for_members, whole_request, with_own_rows
from member.vault.hits import ShownHits
from schemas.rendering.words import in_words, label
from schemas.requests.messages import NO_DETAILS, PriorNotice, RequestDraft
from schemas.terms import (
    WARNING_FIELDS,
    Direction,
    GatewayCondition,
    LegalGateway,
    RequestField,
    RequestMode,
    RequestState,
    Urgency,
)
from schemas.values.encoding import to_rfc3339

_DEFAULT_FIELDS = ",".join(field for field in RequestField if field is not RequestField.OTHER_COLUMNS)
_ALERT_FIELDS = ",".join(field for field in RequestField if field in WARNING_FIELDS)
_SPARE = ("mode", "urgency", "gateway", "request")
_gateway = click.Choice([code.value for code in LegalGateway])


@click.group(epilog="Example: member request list --incoming")
def request() -> None:
    """Information requests: ask the institutions behind a hit for more, or offer it, and answer what they ask."""


def _texts(function: Any) -> Any:
    for option, explained in (
        ("--proportionality", "Why it is no more than that takes, and fair to whom it is about."),
        ("--necessity", "Why it cannot be done without."),
        ("--purpose", "What it is for."),
    ):
        function = click.option(option, default="", help=explained)(function)
    return function


@request.command("create", epilog="Example: member request create HIT_ID --legal-gateway ECCTA2023_s188 --purpose …")
@click.argument("hit_id")
@click.option("--mode", type=click.Choice([code.value for code in RequestMode]), default="request", show_default=True)
@click.option("--legal-gateway", type=_gateway, required=True, help="The ground on which it is disclosed.")
@click.option("--condition", type=click.Choice([code.value for code in GatewayCondition]), help="Of ECCTA 2023 s188.")
@_texts
@click.option("--fields", help=f"What is asked for, or offered: {_DEFAULT_FIELDS}; in an alert {_ALERT_FIELDS}.")
@confirm_option
@click.option("--urgency", type=click.Choice([code.value for code in Urgency]), default="14d", show_default=True)
@click.option("--nca-notice", help="The NCA's reference of a notice given before (member request notice drafts it).")
@click.option("--notice-given-at", metavar="TIME", help="When that notice was given, 2026-11-23T09:00:00Z.")
@click.pass_obj
@reporting
def create(
    session: Session,
    /,
    hit_id: str,
    fields: str | None,
    nca_notice: str | None,
    notice_given_at: str | None,
    **given: Any,
) -> Shown:
    """Ask the institutions behind a hit. They see who asks only once they take it up.

    With --mode provide or alert we offer to tell them. Who takes that up agrees to receive it and to be named to us;
    then another person of ours releases it: member --as authoriser request answer ID --full.

    What the legal gateway requires and is missing is named before anything is sent.
    """
    texts = {name: read_said(name, given.pop(name)) for name in ("purpose", "necessity", "proportionality")}
    notice = _read_notice(nca_notice, notice_given_at)
    usual = _ALERT_FIELDS if given["mode"] == RequestMode.ALERT else _DEFAULT_FIELDS
    named = read_fields("fields", usual if fields is None else fields)
    confirmed = read_codes(given.pop("confirmations"))
    about = _find_hit(session, hit_id)
    draft = RequestDraft(
        hit_id=about,
        fields=list(named),
        nca_notice=notice,
        confirmations=list(confirmed),
        **texts,
        **given,
    )
    standing = ask_about(session.workplace, draft)
    show_it = f"member request show {standing.request_id}"
    text = f"request {standing.request_id} is {in_words(standing.state)}, due {to_second(standing.due_at)}: {show_it}"
    return Shown(standing, as_lines([text]))


@request.command(
    "notice", epilog="Example: member request notice HIT_ID --legal-gateway POCA2002_s339ZB --out notice.txt"
)
@click.argument("hit_id")
@click.option("--legal-gateway", type=_gateway, required=True, help="The gateway that requires a notice first.")
@click.option("--subject", default="", help="Who is suspected, so far as known.")
@click.option("--grounds", default="", help="The grounds of the suspicion.")
@click.option("--sought", default="", help="The information that will be asked for.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this new file.")
@click.pass_obj
@reporting
def notice(
    session: Session, hit_id: str, *, legal_gateway: str, subject: str, grounds: str, sought: str, out: Path | None
) -> Shown:
    """Draft the notice that a gateway requires before a request. It is made here: the exchange sees nothing of it."""
    said = {"subject": subject, "grounds": grounds, "information_sought": sought}
    drafted = draft_notice(RequestContext.at(session.workplace), _find_hit(session, hit_id), legal_gateway, said)
    document = {"request_id": drafted.request_id, "addressee": drafted.addressee, "notice": drafted.text}
    if out is None:
        return Shown(document, drafted.text)
    write_new_file(out, drafted.text.encode())
    return Shown({**document, "file": str(out)}, f"written: {out}")


@request.command("gateways", epilog="Example: member request gateways")
@click.pass_obj
@reporting
def gateways(session: Session) -> Shown:
    """List the legal gateways and what each takes."""
    found = list(RequestClient.at(session.workplace).gateways().values())
    made = table(
        "legal gateways", "code", "modes", "conditions", "confirmed by who tells", "notice before", whole=("code",)
    )
    for one in found:
        notice_to = one.prior_notice.addressee if one.prior_notice else ""
        conditions = ", ".join(f"{each.mode}: {each.condition}" for each in one.conditions)
        confirmed = ", ".join(" or ".join(each.codes) for each in one.confirmations)
        made.add_row(one.code, ", ".join(map(in_words, one.modes)), conditions, confirmed, notice_to)
    provisions = as_lines(f"{one.code} is {one.citation}" for one in found)
    return Shown({"gateways": [gateway_for_members(one) for one in found]}, provisions, made)


@request.command("list", epilog="Example: member request list --incoming")
@click.option("--incoming", "direction", flag_value=Direction.INCOMING.value, help="Only what others ask.")
@click.option("--outgoing", "direction", flag_value=Direction.OUTGOING.value, help="Only what we ask.")
@click.option("--state", type=click.Choice([code.value for code in RequestState]), help="Only those in this state.")
@output_option
@click.pass_obj
@reporting
def list_all(session: Session, direction: str | None, state: str | None, output: Path | None) -> Shown:
    """List requests to us and of ours."""
    listed = list(RequestContext.at(session.workplace).every_request(direction=direction, state=state))
    found = list(with_own_rows(session.workplace.vault, listed))
    documents = [one.to_json() for one in found]
    numbers = session.workplace.number("request", (one.request_id for one in listed))
    if output is not None:
        return exported(output, {"requests": documents}, "requests")
    columns = ("no.", "direction", "state", "due", "urgency", "mode", "gateway", "own value", "request")
    made = table(counted(len(found), "request"), *columns, whole=("due", "request", "own value"), spare=_SPARE)
    for one in found:
        read = one.request
        shown = (read.direction, read.state, read.due_at, read.urgency, read.mode, read.legal_gateway)
        made.add_row(str(numbers[read.request_id]), *map(label, shown), ", ".join(one.values), read.request_id)
    return Shown({"requests": documents}, "" if found else "no requests", made if found else None)


@request.command("show", epilog="Example: member request show ID")
@click.argument("request_id", metavar="ID")
@click.option("--withdrawn", "shows_withdrawn", is_flag=True, help="Also the details of answers that were taken back.")
@click.pass_obj
@reporting
def show(session: Session, request_id: str, *, shows_withdrawn: bool) -> Shown:
    """Show a request, and what was disclosed in answer or of an offer: opened, and checked against the registrars'
    statements.

    What was taken back is marked as that: nobody may go by it any more.
    """
    found = read_id(session, request_id)
    context = RequestContext.at(session.workplace)
    read = context.read(found)
    answers = read_answers(context, read)
    if not shows_withdrawn:
        answers = [replace(answer, details=NO_DETAILS) if answer.is_withdrawn else answer for answer in answers]
    shown = [AnswerView.of(answer) for answer in answers]
    document = {**whole_request(session.workplace.vault, read), "answers": shown}
    faults = [f"{answer.given.institution}: {answer.fault}" for answer in answers if answer.fault]
    if faults:
        error = {"type": "bad_answer", "detail": f"answers that cannot be believed: {'; '.join(faults)}"}
        document = {"error": error, **document}
    text = as_lines([*lines_of(session, read, answers), *next_step(session, read)])
    return Shown(document, text, warnings=faults, exit_code=FAILED if faults else 0)


@request.command("cancel", epilog="Example: member request cancel ID")
@click.argument("request_id", metavar="ID")
@click.pass_obj
@reporting
def cancel(session: Session, request_id: str) -> Shown:
    """Take back a request of our own: nobody answers it any more. What was answered stays."""
    found = read_id(session, request_id)
    standing = acts.cancel(session.workplace, found)
    if standing.state == RequestState.ANSWERED:
        said = "what was answered stays, and nobody else answers it any more"
    else:
        said = "nobody answers it any more"
    text = f"request {standing.request_id} is {in_words(standing.state)}: {said}"
    return Shown(standing, as_lines([text]))


def _find_hit(session: Session, text: str) -> str:
    return session.workplace.find_id("hit", text, ShownHits(session.workplace.vault).ids)


def _read_notice(reference: str | None, given_at: str | None) -> PriorNotice | None:
    if reference is None and given_at is None:
        return None
    if reference is None or given_at is None:
        raise UsageError("--nca-notice and --notice-given-at go together")
    return PriorNotice(
        reference=" ".join(read_said("nca_notice", reference, 64).split()),
        given_at=to_rfc3339(read_moment("notice_given_at", given_at)),
    )


for _command in (take, prepare_one, answer, refuse):
    request.add_command(_command)
