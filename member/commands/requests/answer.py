"""`request take-up|answer|refuse`: what a holder does about a request, and a sender about its own offer."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import click
import msgspec

from member.commands.requests.text import (
    confirm_option,
    describe,
    describe_prepared,
    lines_of,
    next_step,
    prepared_lines,
    read_fields,
    read_id,
    read_said,
)
from member.commands.shared.common import Shown, at_terminal, reporting
from member.commands.shared.session import Session
from member.errors import MemberError, UsageError
from member.indicators.envelope import CONTACT
from member.inputs import read_codes
from member.plain import as_lines, printable
from member.requests.answering import (
    AgreedDisclosure,
    TakenUp,
    disclose,
    draft_disclosure,
    draft_refusal,
    finish_begun,
    look_at,
    look_to_prepare,
    release,
    send_refusal,
    take_up,
    what_to_release,
)
from member.requests.asking import RequestDesk
from member.requests.client import ReadRequest
from member.requests.prepared import (
    check_digests,
    check_unchanged,
    find_prepared,
    prepare,
    send_as_prepared,
    send_prepared,
)
from member.vault.requests import PreparedAnswer
from schemas.requests.messages import RequestStanding
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
    taken = take_up(RequestDesk.at(session.workplace), found)
    document = {**describe(session, taken.request), "proved": taken.doubt is None, "doubt": taken.doubt}
    warnings = [f"nothing may be told: {taken.obstacle}"] if taken.obstacle else []
    text = as_lines([*lines_of(session, taken.request, []), *next_step(session, taken.request, taken.obstacle)])
    return Shown(document, text, warnings=warnings)


_yes = click.option(
    "--yes", is_flag=True, help="Do not ask whether you agree. Without a terminal, or with --json, nobody is asked."
)


_digest = click.option(
    "--digest", "digests", multiple=True, metavar="D", help="Of what request prepare printed: send this and no other."
)


@click.command("answer", epilog="Example: member --as authoriser request answer ID --partial reason,first_seen")
@click.argument("request_id", metavar="ID")
@click.option("--full", is_flag=True, help="Tell all that was asked for, as far as we hold it.")
@click.option("--partial", "fields", metavar="FIELDS", help="Tell these fields only: a,b.")
@click.option("--no-trace", is_flag=True, help="Say that nothing is held.")
@click.option("--prepared", is_flag=True, help="Send what another person of ours prepared: request prepare ID.")
@click.option("--note", help="A text that goes with what is told.")
@click.option("--to", metavar="INSTITUTION", help="Of an offer of ours: tell this one alone of those that took it up.")
@_digest
@confirm_option
@_yes
@click.pass_obj
@reporting
def answer(
    session: Session,
    request_id: str,
    *,
    full: bool,
    fields: str | None,
    no_trace: bool,
    prepared: bool,
    note: str | None,
    to: str | None,
    digests: tuple[str, ...],
    confirmations: tuple[str, ...],
    yes: bool,
) -> Shown:
    """Answer a request to us, or release what we offered (mode provide or alert) to those that took it up.

    A request that is open is taken up first. At a terminal you then see who asks, why and what for, and are asked
    whether you agree; without a terminal, or with --json, giving the command is agreeing. What another prepared is
    then named by its digest.

    What is told is sealed here, for whoever is told alone. An offer is released by another person than made it.
    """
    if full + no_trace + prepared + (fields is not None) != 1:
        raise UsageError("expected one of --full, --partial, --no-trace and --prepared")
    if prepared:
        _check_beside("--prepared is sent as it is", {"--note": note, "--confirm": confirmations})
        return _give_prepared(session, request_id, to, digests, yes=yes)
    _check_beside("only what was prepared has a digest", {"--digest": digests})
    if no_trace:
        _check_beside("--no-trace tells nothing", {"--note": note, "--to": to, "--confirm": confirmations})
    named = None if fields is None else read_fields("fields", fields)
    said = read_said("note", note or "", _MAX_NOTE)
    if no_trace:
        return _give(session, request_id, lambda desk, taken: send_refusal(desk, taken, None), yes=yes)
    contact = session.home.config.defaults.get(CONTACT, "")
    agreed = AgreedDisclosure(named, said, contact, read_codes(confirmations))
    read = RequestDesk.at(session.workplace).read(read_id(session, request_id))
    if read.direction == Direction.OUTGOING and read.mode in OFFERS:
        return _release(session, read, agreed, to)
    if to is not None:
        raise UsageError("--to goes with an offer of our own", "an answer goes to whoever asked")
    return _give(session, request_id, lambda desk, taken: disclose(desk, taken, agreed), agreed=agreed, yes=yes)


@click.command("refuse", epilog="Example: member --as authoriser request refuse ID --reason not_proportionate")
@click.argument("request_id", metavar="ID")
@click.option("--reason", type=click.Choice([code.value for code in RefusalReason]))
@click.option("--prepared", is_flag=True, help="Refuse as another person of ours prepared it.")
@_digest
@_yes
@click.pass_obj
@reporting
def refuse(
    session: Session, request_id: str, reason: str | None, *, prepared: bool, digests: tuple[str, ...], yes: bool
) -> Shown:
    """Refuse a request to us. Whoever asked learns the reason, and not who refused.

    A request that is open is taken up first; at a terminal you then see it, and are asked whether you agree. An offer
    may be refused unseen.
    """
    if prepared == (reason is not None):
        raise UsageError("expected one of --reason and --prepared")
    if prepared:
        return _give_prepared(session, request_id, None, digests, yes=yes, refusing=True)
    _check_beside("only what was prepared has a digest", {"--digest": digests})
    return _give(session, request_id, lambda desk, taken: send_refusal(desk, taken, reason), refusing=True, yes=yes)


@click.command("prepare", epilog="Example: member request prepare ID --partial reason,first_seen")
@click.argument("request_id", metavar="ID")
@click.option("--full", is_flag=True, help="Tell all that was asked for, as far as we hold it.")
@click.option("--partial", "fields", metavar="FIELDS", help="Tell these fields only: a,b.")
@click.option("--no-trace", is_flag=True, help="Say that nothing is held.")
@click.option("--refuse", "reason", type=click.Choice([code.value for code in RefusalReason]), help="Refuse so.")
@click.option("--note", help="A text that goes with what is told.")
@click.option("--to", metavar="INSTITUTION", help="Of an offer of ours: this one alone of those that took it up.")
@confirm_option
@click.pass_obj
@reporting
def prepare_one(
    session: Session,
    request_id: str,
    *,
    full: bool,
    fields: str | None,
    no_trace: bool,
    reason: str | None,
    note: str | None,
    to: str | None,
    confirmations: tuple[str, ...],
) -> Shown:
    """Prepare an answer, a refusal or a release, signed by you, for another person of ours to send.

    That one sees it and gives `request answer ID --prepared`. It tells nobody anything before. A request to us is taken
    up by an authoriser first.
    """
    if full + no_trace + (fields is not None) + (reason is not None) != 1:
        raise UsageError("expected one of --full, --partial, --no-trace and --refuse")
    if no_trace or reason is not None:
        _check_beside("it tells nothing", {"--note": note, "--to": to, "--confirm": confirmations})
    desk, found = RequestDesk.at(session.workplace), read_id(session, request_id)
    named = None if fields is None else read_fields("fields", fields)
    contact = session.home.config.defaults.get(CONTACT, "")
    agreed = AgreedDisclosure(named, read_said("note", note or "", _MAX_NOTE), contact, read_codes(confirmations))
    read = desk.read(found)
    if read.direction == Direction.OUTGOING and read.mode in OFFERS:
        waiting = [one for one in read.waiting if to in (None, one.institution)]
        told = what_to_release(desk, read, waiting, agreed, preparing=True)
        made = [prepare(desk, found, *each) for each in told]
    else:
        taken = look_to_prepare(desk, found, refusing=reason is not None)
        nothing = no_trace or reason is not None
        recipient, said = draft_refusal(taken, reason) if nothing else draft_disclosure(desk, taken, agreed)
        made = [prepare(desk, found, recipient, said)]
    described = [describe_prepared(one, desk.member_id) for one in made]
    document = {"request_id": found, "prepared": described}
    lines = [line for one in made for line in prepared_lines(one)]
    lines += [f"digest: {one['digest']}" for one in described]
    return Shown(document, as_lines([*lines, f"next, by another person: member request answer {found} --prepared"]))


def _check_beside(why: str, given: Mapping[str, object]) -> None:
    beside = ", ".join(option for option, value in given.items() if value)
    if beside:
        raise UsageError(f"{why}: {beside} goes with what is told", f"leave out {beside}")


def _give_prepared(
    session: Session, request_id: str, to: str | None, digests: tuple[str, ...], *, yes: bool, refusing: bool = False
) -> Shown:
    """Send what another person prepared, once it was shown at a terminal."""
    desk, found = RequestDesk.at(session.workplace), read_id(session, request_id)
    read = desk.read(found)
    if read.direction == Direction.OUTGOING and read.mode in OFFERS:
        return _release_prepared(session, desk, read, to, digests, yes=yes)
    _check_beside("an answer goes to whoever asked", {"--to": to})
    prepared = find_prepared(desk, found)
    is_refusal = prepared.outcome == RequestOutcome.REFUSED
    if refusing and not is_refusal:
        raise MemberError("no refusal was prepared", f"member request answer {found} --prepared", slug="not_prepared")
    _agree_to(session, [prepared], digests, yes=yes)
    return _give(
        session, found, lambda desk, taken: send_prepared(desk, taken, prepared), refusing=is_refusal, yes=True
    )


def _release_prepared(
    session: Session, desk: RequestDesk, offer: ReadRequest, to: str | None, digests: tuple[str, ...], *, yes: bool
) -> Shown:
    """Release what another person prepared, to each holder that it was prepared for."""
    waiting = [one for one in offer.waiting if to in (None, one.institution)]
    prepared = [find_prepared(desk, offer.request_id, one.institution) for one in waiting]
    if not prepared:
        raise MemberError("nobody waits for it", "member request show lists who waits", slug="not_taken_up")
    _agree_to(session, prepared, digests, yes=yes)
    for one, each in zip(waiting, prepared, strict=True):
        agreed = AgreedDisclosure(each.fields, confirmations=each.confirmations)
        for recipient, today in what_to_release(desk, offer, [one], agreed):
            check_unchanged(each, today)
            send_as_prepared(desk, each, recipient)
    told = [one.institution for one in waiting]
    standing = {"request_id": offer.request_id, "state": RequestState.ANSWERED.value, "due_at": offer.due_at}
    return Shown({**standing, "told": told}, f"request {offer.request_id}: told {', '.join(told)}")


def _agree_to(session: Session, prepared: list[PreparedAnswer], digests: tuple[str, ...], *, yes: bool) -> None:
    """Show what was prepared, and ask; where nobody is asked, the digests say what was seen. MemberError unless the
    person agrees.
    """
    if digests or yes or not at_terminal(session):
        check_digests(session.home.member_id, prepared, digests)
        return
    click.echo(printable(as_lines([line for one in prepared for line in prepared_lines(one)])), err=True)
    try:
        agrees = click.confirm("Do you send it so?", err=True)
    except click.Abort:
        agrees = False
    if not agrees:
        raise MemberError("stopped: nothing was sent", "it stays prepared", slug="interrupted")


def _release(session: Session, offer: ReadRequest, agreed: AgreedDisclosure, to: str | None) -> Shown:
    """Release an offer of ours, once what was begun before has been sent to its end."""
    desk = RequestDesk.at(session.workplace)
    stated = [one.member_id for one in desk.keyring.members() if to in (None, one.member_id)]
    begun = [one for one in stated if finish_begun(desk, offer.request_id, one)]
    waiting = [one.institution for one in offer.waiting if to in (None, one.institution)]
    told = list(dict.fromkeys([*begun, *waiting]))
    warnings = [f"{one} was told what was begun before; what was given now was not sent to it" for one in begun]
    left = [one for one in offer.waiting if one.institution in told and one.institution not in begun]
    if left or not begun:
        release(desk, offer, left, agreed)
    standing = {"request_id": offer.request_id, "state": RequestState.ANSWERED.value, "due_at": offer.due_at}
    return Shown({**standing, "told": told}, f"request {offer.request_id}: told {', '.join(told)}", warnings=warnings)


def _give(
    session: Session,
    request_id: str,
    answering: Callable[[RequestDesk, TakenUp], RequestStanding],
    *,
    yes: bool,
    refusing: bool = False,
    agreed: AgreedDisclosure | None = None,
) -> Shown:
    """Answer, once an answer that was begun before has been sent to its end."""
    found = read_id(session, request_id)
    desk = RequestDesk.at(session.workplace)
    begun = finish_begun(desk, found)
    if begun is not None:
        reply, standing = begun
        said = ", ".join([reply.outcome, *reply.fields, *([reply.refusal_reason] if reply.refusal_reason else [])])
        warnings = [f"an answer was begun before, and has arrived: {said}. What was given now was not sent"]
        text = as_lines([f"request {found} is {standing.state}"])
        return Shown(msgspec.to_builtins(standing), text, warnings=warnings)
    taken = look_at(desk, found, refusing=refusing, agreed=agreed)
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
    obstacle = [f"  nothing may be told: {taken.obstacle}"] if taken.obstacle else []
    click.echo(printable(as_lines([*lines_of(session, taken.request, []), *obstacle])), err=True)
    try:
        agrees = click.confirm(f"Do you {what}?", err=True)
    except click.Abort:
        agrees = False
    if not agrees:
        raise MemberError("stopped: nothing was answered", _TAKEN_UP, slug="interrupted")
