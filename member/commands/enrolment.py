"""`init`, `join`, `status`: becoming a member, and seeing how one stands."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import click

from keys.fingerprints import in_fours
from keys.keyring import Root, StatementError
from member.access import passphrase_of, unlock_representative
from member.commands.common import Shown, reporting, table
from member.enrolment import (
    FIRST_REPRESENTATIVES,
    EnrolmentCode,
    check_code_fits,
    create_member,
    enrolment_request,
    pin_root,
    read_code,
)
from member.errors import MemberError, UsedWronglyError, quoted
from member.home import Home
from member.session import Session
from member.standing import describe_standing
from schemas.terms import Role


@click.command(epilog="Example: member --home ~/bank-a init --member-id bank-a")
@click.option("--member-id", required=True, help="The id under which the exchange invited you.")
@click.option(
    "--passphrase-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with one passphrase file for each representative, by name (mode 0600).",
)
@click.option(
    "--role", "roles", metavar="NAME=ROLE", multiple=True, help="One more role: analyst=reviewer. Repeatable."
)
@click.pass_obj
@reporting
def init(session: Session, member_id: str, passphrase_dir: Path | None, roles: tuple[str, ...]) -> Shown:
    """Make keys for two representatives, analyst and authoriser, and an empty vault."""
    more_roles = [_read_role(text) for text in roles]
    folder = None if passphrase_dir is None else passphrase_dir.resolve()

    def choose(name: str) -> bytes:
        return passphrase_of(name, None if folder is None else folder / name, confirm=True)

    home = Home.make(session.home_path)
    create_member(home, member_id, choose, None if folder is None else str(folder), more_roles)
    names = ", ".join(FIRST_REPRESENTATIVES)
    keys = {name: local.public_key for name, local in home.config.representatives.items()}
    document = {"member_id": member_id, "home": str(home.path), "representatives": keys}
    return Shown(document, f"{member_id}: keys of {names} and a vault are in {home.path}\nnext: member join CODE")


def _read_role(text: str) -> tuple[str, Role]:
    name, _, code = text.partition("=")
    if name not in FIRST_REPRESENTATIVES or code not in set(Role):
        known = ", ".join(Role)
        raise UsedWronglyError(f"--role {quoted(text)} is not NAME=ROLE", f"analyst or authoriser, and one of {known}")
    return name, Role(code)


@click.command(epilog="Example: member --home ~/bank-a join CODE --registrars-fingerprint 3f9a…")
@click.argument("code")
@click.option(
    "--registrars-fingerprint", help="The fingerprint you were told another way; joins only if it is the same."
)
@click.option("--yes", is_flag=True, help="Take the registrars in the code without comparing.")
@click.pass_obj
@reporting
def join(session: Session, code: str, registrars_fingerprint: str | None, yes: bool) -> Shown:
    """Answer the one-time enrolment code, once the registrars' fingerprint has been compared."""
    home, parsed = session.home, read_code(code)
    check_code_fits(home, parsed)
    root = _read_root(parsed)
    _compare(root, registrars_fingerprint, yes)
    keys = {name: unlock_representative(home, name).identity.key for name in home.config.representatives}
    exchange = session.exchange_as(None, parsed.exchange_url)
    state = exchange.enrol(enrolment_request(home, parsed, keys))
    pin_root(home, parsed.registrars, parsed.exchange_url)
    document = {"state": state, "exchange_url": parsed.exchange_url, "registrars_fingerprint": root.fingerprint}
    text = f"asked to join {parsed.exchange_url}; it takes effect when the registrars have signed"
    return Shown(document, f"{text}\nread them the keys' fingerprints: member status shows them")


def _read_root(code: EnrolmentCode) -> Root:
    try:
        return Root.parse(code.registrars)
    except StatementError as error:
        raise UsedWronglyError(f"the enrolment code is not usable: {error}") from error


def _compare(root: Root, told: str | None, yes: bool) -> None:
    """Raise unless a person, here or before, has compared the fingerprint."""
    if told is not None:
        if re.sub(r"[\s:]", "", told).lower() != root.fingerprint:
            detail = "the code names other registrars than those whose fingerprint you were told"
            raise MemberError(
                detail, "do not join; ask the registrars", slug="wrong_registrars", found=root.fingerprint
            )
        return
    names = ", ".join(registrar.registrar_id for registrar in root.registrars)
    click.echo(f"registrars: {names} ({root.quorum} must sign)\nfingerprint: {in_fours(root.fingerprint)}", err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsedWronglyError("the registrars' fingerprint was not compared", "--registrars-fingerprint HEX, or --yes")
    click.confirm("Is this the fingerprint that the registrars told you?", abort=True, err=True)


@click.command(epilog="Example: member --home ~/bank-a status --json")
@click.pass_obj
@reporting
def status(session: Session) -> Shown:
    """Show keys, groups, epoch, budgets at the key holders, and how far the log is behind."""
    document = describe_standing(session)
    return Shown(document, _status_text(document), table=_holder_table(document))


def _status_text(document: dict[str, Any]) -> str:
    lines = [f"member    {document['member_id']} ({document['state']})"]
    for each in document["representatives"]:
        lines += [f"key       {each['representative_id']}: {', '.join(each['roles'])}"]
        lines += [f"          signing key {in_fours(each['fingerprint'])}"]
    if document["encryption_key_fingerprint"]:
        lines += [f"          encryption key {in_fours(document['encryption_key_fingerprint'])}"]
    if "groups" in document:
        lines += [f"groups    {', '.join(group['group_id'] for group in document['groups']) or 'none'}"]
        lines += [f"epoch     {document['epoch']['epoch'] if document['epoch'] else 'none'}"]
        lines += [f"log       {document['log']['size']} entries, {document['lag']} of ours waiting"]
        new = ", ".join(f"{count} {kind}" for kind, count in document["new_notices"].items())
        lines += [f"notices   {document['notices']}, new: {new} (member notices)" if new else "notices   nothing new"]
        waiting = document["open_requests"]
        lines += [f"requests  {waiting['incoming']} wait for our answer, {waiting['outgoing']} of ours for one"]
        lines += [
            f"fault     {each['holder_id']}: {each['reason']} ({each['met_at']})" for each in document["holder_faults"]
        ]
    return "\n".join(lines)


def _holder_table(document: dict[str, Any]) -> Any:
    if not document.get("holders"):
        return None
    made = table("key holders", "holder", "address", "budget")
    for holder in document["holders"]:
        budget = holder["budget"]
        shown = holder["problem"] if budget is None else f"{budget['remaining']:,} evaluations left"
        made.add_row(holder["holder_id"], holder["url"], shown)
    return made
