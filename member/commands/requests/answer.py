"""`request take-up|answer|refuse`: what a holder does about a request, and a sender about its own offer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import click

from member.commands.requests.text import (
    confirm_option,
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
from member.requests import acts
from member.requests.acts import Answered, ReleasedOffer
from member.requests.answering import AgreedDisclosure, TakenUp, take_up
from member.requests.asking import RequestContext
from member.requests.prepared import check_digests
from member.requests.views import PreparedAnswers, PreparedView, taken_up_request
from member.vault.requests import PreparedAnswer
from schemas.terms import RefusalReason, RequestOutcome

_MAX_NOTE = 4000


@click.command("take-up", epilog="Example: member --as authoriser request take-up ID")
@click.argument("request_id", metavar="ID")
@click.pass_obj
@reporting
def take(session: Session, request_id: str) -> Shown:
    """Take up a request to us: only then do we see who asks, what for, and whether it is proved.

    Who takes up an offer (mode provide or alert) agrees to receive it, and to be named to its sender.
    """
    taken = take_up(*_context_of(session, request_id))
    warnings = [f"nothing may be disclosed: {taken.obstacle}"] if taken.obstacle else []
    text = as_lines([*lines_of(session, taken.request, []), *next_step(session, taken.request, taken.obstacle)])
    return Shown(taken_up_request(session.workplace.vault, taken), text, warnings=warnings)


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
@click.option("--note", help="A text that goes with what is disclosed.")
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

    What is disclosed is sealed here, for its recipient alone. An offer is released by another person than made it.
    """
    if full + no_trace + prepared + (fields is not None) != 1:
        raise UsageError("expected one of --full, --partial, --no-trace and --prepared")
    if prepared:
        _check_beside("--prepared is sent as it is", {"--note": note, "--confirm": confirmations})
        return _give_prepared(session, request_id, digests, to=to, yes=yes)
    _check_beside("only what was prepared has a digest", {"--digest": digests})
    agree = _agreeing(session, "answer it so", yes=yes)
    if no_trace:
        _check_beside("--no-trace tells nothing", {"--note": note, "--to": to, "--confirm": confirmations})
        context, found = _context_of(session, request_id)
        return _shown(acts.say_no_trace(context, found, agree))
    agreed = _read_agreed(session, fields, note, confirmations)
    context, found = _context_of(session, request_id)
    return _shown(acts.disclose_fields(context, found, agreed, to, agree))


def _context_of(session: Session, request_id: str) -> tuple[RequestContext, str]:
    """What answering works with, and the id of the request that is meant."""
    found = read_id(session, request_id)
    return RequestContext.at(session.workplace), found


def _read_agreed(
    session: Session, fields: str | None, note: str | None, confirmations: tuple[str, ...]
) -> AgreedDisclosure:
    named = None if fields is None else read_fields("fields", fields)
    contact = session.home.config.defaults.get(CONTACT, "")
    return AgreedDisclosure(named, read_said("note", note or "", _MAX_NOTE), contact, read_codes(confirmations))


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
        return _give_prepared(session, request_id, digests, yes=yes, refusing=True)
    _check_beside("only what was prepared has a digest", {"--digest": digests})
    context, found = _context_of(session, request_id)
    return _shown(acts.refuse(context, found, reason, _agreeing(session, "refuse it", yes=yes)))


@click.command("prepare", epilog="Example: member request prepare ID --partial reason,first_seen")
@click.argument("request_id", metavar="ID")
@click.option("--full", is_flag=True, help="Tell all that was asked for, as far as we hold it.")
@click.option("--partial", "fields", metavar="FIELDS", help="Tell these fields only: a,b.")
@click.option("--no-trace", is_flag=True, help="Say that nothing is held.")
@click.option("--refuse", "reason", type=click.Choice([code.value for code in RefusalReason]), help="Refuse so.")
@click.option("--note", help="A text that goes with what is disclosed.")
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
    if no_trace or reason is not None:
        context, found = _context_of(session, request_id)
        made = acts.prepare_refusal(context, found, reason)
    else:
        agreed = _read_agreed(session, fields, note, confirmations)
        context, found = _context_of(session, request_id)
        made = acts.prepare_disclosure(context, found, agreed, to)
    described = [PreparedView.of(one, context.member_id) for one in made]
    lines = [line for one in made for line in prepared_lines(one)]
    lines += [f"digest: {one.digest}" for one in described]
    next_one = f"next, by another person: member request answer {found} --prepared"
    return Shown(PreparedAnswers(found, described), as_lines([*lines, next_one]))


def _check_beside(why: str, given: Mapping[str, object]) -> None:
    beside = ", ".join(option for option, value in given.items() if value)
    if beside:
        raise UsageError(f"{why}: {beside} goes with what is disclosed", f"leave out {beside}")


def _give_prepared(
    session: Session,
    request_id: str,
    digests: tuple[str, ...],
    *,
    to: str | None = None,
    yes: bool,
    refusing: bool = False,
) -> Shown:
    """Send what another person prepared, once it was shown at a terminal; elsewhere the digests say what was seen."""

    def agree(prepared: Sequence[PreparedAnswer]) -> None:
        if digests or yes or not at_terminal(session):
            check_digests(session.home.member_id, prepared, digests)
            return
        lines = as_lines([line for one in prepared for line in prepared_lines(one)])
        _ask(lines, "Do you send it so?", "nothing was sent", "it stays prepared")

    context, found = _context_of(session, request_id)
    return _shown(acts.give_prepared(context, found, agree, to=to, refusing=refusing))


def _agreeing(session: Session, what: str, *, yes: bool) -> acts.Agree:
    """Shows a request that was just taken up, and asks; without a terminal giving the command is agreeing."""

    def agree(taken: TakenUp) -> None:
        if yes or not at_terminal(session):
            return
        obstacle = [f"  nothing may be disclosed: {taken.obstacle}"] if taken.obstacle else []
        lines = as_lines([*lines_of(session, taken.request, []), *obstacle])
        _ask(lines, f"Do you {what}?", "nothing was answered", acts.TAKEN_UP)

    return agree


def _ask(shown: str, question: str, stopped: str, then: str) -> None:
    """MemberError unless the person at the terminal agrees to what is shown."""
    click.echo(printable(shown), err=True)
    try:
        agrees = click.confirm(question, err=True)
    except click.Abort:
        agrees = False
    if not agrees:
        raise MemberError(f"stopped: {stopped}", then, slug="interrupted")


def _shown(done: Answered | ReleasedOffer) -> Shown:
    if isinstance(done, ReleasedOffer):
        warnings = [
            f"{one} received what was begun before; what was given now was not sent to it" for one in done.begun
        ]
        text = f"request {done.released.request_id}: disclosed to {', '.join(done.released.told)}"
        return Shown(done.released, text, warnings=warnings)
    standing, reply = done.standing, done.begun
    if reply is not None:
        said = ", ".join([reply.outcome, *reply.fields, *([reply.refusal_reason] if reply.refusal_reason else [])])
        warnings = [f"an answer was begun before, and has arrived: {said}. What was given now was not sent"]
        return Shown(standing, as_lines([f"request {standing.request_id} is {standing.state}"]), warnings=warnings)
    asked = None if done.taken is None else done.taken.request
    of = "" if asked is None else f" of {asked.requester or f'a {asked.requester_kind}'}"
    state = RequestOutcome.REFUSED.value if done.is_refusal else standing.state
    return Shown(standing, as_lines([f"request {standing.request_id}{of} is {state}"]))
