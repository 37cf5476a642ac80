"""`request take-up|answer|refuse`: what a holder does about a request, and a sender about its own offer."""

from __future__ import annotations

from collections.abc import Callable

import click
import msgspec

from member.commands.common import Shown, at_terminal, reporting
from member.commands.request_text import (
    confirm_option,
    describe,
    lines_of,
    next_step,
    read_codes,
    read_fields,
    read_id,
    read_text,
)
from member.envelope import CONTACT
from member.errors import MemberError, UsedWronglyError
from member.request_answering import TakenUp, Telling, finish_begun, look_at, release, take_up, tell, tell_nothing
from member.request_client import ReadRequest, RequestStanding
from member.requests import RequestDesk
from member.session import Session
from member.terminal import as_lines, printable
from schemas.terms import OFFERS, Direction, RefusalReason, RequestOutcome, RequestState

_MAX_NOTE = 4000
_TAKEN_UP = "the request is taken up now, and waits for an answer or a refusal"


@click.command("take-up", epilog="Example: member --as authoriser request take-up ID")
@click.argument("request_id", metavar="ID")
@click.pass_obj
@reporting
def take(session: Session, request_id: str) -> Shown:
    """Take up a request to us: only then do we see who asks, what for, and whether it is proved.

    Who takes up an offer (mode provide or alert) agrees to receive it, and to be named to its sender.
    """
    found = read_id(session, request_id)
    taken = take_up(session.request_desk, found)
    document = {**describe(session, taken.request), "proved": taken.doubt is None, "doubt": taken.doubt}
    warnings = [f"nothing may be told: {taken.hindrance}"] if taken.hindrance else []
    text = as_lines([*lines_of(session, taken.request, []), *next_step(session, taken.request, taken.hindrance)])
    return Shown(document, text, warnings=warnings)


_yes = click.option(
    "--yes", is_flag=True, help="Do not ask whether you agree. Without a terminal, or with --json, nobody is asked."
)


@click.command("answer", epilog="Example: member --as authoriser request answer ID --partial reason,first_seen")
@click.argument("request_id", metavar="ID")
@click.option("--full", is_flag=True, help="Tell all that was asked for, as far as we hold it.")
@click.option("--partial", metavar="FIELDS", help="Tell these fields only: a,b.")
@click.option("--no-trace", is_flag=True, help="Say that nothing is held.")
@click.option("--note", help="A text that goes with what is told.")
@click.option("--to", metavar="INSTITUTION", help="Of an offer of ours: tell this one alone of those that took it up.")
@confirm_option
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
    fields = None if partial is None else read_fields(partial)
    said = read_text("note", note or "", _MAX_NOTE)
    if no_trace:
        return _give(session, request_id, lambda desk, taken: tell_nothing(desk, taken, None), yes=yes)
    contact = session.home.config.defaults.get(CONTACT, "")
    telling = Telling(fields, said, contact, read_codes(confirmations))
    read = session.request_desk.read(read_id(session, request_id))
    if read.direction == Direction.OUTGOING and read.mode in OFFERS:
        return _release(session, read, telling, to)
    if to is not None:
        raise UsedWronglyError("--to goes with an offer of our own", "an answer goes to whoever asked")
    return _give(session, request_id, lambda desk, taken: tell(desk, taken, telling), telling=telling, yes=yes)


@click.command("refuse", epilog="Example: member --as authoriser request refuse ID --reason not_proportionate")
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
    found = read_id(session, request_id)
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
    click.echo(printable(as_lines([*lines_of(session, taken.request, []), *hindrance])), err=True)
    try:
        agrees = click.confirm(f"Do you {what}?", err=True)
    except click.Abort:
        agrees = False
    if not agrees:
        raise MemberError("stopped: nothing was answered", _TAKEN_UP, slug="interrupted")
