"""`registrar pending|show|approve|export|sign|submit|deliver`: reading what waits, signing what was shown."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path

import click
import msgspec
from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from keys.statements.keyring import Keyring
from member.commands.registrars.text import review_text
from member.commands.shared.common import Shown, at_terminal, counted, reporting, write_new_file
from member.commands.shared.session import Session
from member.errors import FAILED, MemberError, UsageError
from member.statements.delivering import (
    Done,
    HolderDelivery,
    SignaturesView,
    failed_of,
    note_gone,
    submit_signatures,
)
from member.statements.delivering import deliver as deliver_statements
from member.statements.files import proposals_file, read_proposals_file, read_signatures_file, signatures_file
from member.statements.holder_faults import faults_text, shown_faults
from member.statements.kept import KeptStatements
from member.statements.proposals import ProposalView, ReadProposal, find_obstacle, read_proposals
from member.statements.registrar import Confirmed, Delivered, choose
from member.statements.registrar import approve as approve_proposals
from member.statements.registrar import sign as sign_payload
from member.transport.exchange_client import ExchangeClient

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)
_DIGEST_HINT = "registrar pending shows each proposal with its digest: registrar approve ID --digest D"
_digests = click.option(
    "--digest", "digests", multiple=True, help="The digest of what you were shown, one for each, in the same order."
)


@click.command("pending", epilog="Example: member registrar pending")
@click.pass_obj
@reporting
def pending(session: Session) -> Shown:
    """Show what waits for signatures: who, which keys, what changes, and the digest to approve.

    Key holders that are proved at fault come first, each with the digest of the statement that leaves it out.
    """
    exchange = session.workplace.exchange_as(session.registrar)
    proposals, keyring = read_proposals(exchange), _kept(session).take_in(exchange.statements())
    faults = shown_faults(exchange, keyring, proposals)
    waiting, text = _waiting(session, proposals, keyring)
    return Shown({"proposals": waiting, "holder_faults": faults}, "\n\n".join([*faults_text(faults), text]))


@click.command("show", epilog="Example: member registrar show proposals.json")
@click.argument("file", type=_FILE)
@click.pass_obj
@reporting
def show(session: Session, file: Path) -> Shown:
    """Show what is in a file of proposals, or in a draft, without a network."""
    found = read_proposals_file(file)
    proposals, text = _waiting(session, found.read(), _kept(session).take_in(found.envelopes()))
    return Shown({"proposals": proposals}, text)


@click.command("approve", epilog="Example: member registrar approve 5f3a… --digest 5f3a…")
@click.argument("proposal_ids", nargs=-1, required=True, metavar="ID…")
@_digests
@click.pass_obj
@reporting
def approve(session: Session, proposal_ids: tuple[str, ...], digests: tuple[str, ...]) -> Shown:
    """Sign proposals by the digests that you were shown, and hand every statement in force to the key holders.

    At a terminal, without --digest, each is shown and asked for.
    """
    _check_digests(session, proposal_ids, digests)
    identity = session.registrar
    exchange, kept = session.workplace.exchange_as(identity), _kept(session)
    keyring = kept.take_in(exchange.statements())
    chosen = choose(read_proposals(exchange), proposal_ids, digests)
    if not digests:
        chosen = _ask(session, chosen, keyring)
    signed = approve_proposals(exchange, chosen, keyring, identity, session.around.clock())
    return _report(session, exchange, kept, ApprovalsView(approved=signed))


@click.command("export", epilog="Example: member registrar export proposals.json")
@click.argument("file", type=_NEW_FILE)
@click.pass_obj
@reporting
def export(session: Session, file: Path) -> Shown:
    """Write what waits, and what is in force, to a file that is carried to a machine without a network."""
    exchange, kept = session.workplace.exchange_as(session.registrar), _kept(session)
    keyring = kept.take_in(exchange.statements())
    waiting = read_proposals(exchange)
    write_new_file(file, proposals_file(waiting, kept.envelopes))
    proposals, text = _waiting(session, waiting, keyring)
    return Shown({"file": str(file), "proposals": proposals}, f"{file}\n{text}")


@click.command("sign", epilog="Example: member registrar sign proposals.json --digest 5f3a… --out signed.json")
@click.argument("file", type=_FILE)
@_digests
@click.option("--out", required=True, type=_NEW_FILE, help="Where the signatures go: a new file.")
@click.pass_obj
@reporting
def sign(session: Session, file: Path, digests: tuple[str, ...], out: Path) -> Shown:
    """Sign what is in a file of proposals, or a draft, by its digests. No network is used.

    At a terminal, without --digest, each is shown and asked for.
    """
    found = read_proposals_file(file)
    keyring, proposals = _kept(session).take_in(found.envelopes()), found.read()
    if not digests and not at_terminal(session):
        raise UsageError("say what you were shown: --digest", f"member registrar show {file} prints the digests")
    chosen = _by_digest(proposals, digests, file) if digests else _ask(session, proposals, keyring)
    now = session.around.clock()
    obstacles = {each.proposal_id: find_obstacle(each.payload, keyring, now) for each in chosen}
    named = "; ".join(f"{proposal_id}: {obstacle}" for proposal_id, obstacle in obstacles.items() if obstacle)
    if named:
        hint = "show this machine what is in force (registrar export), or tell the other registrars"
        raise MemberError(f"nothing was signed; {named}", hint, slug="not_to_be_signed")
    identity = session.registrar
    write_new_file(out, signatures_file([sign_payload(each.payload, identity) for each in chosen]))
    signed = [each.view(keyring, now) for each in chosen]
    lines = [f"signed {each.name} ({each.digest})" for each in signed]
    return Shown({"signed": signed, "file": str(out)}, "\n".join([*lines, f"signatures: {out}"]))


@click.command("submit", epilog="Example: member registrar submit signed-necc.json signed-fca.json")
@click.argument("files", nargs=-1, required=True, type=_FILE, metavar="SIGNED…")
@click.pass_obj
@reporting
def submit(session: Session, files: tuple[Path, ...]) -> Shown:
    """Hand in signatures from files, and every statement in force to the key holders.

    What the quorum has signed in these files reaches the holders even if the exchange does not take it.
    """
    exchange, kept = session.workplace.exchange_as(session.registrar), _kept(session)
    envelopes = [each for file in files for each in read_signatures_file(file)]
    return _report(session, exchange, kept, ApprovalsView(submitted=submit_signatures(exchange, kept, envelopes)))


@click.command("deliver", epilog="Example: member registrar deliver")
@click.option("--gone", multiple=True, metavar="HOLDER", help="Serves no epoch and was switched off: asked no more.")
@click.pass_obj
@reporting
def deliver(session: Session, gone: tuple[str, ...]) -> Shown:
    """Hand every statement in force to the key holders again: to one that was away.

    One that serves no epoch any more is asked until it has confirmed that it knows.
    """
    exchange, kept = session.workplace.exchange_as(session.registrar), _kept(session)
    note_gone(exchange, kept, gone)
    return _report(session, exchange, kept, ApprovalsView())


def _kept(session: Session) -> KeptStatements:
    return KeptStatements(session.home.path, session.workplace.root)


def _waiting(session: Session, proposals: Sequence[ReadProposal], keyring: Keyring) -> tuple[list[ProposalView], str]:
    """Proposals as `--json` gives them, and for people."""
    waiting = [each.view(keyring, session.around.clock()) for each in proposals]
    return waiting, "\n\n".join(map(_text, waiting)) or "nothing waits"


def _text(proposal: ProposalView) -> str:
    return review_text(proposal, shutil.get_terminal_size().columns)


def _check_digests(session: Session, proposal_ids: Sequence[str], digests: Sequence[str]) -> None:
    """UsageError unless each proposal has its digest, or a person is there to be shown them."""
    if not digests and not at_terminal(session):
        raise UsageError("say what you were shown: --digest", _DIGEST_HINT)
    if digests and len(digests) != len(proposal_ids):
        detail = f"{counted(len(proposal_ids), 'proposal')}, but {counted(len(digests), 'digest')}"
        raise UsageError(detail, _DIGEST_HINT)


def _ask(session: Session, proposals: Sequence[ReadProposal], keyring: Keyring) -> list[ReadProposal]:
    """Those that the person at the terminal agrees to, each after it was shown."""
    agreed = []
    for each in proposals:
        click.echo(_text(each.view(keyring, session.around.clock())), err=True)
        if click.confirm("Sign this?", default=False, err=True):
            agreed.append(each)
    return agreed


def _by_digest(proposals: Sequence[ReadProposal], digests: Sequence[str], file: Path) -> list[ReadProposal]:
    found = {each.digest: each for each in proposals}
    missing = [digest for digest in digests if digest.lower() not in found]
    if missing:
        detail = f"{file} holds nothing with the digest {', '.join(missing)}; nothing was signed"
        raise MemberError(detail, f"member registrar show {file} prints the digests", slug="digest_mismatch")
    return [found[digest.lower()] for digest in digests]


class ApprovalsView(msgspec.Struct, frozen=True, kw_only=True):
    """What took effect, what did not, and which holders are behind, as `--json` gives it."""

    error: ErrorView | UnsetType = UNSET
    approved: Done | UnsetType = UNSET
    submitted: Done | UnsetType = UNSET
    holders: Sequence[Delivered] | UnsetType = UNSET
    freshness: Confirmed | UnsetType = UNSET


class ErrorView(msgspec.Struct, frozen=True):
    """Why not all is well."""

    type: str
    detail: str
    hint: str | UnsetType = UNSET


def _report(session: Session, exchange: ExchangeClient, kept: KeptStatements, shown: ApprovalsView) -> Shown:
    """Deliver, and say what took effect, what did not, and which holders are behind."""
    done: Done = [*(shown.approved or ()), *(shown.submitted or ())]
    delivery = deliver_statements(exchange, kept, session.workplace.holder_statements, done)
    lines = [_line(each) for each in done]
    if delivery is None:
        text = "\n".join([*lines, f"{_LEFT.detail}; {_LEFT.hint}"])
        return Shown(replace(shown, error=_LEFT), text, exit_code=FAILED)
    error = _error_of(done, delivery)
    shown = replace(shown, error=error or UNSET, holders=delivery.holders, freshness=delivery.freshness)
    lines += [f"{each.holder_id}: {each.problem or 'up to date'}" for each in delivery.holders]
    return Shown(shown, "\n".join(lines) or "nothing to do", exit_code=FAILED if error else 0)


_LEFT = ErrorView(
    "not_a_registrar",
    "the exchange does not take this registrar for one any more, so that nothing was delivered",
    "if a root without it has come into force, another registrar gives: member registrar deliver",
)
"""It signed the root without it."""


def _error_of(done: Done, delivery: HolderDelivery) -> ErrorView | None:
    failed, behind, freshness = failed_of(done), delivery.behind, delivery.freshness
    if failed:
        return ErrorView("not_approved", "; ".join(f"{each.name}: {each.state}, {each.problem}" for each in failed))
    if behind:
        counts = f"{freshness.confirmed} of the {freshness.needed} that are needed confirmed"
        named = ", ".join(behind)
        detail = f"these key holders did not take the statements: {named} ({counts}); registrar deliver tries again"
        return ErrorView("holders_behind", detail)
    return None


def _line(each: ProposalView | SignaturesView) -> str:
    counts = "" if each.quorum is UNSET else f" ({each.signatures}/{each.quorum})"
    problem = f": {each.problem}" if each.problem else ""
    return f"{each.name}: {each.state}{counts}{problem}"
