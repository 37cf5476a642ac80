"""`request`: asking the holders behind a hit for more or offering them more, and answering what others ask."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec

from member.alert_values import ValueRefusedError, as_text
from member.commands.common import Shown, at_terminal, counted, read_moment, reporting, table, write_new_file
from member.envelope import CONTACT
from member.errors import FAILED, MemberError, UsedWronglyError, quoted
from member.request_answering import TakenUp, Telling, finish_begun, look_at, release, take_up, tell, tell_nothing
from member.request_client import ListedRequest, Marking, ReadRequest, RequestStanding
from member.request_notice import draft_notice
from member.requests import ReadAnswer, RequestDesk, Wanted, ask, read_answers
from member.session import Session
from member.terminal import as_lines, printable
from member.vault.rows import OwnIndicator, VaultRows
from schemas.encoding import to_rfc3339
from schemas.identifiers import is_uuid7
from schemas.terms import (
    OFFERS,
    WARNING_FIELDS,
    Direction,
    GatewayCondition,
    LegalGateway,
    RefusalReason,
    RequestField,
    RequestMode,
    RequestOutcome,
    RequestState,
    Role,
    Urgency,
)

_USUAL_FIELDS = ",".join(field for field in RequestField if field is not RequestField.OTHER_COLUMNS)
_ALERT_FIELDS = ",".join(field for field in RequestField if field in WARNING_FIELDS)
_MAX_NOTE = 4000
_BATCH = 500
_TAKEN_UP = "the request is taken up now, and waits for an answer or a refusal"
_gateway = click.Choice([code.value for code in LegalGateway])


@click.group(epilog="Example: member request list --incoming")
def request() -> None:
    """Information requests: ask the institutions behind a hit for more, or offer it, and answer what they ask."""


def _texts(function: Any) -> Any:
    for option, told in (
        ("--proportionality", "Why it is no more than that takes, and fair to whom it is about."),
        ("--necessity", "Why it cannot be done without."),
        ("--purpose", "What it is for."),
    ):
        function = click.option(option, default="", help=told)(function)
    return function


_confirm = click.option(
    "--confirm",
    "confirmations",
    metavar="CODE",
    multiple=True,
    help="What the gateway or the marking wants confirmed by who tells (member request gateways lists the codes).",
)


@request.command("create", epilog="Example: member request create HIT_ID --legal-gateway ECCTA2023_s188 --purpose …")
@click.argument("hit_id")
@click.option("--mode", type=click.Choice([code.value for code in RequestMode]), default="request", show_default=True)
@click.option("--legal-gateway", type=_gateway, required=True, help="The ground on which it is told.")
@click.option("--condition", type=click.Choice([code.value for code in GatewayCondition]), help="Of ECCTA 2023 s188.")
@_texts
@click.option("--fields", help=f"What is asked for, or offered: {_USUAL_FIELDS}; in an alert {_ALERT_FIELDS}.")
@_confirm
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

    What the legal gateway wants and is missing is named before anything is sent.
    """
    texts = {name: _read_text(name, given.pop(name)) for name in ("purpose", "necessity", "proportionality")}
    notice = _read_notice(nca_notice, notice_given_at)
    usual = _ALERT_FIELDS if given["mode"] == RequestMode.ALERT else _USUAL_FIELDS
    named = _read_fields(usual if fields is None else fields)
    confirmed = _read_codes(given.pop("confirmations"))
    wanted = Wanted(
        hit_id=hit_id.strip().lower(), fields=named, nca_notice=notice, confirmations=confirmed, **texts, **given
    )
    standing = ask(session.request_desk, wanted)
    show_it = f"member request show {standing.request_id}"
    told = f"request {standing.request_id} is {standing.state}, due {standing.due_at}: {show_it}"
    return Shown(msgspec.to_builtins(standing), as_lines([told]))


