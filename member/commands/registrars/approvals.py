"""`registrar pending|show|approve|export|sign|submit|deliver`: reading what waits, signing what was shown."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from keys.statements.envelopes import Envelope, merge, read_payload
from keys.statements.keyring import Keyring
from member.commands.registrars.text import review_text
from member.commands.shared.common import Shown, at_terminal, counted, reporting, write_new_file
from member.commands.shared.session import Session
from member.errors import FAILED, MemberError, RefusedError, UsageError
from member.statements.files import proposals_file, read_proposals_file, read_signatures_file, signatures_file
from member.statements.holder_faults import faults_text, shown_faults
from member.statements.kept import KeptStatements
from member.statements.registrar import (
    REFUSED,
    STALE,
    ReadProposal,
    choose,
    effective_for_freshness,
    find_obstacle,
    hand_in,
    push_to_holders,
    read_proposals,
    serving_ids,
)
from member.statements.registrar import approve as approve_proposals
from member.statements.registrar import sign as sign_payload
from member.transport.exchange_client import ExchangeClient
from schemas.statements import StatementEnvelope

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_NEW_FILE = click.Path(dir_okay=False, path_type=Path)
_UNAUTHENTICATED = 401
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
    return _report(session, exchange, kept, {"approved": signed})


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
    signed = [each.as_document(keyring, now) for each in chosen]
    lines = [f"signed {each['type']} {each['subject']} ({each['digest']})" for each in signed]
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
    kept.take_in(exchange.statements())
    submitted = []
    for envelope in _merged([each for file in files for each in read_signatures_file(file)]):
        submitted.append({"digest": _digest_of(envelope), **msgspec.to_builtins(hand_in(exchange, envelope))})
        if kept.keyring().counts(envelope):
            kept.take_in([envelope])
    return _report(session, exchange, kept, {"submitted": submitted})


@click.command("deliver", epilog="Example: member registrar deliver")
@click.option("--gone", multiple=True, metavar="HOLDER", help="Serves no epoch and was switched off: asked no more.")
@click.pass_obj
@reporting
def deliver(session: Session, gone: tuple[str, ...]) -> Shown:
    """Hand every statement in force to the key holders again: to one that was away.

    One that serves no epoch any more is asked until it has confirmed that it knows.
    """
    exchange, kept = session.workplace.exchange_as(session.registrar), _kept(session)
    serving = sorted(set(gone) & serving_ids(kept.take_in(exchange.statements())))
    if serving:
        raise UsageError(f"--gone {', '.join(serving)}: it serves an epoch", "have the epoch stated anew first")
    kept.note_retired(kept.retired | set(gone))
    return _report(session, exchange, kept, {})


def _kept(session: Session) -> KeptStatements:
    return KeptStatements(session.home.path, session.workplace.root)


def _waiting(session: Session, proposals: Sequence[ReadProposal], keyring: Keyring) -> tuple[list[dict[str, Any]], str]:
    """Proposals as `--json` gives them, and for people."""
    waiting = [each.as_document(keyring, session.around.clock()) for each in proposals]
    return waiting, "\n\n".join(map(_text, waiting)) or "nothing waits"


def _text(document: dict[str, Any]) -> str:
    return review_text(document, shutil.get_terminal_size().columns)


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
        click.echo(_text(each.as_document(keyring, session.around.clock())), err=True)
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


def _merged(envelopes: Sequence[StatementEnvelope]) -> list[StatementEnvelope]:
    """One envelope of each payload, with the signatures of all."""
    found: dict[str, StatementEnvelope] = {}
    for envelope in envelopes:
        payload = envelope.payload
        found[payload] = merge(found[payload], envelope) if payload in found else envelope
    return list(found.values())


def _digest_of(envelope: StatementEnvelope) -> str:
    from_envelope = read_payload(Envelope.parse(envelope).payload)
    return from_envelope.digest


def _report(session: Session, exchange: ExchangeClient, kept: KeptStatements, document: dict[str, Any]) -> Shown:
    """Deliver, and say what took effect, what did not, and which holders are behind."""
    try:
        keyring = kept.take_in(exchange.statements())
    except RefusedError as error:
        if error.status != _UNAUTHENTICATED or not document:
            raise
        return _report_left(document)
    holders = push_to_holders(kept.envelopes, keyring, session.workplace.holder_statements, kept.retired)
    confirmed = {each.holder_id for each in holders if each.problem is None}
    kept.note_retired((kept.retired | confirmed) - serving_ids(keyring))
    freshness = effective_for_freshness(keyring, holders)
    done = [*document.get("approved", ()), *document.get("submitted", ())]
    failed = [each for each in done if each["state"] in {STALE, REFUSED}]
    behind = [each.holder_id for each in holders if each.problem is not None]
    document |= {"holders": msgspec.to_builtins(holders), "freshness": msgspec.to_builtins(freshness)}
    if failed:
        named = "; ".join(f"{_name(each)}: {each['state']}, {each['problem']}" for each in failed)
        document = {"error": {"type": "not_approved", "detail": named}, **document}
    elif behind:
        counts = f"{freshness.confirmed} of the {freshness.needed} that are needed confirmed"
        named = ", ".join(behind)
        detail = f"these key holders did not take the statements: {named} ({counts}); registrar deliver tries again"
        document = {"error": {"type": "holders_behind", "detail": detail}, **document}
    lines = [_line(each) for each in done]
    lines += [f"{each.holder_id}: {each.problem or 'up to date'}" for each in holders]
    return Shown(document, "\n".join(lines) or "nothing to do", exit_code=FAILED if failed or behind else 0)


def _report_left(document: dict[str, Any]) -> Shown:
    """What became of it, where the exchange takes this registrar for none any more: it signed the root without it."""
    done = [*document.get("approved", ()), *document.get("submitted", ())]
    detail = "the exchange does not take this registrar for one any more, so that nothing was delivered"
    hint = "if a root without it has come into force, another registrar gives: member registrar deliver"
    lines = [*map(_line, done), f"{detail}; {hint}"]
    error = {"type": "not_a_registrar", "detail": detail, "hint": hint}
    return Shown({"error": error, **document}, "\n".join(lines), exit_code=FAILED)


def _name(each: dict[str, Any]) -> str:
    return f"{each['type']} {each['subject']}" if "type" in each else str(each["digest"])


def _line(each: dict[str, Any]) -> str:
    counts = f" ({each['signatures']}/{each['quorum']})" if "quorum" in each else ""
    problem = f": {each['problem']}" if each["problem"] else ""
    return f"{_name(each)}: {each['state']}{counts}{problem}"
