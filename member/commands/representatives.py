"""`representative add|rotate|remove|list`: who acts for the member. Changes count when the registrars sign them."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec

from keys.ed25519 import SigningKey
from keys.keyring import Keyring, MemberStatement, Representative, RepresentativeState
from keys.replacement import sign_replacement
from member.access import REGISTRAR, lock_representative, passphrase_of, remembered_file
from member.authority import held_keyring, own_statement, refresh_keyring
from member.commands.common import Shown, reporting, table
from member.enrolment import check_id
from member.errors import NotEnrolledError, RefusedError, UnreachableError, UsedWronglyError, quoted
from member.home import LocalRepresentative
from member.session import Session
from schemas.encoding import to_base64
from schemas.terms import Role

_ROLES = ", ".join(role.value for role in Role)


@click.group(epilog="Example: member representative list")
def representative() -> None:
    """The people who act for this member, each with a key and a passphrase of their own."""


@representative.command("list", epilog="Example: member representative list")
@click.pass_obj
@reporting
def list_all(session: Session) -> Shown:
    """List representatives as the registrars signed them, and which keys lie in this home."""
    local = session.home.config.representatives
    signed = own_statement(session.keyring, session.home.member_id).to_wire()["representatives"]
    people = [{**each, "key_here": each["representative_id"].partition("/")[2] in local} for each in signed]
    known = {each["representative_id"] for each in signed}
    for name, each in local.items():
        representative_id = f"{session.home.member_id}/{name}"
        if representative_id not in known:
            drafted = {"representative_id": representative_id, "public_key": each.public_key, "roles": each.roles}
            people.append({**drafted, "state": "awaiting_registrars", "key_here": True})
    made = table("representatives", "id", "roles", "state", "key here")
    for shown in people:
        made.add_row(
            shown["representative_id"], ", ".join(shown["roles"]), shown["state"], "yes" if shown["key_here"] else "no"
        )
    return Shown({"representatives": people}, table=made)


@representative.command("add", epilog="Example: member representative add carol --roles submitter --out draft.json")
@click.argument("name")
@click.option("--roles", required=True, help=f"Separated by commas, from: {_ROLES}.")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Where the draft goes.")
@click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The new representative's passphrase (mode 0600); typed twice without it.",
)
@click.pass_obj
@reporting
def add(session: Session, name: str, roles: str, out: Path, passphrase_file: Path | None) -> Shown:
    """Make a key for a new representative and draft the statement for the registrars to sign."""
    home = session.home
    check_id(name, "name of a representative")
    if name in home.config.representatives or name == REGISTRAR:
        raise UsedWronglyError(f"{name} has a key in this home already")
    wanted = _read_roles(roles)
    statement = own_statement(session.keyring, home.member_id)
    passphrase = passphrase_of(name, passphrase_file, confirm=True, from_environment=False)
    key = SigningKey.generate()
    person = Representative(f"{home.member_id}/{name}", key.public_bytes, wanted, RepresentativeState.ACTIVE)
    people = (*statement.representatives, person)
    _write_draft(session, statement, people, out)
    lock_representative(home, name, key, session.unlocked.vault_key, passphrase)
    local = LocalRepresentative(sorted(role.value for role in wanted), to_base64(key.public_bytes))
    home.save(representatives={**home.config.representatives, name: local})
    return _drafted(person.representative_id, out)


@representative.command("rotate", epilog="Example: member --as authoriser representative rotate analyst --out new.json")
@click.argument("name")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Where the request goes.")
@click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="The passphrase of the new key (mode 0600); the file that the home remembers, or typed twice, without it.",
)
@click.pass_obj
@reporting
def rotate(session: Session, name: str, out: Path, passphrase_file: Path | None) -> Shown:
    """Make a new key for a representative whose key is lost, stolen or old, and a request for the operator.

    The old key is gone from this home at once; the new one counts when the registrars have signed it.
    """
    home = session.home
    representative_id = f"{home.member_id}/{name}"
    statement = own_statement(_latest_keyring(session), home.member_id)
    person = next((each for each in statement.representatives if each.representative_id == representative_id), None)
    if person is None:
        raise UsedWronglyError(f"the registrars have signed no {representative_id}", "member representative add")
    file = passphrase_file or remembered_file(home, name)
    passphrase = passphrase_of(name, file, confirm=True, from_environment=False)
    key = SigningKey.generate()
    _write_new(out, sign_replacement(representative_id, person.public_key, key))
    lock_representative(home, name, key, session.unlocked.vault_key, passphrase)
    public = to_base64(key.public_bytes)
    local = LocalRepresentative(sorted(role.value for role in person.roles), public)
    home.save(representatives={**home.config.representatives, name: local})
    document = {"representative_id": representative_id, "public_key": public, "request": str(out)}
    text = (
        f"the operator takes {out}: exchange member rotate-key {representative_id} --new-key {out.name}\n"
        f"read the new key to the registrars, who sign it: {public}"
    )
    return Shown(document, text)


@representative.command("remove", epilog="Example: member representative remove carol --out draft.json")
@click.argument("name")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="Where the draft goes.")
@click.pass_obj
@reporting
def remove(session: Session, name: str, out: Path) -> Shown:
    """Draft the statement that revokes a representative's key."""
    statement = own_statement(session.keyring, session.home.member_id)
    representative_id = f"{session.home.member_id}/{name}"
    if representative_id not in {person.representative_id for person in statement.representatives}:
        raise UsedWronglyError(f"the registrars have signed no {representative_id}")
    people = tuple(
        replace(person, state=RepresentativeState.REVOKED) if person.representative_id == representative_id else person
        for person in statement.representatives
    )
    _write_draft(session, statement, people, out)
    return _drafted(representative_id, out)


def _latest_keyring(session: Session) -> Keyring:
    """As the exchange has it or, since it may refuse the acting key already, as the vault has it."""
    try:
        return refresh_keyring(session.root, session.vault, session.exchange)
    except (RefusedError, UnreachableError, NotEnrolledError):
        return held_keyring(session.root, session.vault)


def _read_roles(text: str) -> frozenset[Role]:
    names = [name for name in re.split(r"[,\s]+", text) if name]
    try:
        roles = frozenset(Role(name) for name in names)
    except ValueError:
        raise UsedWronglyError(f"--roles {quoted(text)} names no role we know", f"from: {_ROLES}") from None
    if not roles:
        raise UsedWronglyError("a representative has a role", f"from: {_ROLES}")
    return roles


def _write_draft(session: Session, statement: MemberStatement, people: tuple[Representative, ...], out: Path) -> None:
    now = session.around.clock()
    draft = replace(statement, sequence=statement.sequence + 1, issued_at=now, representatives=people)
    _write_new(out, draft.to_wire())


def _write_new(path: Path, document: dict[str, Any]) -> None:
    """A JSON file where none was. UsedWronglyError if there is one."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=2)
    try:
        with path.open("xb") as stream:
            stream.write(text + b"\n")
    except FileExistsError:
        raise UsedWronglyError(f"{path} exists already", "name a new file") from None


def _drafted(representative_id: str, out: Path) -> Shown:
    document = {"representative_id": representative_id, "draft": str(out)}
    text = f"the draft is in {out}; it takes effect when the registrars sign it: registrar show {out}"
    return Shown(document, text)