@request.command(
    "notice", epilog="Example: member request notice HIT_ID --legal-gateway POCA2002_s339ZB --out notice.txt"
)
@click.argument("hit_id")
@click.option("--legal-gateway", type=_gateway, required=True, help="The gateway that wants a notice first.")
@click.option("--subject", default="", help="Who is suspected, so far as known.")
@click.option("--grounds", default="", help="The grounds of the suspicion.")
@click.option("--sought", default="", help="The information that will be asked for.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write it to this new file.")
@click.pass_obj
@reporting
def notice(
    session: Session, hit_id: str, *, legal_gateway: str, subject: str, grounds: str, sought: str, out: Path | None
) -> Shown:
    """Draft the notice that a gateway wants before a request. It is made here: the exchange sees nothing of it."""
    said = {"subject": subject, "grounds": grounds, "information_sought": sought}
    drafted = draft_notice(session.request_desk, hit_id.strip().lower(), legal_gateway, said)
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
    found = list(session.requests.gateways().values())
    made = table(
        "legal gateways", "code", "modes", "conditions", "confirmed by who tells", "notice before", "provision"
    )
    for one in found:
        notice_to = one.prior_notice.addressee if one.prior_notice else ""
        conditions = ", ".join(f"{each.mode}: {each.condition}" for each in one.conditions)
        confirmed = ", ".join(" or ".join(each.codes) for each in one.confirmations)
        made.add_row(one.code, ", ".join(one.modes), conditions, confirmed, notice_to)
    provisions = as_lines(f"{one.code} is {one.citation}" for one in found)
    return Shown({"gateways": msgspec.to_builtins(found)}, provisions, made)


@request.command("list", epilog="Example: member request list --incoming")
@click.option("--incoming", "direction", flag_value=Direction.INCOMING.value, help="Only what others ask.")
@click.option("--outgoing", "direction", flag_value=Direction.OUTGOING.value, help="Only what we ask.")
@click.option("--state", type=click.Choice([code.value for code in RequestState]), help="Only those in this state.")
@click.pass_obj
@reporting
def list_all(session: Session, direction: str | None, state: str | None) -> Shown:
    """List requests to us and of ours."""
    listed = list(session.request_desk.every_request(direction=direction, state=state))
    found = list(_with_own_rows(session, listed))
    columns = ("request", "direction", "state", "due", "urgency", "mode", "gateway", "own value")
    made = table(counted(len(found), "request"), *columns, whole=("request", "own value"))
    for one in found:
        shown = (one[name] for name in ("direction", "state", "due_at", "urgency", "mode", "legal_gateway"))
        made.add_row(one["request_id"], *shown, ", ".join(one["values"]))
    return Shown({"requests": found}, table=made)


@request.command("show", epilog="Example: member request show ID")
@click.argument("request_id", metavar="ID")
@click.option("--withdrawn", "shows_withdrawn", is_flag=True, help="Also the details of answers that were taken back.")
@click.pass_obj
@reporting
def show(session: Session, request_id: str, *, shows_withdrawn: bool) -> Shown:
    """Show a request, and what was told in answer or of an offer: opened, and checked against the registrars'
    statements.

    What was taken back is marked as that: nobody may go by it any more.
    """
    found = _read_id(request_id)
    desk = session.request_desk
    read = desk.read(found)
    answers = read_answers(desk, read)
    if not shows_withdrawn:
        answers = [replace(answer, details={}) if answer.is_withdrawn else answer for answer in answers]
    document = {**_describe(session, read), "answers": [_describe_answer(answer) for answer in answers]}
    faults = [f"{answer.given.institution}: {answer.fault}" for answer in answers if answer.fault]
    if faults:
        error = {"type": "bad_answer", "detail": f"answers that cannot be believed: {'; '.join(faults)}"}
        document = {"error": error, **document}
    text = as_lines([*_told(session, read, answers), *_next_step(session, read)])
    return Shown(document, text, warnings=faults, exit_code=FAILED if faults else 0)


@request.command("take-up", epilog="Example: member --as authoriser request take-up ID")
@click.argument("request_id", metavar="ID")
@click.pass_obj
@reporting
def take(session: Session, request_id: str) -> Shown:
    """Take up a request to us: only then do we see who asks, what for, and whether it is proved.

    Who takes up an offer (mode provide or alert) agrees to receive it, and to be named to its sender.
    """
    found = _read_id(request_id)
    taken = take_up(session.request_desk, found)
    document = {**_describe(session, taken.request), "proved": taken.doubt is None, "doubt": taken.doubt}
    warnings = [f"nothing may be told: {taken.hindrance}"] if taken.hindrance else []
    text = as_lines([*_told(session, taken.request, []), *_next_step(session, taken.request, taken.hindrance)])
    return Shown(document, text, warnings=warnings)


_yes = click.option(
    "--yes", is_flag=True, help="Do not ask whether you agree. Without a terminal, or with --json, nobody is asked."
)


