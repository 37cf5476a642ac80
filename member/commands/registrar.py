"""`registrar`: the key of a registrar, and what it signs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import click
import msgspec

from keys.ed25519 import SigningKey
from keys.keyring import Root, StatementError
from keys.statements import sign_statement
from keys.urls import canonical_url
from member import wire
from member.access import REGISTRAR, lock_registrar, passphrase_of
from member.authority import build_keyring, load_root
from member.channel import Channel
from member.commands.common import Shown, reporting
from member.enrolment import check_id, pin_root
from member.errors import FAILED, HomeError, MemberError, UsedWronglyError
from member.home import Home, Registrar
from member.registrar import approve, choose, push_to_holders, read_draft, read_proposals
from member.session import Session
from schemas.encoding import to_base64


@click.group(epilog="Example: member registrar pending")
def registrar() -> None:
    """Sign who is a member, with which keys, in which group."""


@registrar.command("init", epilog="Example: member --home ~/registrar registrar init necc")
@click.argument("registrar_id")
@click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The passphrase (mode 0600); typed twice without it.",
)
@click.pass_obj
@reporting
def init(session: Session, registrar_id: str, passphrase_file: Path | None) -> Shown:
    """Make a registrar's key. The home may be a member's too."""
    home = Home.make(session.home_path)
    if home.config.registrar is not None:
        raise HomeError(f"the registrar {home.config.registrar.registrar_id} has its key in this home already")
    check_id(registrar_id, "registrar id")
    file = None if passphrase_file is None else passphrase_file.resolve()
    key = SigningKey.generate()
    lock_registrar(home, key, passphrase_of(REGISTRAR, file, confirm=True))
    public = to_base64(key.public_bytes)
    home.save(registrar=Registrar(registrar_id, public, None if file is None else str(file)))
    document = {"registrar_id": registrar_id, "public_key": public}
    return Shown(document, f"registrar {registrar_id}\npublic key {public}")


@registrar.command(
    "connect", epilog="Example: member registrar connect --exchange-url https://x --registrars root.json"
)
@click.option("--exchange-url", required=True, help="Where the exchange is.")
@click.option(
    "--registrars",
    "root_file",
    required=True,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The registrars' root: a JSON file with quorum and public keys.",
)
@click.pass_obj
@reporting
def connect(session: Session, exchange_url: str, root_file: Path) -> Shown:
    """Say where the exchange is and who the registrars are."""
    home = session.home
    if home.config.registrar is None:
        raise HomeError("no registrar's key lies in this home", "member registrar init ID")
    try:
        canonical_url(exchange_url)
        root = Root.load(root_file)
    except StatementError as error:
        raise UsedWronglyError(f"{root_file}: {error}") from error
    except ValueError as error:
        raise UsedWronglyError(f"--exchange-url: {error}") from error
    if home.root_path.exists() and load_root(home.root_path) != root:
        raise HomeError("this home has pinned other registrars already")
    pin_root(home, root.to_wire(), exchange_url)
    names = [each.registrar_id for each in root.registrars]
    document = {"exchange_url": home.exchange_url, "registrars_fingerprint": root.fingerprint, "registrars": names}
    return Shown(document, f"{home.exchange_url}, registrars {', '.join(names)} ({root.fingerprint})")


@registrar.command("pending", epilog="Example: member registrar pending")
@click.pass_obj
@reporting
def pending(session: Session) -> Shown:
    """Show in full what waits for signatures."""
    waiting = [each.as_document() for each in read_proposals(session.exchange_as(session.registrar))]
    return Shown({"proposals": waiting}, _proposals_text(waiting) or "nothing waits")


def _proposals_text(documents: list[dict[str, Any]]) -> str:
    return "\n".join(
        f"{each['proposal_id']}: {each['type']} {each['subject']}\n{json.dumps(each['statement'], indent=2)}"
        for each in documents
    )


@registrar.command("approve", epilog="Example: member registrar approve --all")
@click.argument("proposal_ids", nargs=-1, metavar="[ID]…")
@click.option("--all", "everything", is_flag=True, help="Sign everything that waits.")
@click.pass_obj
@reporting
def approve_proposals(session: Session, proposal_ids: tuple[str, ...], everything: bool) -> Shown:
    """Sign proposals, and hand every statement in force to the key holders."""
    if everything == bool(proposal_ids):
        raise UsedWronglyError("say which proposals to sign", "their ids, or --all")
    identity, root = session.registrar, session.root
    exchange = session.exchange_as(identity)
    waiting = read_proposals(exchange)
    chosen = waiting if everything else choose(waiting, proposal_ids)
    signed = approve(exchange, chosen, root, identity)
    holders = push_to_holders(exchange, root, _Couriers(session))
    behind = [each["holder_id"] for each in holders if each["problem"] is not None]
    document: dict[str, Any] = {"approved": signed, "holders": holders}
    if behind:
        detail = f"signed, but these key holders did not take the statements: {', '.join(behind)}; approve again later"
        document = {"error": {"type": "holders_behind", "detail": detail}, **document}
    lines = [
        f"{each['type']} {each['subject']}: {each['state']} ({each['signatures']}/{each['quorum']})" for each in signed
    ]
    lines += [f"{each['holder_id']}: {each['problem'] or 'up to date'}" for each in holders]
    return Shown(document, "\n".join(lines) or "nothing waited", exit_code=FAILED if behind else 0)


class _Couriers:
    """One connection to each server that takes statements; what it answers beyond yes or no is its own form."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._channels: dict[str, Channel] = {}

    def __call__(self, url: str, envelope: dict[str, Any]) -> None:
        if url not in self._channels:
            self._channels[url] = self._session.channel(url, self._session.registrar)
        self._channels[url].post(wire.STATEMENTS, msgspec.json.encode(envelope))


@registrar.command("sign", epilog="Example: member registrar sign draft.json --to https://exchange.example")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--to", "urls", multiple=True, help="A server that takes the statement: the exchange, or a key holder.")
@click.pass_obj
@reporting
def sign(session: Session, file: Path, urls: tuple[str, ...]) -> Shown:
    """Sign a draft statement in a file, print the envelope, and hand it to servers."""
    identity, keyring = session.registrar, None
    if session.home.config.exchange_url is not None:
        keyring = build_keyring(session.root, session.exchange_as(identity).statements())
    payload = read_draft(file, keyring, session.around.clock())
    envelope = sign_statement(payload, identity.key_id.removeprefix("registrar/"), identity.key)
    report: list[dict[str, Any]] = []
    hand_over = _Couriers(session)
    for url in urls:
        try:
            hand_over(url, envelope)
            report.append({"url": url, "problem": None})
        except MemberError as error:
            report.append({"url": url, "problem": error.detail})
    failed = [each for each in report if each["problem"] is not None]
    document: dict[str, Any] = {"envelope": envelope, "servers": report}
    if failed:
        detail = "; ".join(f"{each['url']}: {each['problem']}" for each in failed)
        document = {"error": {"type": "not_taken", "detail": detail}, **document}
    text = "\n".join([json.dumps(envelope), *(f"{each['url']}: {each['problem'] or 'taken'}" for each in report)])
    return Shown(document, text, exit_code=FAILED if failed else 0)