@request.command("answer", epilog="Example: member --as authoriser request answer ID --partial reason,first_seen")
@click.argument("request_id", metavar="ID")
@click.option("--full", is_flag=True, help="Tell all that was asked for, as far as we hold it.")
@click.option("--partial", metavar="FIELDS", help="Tell these fields only: a,b.")
@click.option("--no-trace", is_flag=True, help="Say that nothing is held.")
@click.option("--note", help="A text that goes with what is told.")
@click.option("--to", metavar="INSTITUTION", help="Of an offer of ours: tell this one alone of those that took it up.")
@_confirm
@_yes
@click.pass_obj
@reporting
def answer(
    session: Session,
    request_id: str,
    *,
    full: bool,
    partial: str | None,
    no_trace: bool,
    note: str | None,
    to: str | None,
    confirmations: tuple[str, ...],
    yes: bool,
) -> Shown:
    """Answer a request to us, or release what we offered (mode provide or alert) to those that took it up.

    A request that is open is taken up first. At a terminal you then see who asks, why and what for, and are asked
    whether you agree; without a terminal, or with --json, giving the command is agreeing.

    What is told is sealed here, for whoever is told alone. An offer is released by another person than made it.
    """
    if full + no_trace + (partial is not None) != 1:
        raise UsedWronglyError("one of --full, --partial and --no-trace is wanted")
    given = {"--note": note is not None, "--to": to is not None, "--confirm": bool(confirmations)}
    beside = ", ".join(option for option, is_given in given.items() if is_given)
    if no_trace and beside:
        raise UsedWronglyError(f"--no-trace tells nothing: {beside} goes with what is told", f"leave out {beside}")
    fields = None if partial is None else _read_fields(partial)
    said = _read_text("note", note or "", _MAX_NOTE)
    if no_trace:
        return _give(session, request_id, lambda desk, taken: tell_nothing(desk, taken, None), yes=yes)
    contact = session.home.config.defaults.get(CONTACT, "")
    telling = Telling(fields, said, contact, _read_codes(confirmations))
    read = session.request_desk.read(_read_id(request_id))
    if read.direction == Direction.OUTGOING and read.mode in OFFERS:
        return _release(session, read, telling, to)
    if to is not None:
        raise UsedWronglyError("--to goes with an offer of our own", "an answer goes to whoever asked")
    return _give(session, request_id, lambda desk, taken: tell(desk, taken, telling), telling=telling, yes=yes)


@request.command("refuse", epilog="Example: member --as authoriser request refuse ID --reason not_proportionate")
@click.argument("request_id", metavar="ID")
@click.option("--reason", required=True, type=click.Choice([code.value for code in RefusalReason]))
@_yes
@click.pass_obj
@reporting
def refuse(session: Session, request_id: str, reason: str, *, yes: bool) -> Shown:
    """Refuse a request to us. Whoever asked learns the reason, and not who refused.

    A request that is open is taken up first; at a terminal you then see it, and are asked whether you agree. An offer
    may be refused unseen.
    """
    return _give(session, request_id, lambda desk, taken: tell_nothing(desk, taken, reason), refusing=True, yes=yes)


@request.command("cancel", epilog="Example: member request cancel ID")
@click.argument("request_id", metavar="ID")
@click.pass_obj
@reporting
def cancel(session: Session, request_id: str) -> Shown:
    """Take back a request of our own: nobody answers it any more. What was answered stays."""
    found = _read_id(request_id)
    _ = session.keyring
    standing = session.requests.cancel(found)
    if standing.state == RequestState.ANSWERED:
        said = "what was answered stays, and nobody else answers it any more"
    else:
        said = "nobody answers it any more"
    return Shown(
        msgspec.to_builtins(standing), as_lines([f"request {standing.request_id} is {standing.state}: {said}"])
    )


def _release(session: Session, offer: ReadRequest, telling: Telling, to: str | None) -> Shown:
    """Release an offer of ours, once what was begun before has been sent to its end."""
    desk = session.request_desk
    stated = [one.member_id for one in desk.keyring.members() if to in (None, one.member_id)]
    begun = [one for one in stated if finish_begun(desk, offer.request_id, one)]
    waiting = [one.institution for one in offer.waiting if to in (None, one.institution)]
    told = list(dict.fromkeys([*begun, *waiting]))
    warnings = [f"{one} was told what was begun before; what was given now was not sent to it" for one in begun]
    left = [one for one in offer.waiting if one.institution in told and one.institution not in begun]
    if left or not begun:
        release(desk, offer, left, telling)
    standing = {"request_id": offer.request_id, "state": RequestState.ANSWERED.value, "due_at": offer.due_at}
    return Shown({**standing, "told": told}, f"request {offer.request_id}: told {', '.join(told)}", warnings=warnings)


def _give(
    session: Session,
    request_id: str,
    answering: Callable[[RequestDesk, TakenUp], RequestStanding],
    *,
    yes: bool,
    refusing: bool = False,
    telling: Telling | None = None,
) -> Shown:
    """Answer, once an answer that was begun before has been sent to its end."""
    found = _read_id(request_id)
    desk = session.request_desk
    begun = finish_begun(desk, found)
    if begun is not None:
        reply, standing = begun
        said = ", ".join([reply.outcome, *reply.fields, *([reply.refusal_reason] if reply.refusal_reason else [])])
        warnings = [f"an answer was begun before, and has arrived: {said}. What was given now was not sent"]
        text = as_lines([f"request {found} is {standing.state}"])
        return Shown(msgspec.to_builtins(standing), text, warnings=warnings)
    taken = look_at(desk, found, refusing=refusing, telling=telling)
    if taken.is_new and not yes and at_terminal(session):
        _agree(session, taken, "refuse it" if refusing else "answer it so")
    try:
        standing = answering(desk, taken)
    except MemberError as error:
        if taken.is_new:
            error.hint = f"{error.hint}; {_TAKEN_UP}" if error.hint else _TAKEN_UP
        raise
    of = taken.request.requester or f"a {taken.request.requester_kind}"
    state = RequestOutcome.REFUSED.value if refusing else standing.state
    return Shown(msgspec.to_builtins(standing), as_lines([f"request {found} of {of} is {state}"]))


def _agree(session: Session, taken: TakenUp, what: str) -> None:
    """Show a request that was just taken up, and ask. MemberError unless the person agrees: then nothing is sent."""
    hindrance = [f"  nothing may be told: {taken.hindrance}"] if taken.hindrance else []
    click.echo(printable(as_lines([*_told(session, taken.request, []), *hindrance])), err=True)
    try:
        agrees = click.confirm(f"Do you {what}?", err=True)
    except click.Abort:
        agrees = False
    if not agrees:
        raise MemberError("stopped: nothing was answered", _TAKEN_UP, slug="interrupted")


def _describe(session: Session, read: ReadRequest) -> dict[str, Any]:
    (listed,) = _with_own_rows(session, [read])
    more = ("requester", "requested_by", "terms", "marking", "taken_up", "waiting")
    return {**listed, **{name: msgspec.to_builtins(getattr(read, name)) for name in more}}


def _describe_answer(answer: ReadAnswer) -> dict[str, Any]:
    given = answer.given
    return {
        "institution": given.institution,
        "recipient": given.recipient,
        "outcome": given.outcome,
        "details": answer.details,
        "fields": given.fields,
        "refusal_reason": given.refusal_reason,
        "answered_by": given.representative_id,
        "answered_at": given.answered_at,
        "marking": msgspec.to_builtins(given.marking),
        "fault": answer.fault,
        "withdrawn": answer.is_withdrawn,
        "given_out": answer.is_given_out,
    }


def _with_own_rows(session: Session, requests: list[Any]) -> Iterator[dict[str, Any]]:
    """Each request as it is listed, with our own value behind its token."""
    rows = VaultRows(session.vault)
    for start in range(0, len(requests), _BATCH):
        batch: list[ListedRequest] = requests[start : start + _BATCH]
        own = rows.find_by_tokens([one.token_bytes() for one in batch])
        for one in batch:
            yield _listed(one, own.get(one.token_bytes()))


def _listed(one: ListedRequest, own: OwnIndicator | None) -> dict[str, Any]:
    names = ("request_id", "state", "due_at", "direction", "requester_kind", "mode", "legal_gateway", "urgency")
    values = [] if own is None else [own.canonical]
    kind = None if own is None else own.indicator_type
    return {**{name: getattr(one, name) for name in names}, "indicator_type": kind, "values": values}


def _next_step(session: Session, read: ReadRequest, hindrance: str | None = None) -> Iterator[str]:
    """How to go on with a request to us."""
    if read.direction != Direction.INCOMING or read.state not in (RequestState.OPEN, RequestState.TAKEN_UP):
        return
    able = [name for name, each in session.home.config.representatives.items() if Role.AUTHORISER in each.roles]
    officer = f"member --as {session.acting_as if session.acting_as in able else next(iter(able), '…')} request"
    if read.state == RequestState.OPEN:
        yield f"next: {officer} take-up {read.request_id}"
    elif read.mode not in OFFERS:
        answering = "" if hindrance else f"{officer} answer {read.request_id} --full, or "
        yield f"next: {answering}{officer} refuse {read.request_id} --reason …"


def _told(session: Session, read: ReadRequest, answers: list[ReadAnswer]) -> Iterator[str]:
    yield f"request {read.request_id} ({read.direction}) is {read.state}, due {read.due_at}"
    yield f"  {read.mode} under {read.legal_gateway}, from {read.requester or f'a {read.requester_kind}'}"
    (own,) = _with_own_rows(session, [read])
    yield f"  about: {', '.join(own['values']) or 'a value that this vault does not hold'}"
    for name, value in (read.terms or {}).items():
        if value and name in {"purpose", "necessity", "proportionality", "fields", "condition", "confirmations"}:
            yield f"  {name}: {_line(value)}"
    if read.waiting:
        waiting = ", ".join(one.institution for one in read.waiting)
        yield f"  took it up, and waits to be told: {waiting} (request answer, by another of us)"
    yield from _told_marking(read.marking)
    for answer in answers:
        given = answer.given
        reason = f" ({given.refusal_reason})" if given.refusal_reason else ""
        yield f"{given.institution or 'one that held it'}: {given.outcome}{reason}"
        if answer.fault is not None:
            yield f"  NOT TO BE BELIEVED: {answer.fault}"
        if answer.is_withdrawn:
            yield "  WITHDRAWN: its holder has taken this back; do not go by it (--withdrawn shows what it said)"
        elif answer.details and not answer.is_given_out:
            yield "  the exchange no longer gives this out; it is shown as it was opened here"
        for name, value in answer.details.items():
            yield f"  {name}: {_line(value)}"
        yield from _told_marking(given.marking)


def _told_marking(marking: Marking | None) -> Iterator[str]:
    if marking is None:
        return
    yield f"  marked {marking.classification}, TLP:{marking.tlp}, handling {marking.handling}"
    for condition in marking.conditions.splitlines():
        yield f"  handle under: {condition}"
    if marking.protected_subject:
        yield "  the subject is a victim or an unwitting mule: protect it"


def _line(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{name} = {item}" for name, item in value.items())
    return ", ".join(map(_line, value)) if isinstance(value, list) else "nothing held" if value is None else str(value)


def _read_id(text: str) -> str:
    found = text.strip().lower()
    if not is_uuid7(found):
        raise UsedWronglyError(f"{quoted(text)} is no id of a request", "member request list")
    return found


def _read_fields(text: str) -> tuple[str, ...]:
    named = tuple(dict.fromkeys(name.strip().lower().replace("-", "_") for name in text.split(",") if name.strip()))
    unknown = [name for name in named if name not in set(RequestField)]
    if unknown or not named:
        what = f"no field is called {', '.join(map(quoted, unknown[:5]))}" if unknown else "no field is named"
        raise UsedWronglyError(what, f"known: {', '.join(RequestField)}")
    return named


def _read_codes(given: tuple[str, ...]) -> tuple[str, ...]:
    """Codes in the order given, each once; the exchange knows which there are."""
    return tuple(dict.fromkeys(code.strip() for code in given if code.strip()))


def _read_text(name: str, text: str, most: int = 2000) -> str:
    try:
        said = as_text(text)
    except ValueRefusedError as refused:
        raise UsedWronglyError(f"--{name}: {refused.found}", refused.wanted) from None
    if len(said) > most:
        raise MemberError(f"--{name}: {len(said):,} characters", f"at most {most:,}", slug="too-long")
    return said


def _read_notice(reference: str | None, given_at: str | None) -> dict[str, str] | None:
    if reference is None and given_at is None:
        return None
    if reference is None or given_at is None:
        raise UsedWronglyError("--nca-notice and --notice-given-at go together")
    return {
        "reference": " ".join(_read_text("nca-notice", reference, 64).split()),
        "given_at": to_rfc3339(read_moment("--notice-given-at", given_at)),
    }
