"""`representative add|rotate|remove|list`: who acts for the member. Changes count when the registrars sign them."""

from __future__ import annotations

import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import msgspec

from keys.custody.files import is_group_shared
from keys.sealing.hybrid import EncryptionKey
from keys.signatures.ed25519 import SigningKey
from keys.statements.fingerprints import in_fours
from keys.statements.keyring import Keyring, MemberStatement, RepresentativeState, StatedRepresentative
from keys.statements.replacement import sign_replacement
from member.commands.shared.common import Shown, reporting, table
from member.commands.shared.passphrases import passphrase_of, remembered_file
from member.commands.shared.session import Session
from member.errors import MemberError, NotEnrolledError, RefusedError, UnreachableError, UsageError, quoted
from member.identity.access import REGISTRAR, check_passphrase, check_vault_key, is_typed, lock_representative
from member.identity.enrolment import check_id
from member.identity.home import LocalRepresentative
from member.identity.people import Person, let_in, let_out, people_of, put_under_new_key
from member.identity.vault_folder import JoiningRequest
from member.plain import as_lines, printable
from member.statements.authority import held_keyring, own_statement
from member.vault.rekey import clear_journal
from schemas.rendering.words import in_words
from schemas.terms import FourEyes, Role
from schemas.values.encoding import from_base64, to_base64

_ROLES = ", ".join(role.value for role in Role)


@click.group(epilog="Example: member representative list")
def representative() -> None:
    """The people who act for this member, each with a key and a passphrase of their own."""


@representative.command("list", epilog="Example: member representative list")
@click.pass_obj
@reporting
def list_all(session: Session) -> Shown:
    """List representatives as the registrars signed them, for whom the vault opens, and which keys lie in this home."""
    local = session.home.config.representatives
    signed = own_statement(session.workplace.keyring, session.home.member_id).to_wire()["representatives"]
    admitted = {each.name: each for each in people_of(session.workplace.vault)}
    unsigned: dict[str, dict[str, Any]] = {
        name: {"public_key": each.public_key, "roles": []} for name, each in admitted.items()
    }
    unsigned |= {name: {"public_key": each.public_key, "roles": each.roles} for name, each in local.items()}
    for each in signed:
        unsigned.pop(each["representative_id"].partition("/")[2], None)
    people = [
        *signed,
        *(
            {"representative_id": f"{session.home.member_id}/{name}", **said, "state": "awaiting_registrars"}
            for name, said in unsigned.items()
        ),
    ]
    made = table("representatives", "id", "roles", "state", "key here", "vault opens")
    for shown in people:
        name = shown["representative_id"].partition("/")[2]
        shown |= {"key_here": name in local, "vault_opens": name in admitted}
        made.add_row(
            shown["representative_id"],
            ", ".join(map(in_words, shown["roles"])),
            in_words(shown["state"]),
            *("yes" if shown[field] else "no" for field in ("key_here", "vault_opens")),
        )
    return Shown({"representatives": people}, table=made)


@representative.command("add", epilog="Example: member representative add authoriser --out draft.json")
@click.argument("name")
@click.option("--roles", help=f"In a sandbox: what it may do, separated by commas, from: {_ROLES}.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the draft for the registrars goes; not needed before the member has joined.",
)
@click.option("--fingerprint", help="The fingerprint that the newcomer told you; lets it in only if it is the same.")
@click.option("--yes", is_flag=True, help="Let the newcomer in without comparing.")
@click.option(
    "--passphrase-file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    help="In a sandbox: the new representative's passphrase (mode 0600); typed twice without it.",
)
@click.pass_obj
@reporting
def add(
    session: Session,
    name: str,
    *,
    roles: str | None,
    out: Path | None,
    fingerprint: str | None,
    yes: bool,
    passphrase_file: Path | None,
) -> Shown:
    """Let in a person who made a key in a home of their own (init --as NAME --vault FOLDER): the vault opens for it.

    The statement for the registrars to sign is drafted too (--out). Somebody whom they have signed already and who lost
    home and key needs no draft: in the new home, `join` and `representative rotate NAME` ask for the new key to be
    signed. In a sandbox the key is made here, in the same home.
    """
    check_id(name, "name of a representative")
    if session.home.config.sandbox:
        return _add_here(session, name, roles, out, passphrase_file)
    given = {"--roles": roles, "--passphrase-file": passphrase_file}
    beside = ", ".join(option for option, value in given.items() if value is not None)
    if beside:
        raise UsageError(f"{beside}: the newcomer says that itself", "member init --as NAME --vault FOLDER")
    folder = session.home.vault_folder
    request = folder.find_request(name)
    _compare(request, fingerprint, yes=yes)
    person = Person(name, request.public_key, request.wrap_key)
    wanted = frozenset(_read_roles(",".join(request.roles)))
    representative_id = f"{session.home.member_id}/{name}"
    is_back = False
    if session.home.config.exchange_url is not None:
        signed = StatedRepresentative(
            representative_id, from_base64(request.public_key, 32), wanted, RepresentativeState.ACTIVE
        )
        statement = own_statement(session.workplace.keyring, session.home.member_id)
        is_back = _comes_back(statement, signed)
        if is_back and out is not None:
            raise UsageError(f"{representative_id} is signed already: nothing to draft", "leave out --out")
        if not is_back:
            if out is None:
                raise UsageError("where does the draft for the registrars go?", "--out draft.json")
            _write_draft(session, statement, (*statement.representatives, signed), out)
    with session.workplace.vault.transaction():
        let_in(session.workplace.vault, folder, session.workplace.unlocked.vault_key, person)
    folder.forget_request(name)
    document = {
        "representative_id": representative_id,
        "fingerprint": request.fingerprint,
        "roles": request.roles,
        "draft": None if out is None else str(out),
    }
    then = f", then member representative rotate {name} --out new-key.json" if is_back else ""
    lines = [
        f"the vault opens for {representative_id} ({', '.join(request.roles)})",
        f"next, in its own home: member join{then}",
    ]
    lines += [] if out is None else [f"the draft is in {out}; the registrars sign it: registrar sign {out}"]
    return Shown(document, as_lines(lines))


def _compare(request: JoiningRequest, told: str | None, *, yes: bool) -> None:
    """Raise unless whoever lets somebody in has compared what the newcomer's own screen shows."""
    if told is not None:
        if re.sub(r"[\s:]", "", told).lower() != request.fingerprint:
            hint = "do not let it in; ask the newcomer in person"
            detail = f"{request.name} asks with another key than the one whose fingerprint you were told"
            raise MemberError(detail, hint, slug="other_key", found=request.fingerprint)
        return
    shown = f"{request.name} ({', '.join(request.roles)})\nfingerprint: {in_fours(request.fingerprint)}"
    click.echo(printable(shown), err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("the newcomer's fingerprint was not compared", "--fingerprint HEX, or --yes")
    click.confirm("Is this the fingerprint on the newcomer's screen?", abort=True, err=True)


def _comes_back(statement: MemberStatement, person: StatedRepresentative) -> bool:
    """Whether the registrars have signed that person already, under a key that is lost. UsageError for one whose
    key is revoked, MemberError for another's key.
    """
    is_back = False
    for other in statement.representatives:
        if other.representative_id == person.representative_id:
            is_back = True
            if other.state is not RepresentativeState.ACTIVE:
                raise UsageError(f"{person.representative_id} was removed", "init --as with another name")
        elif other.public_key == person.public_key:
            detail = f"{person.representative_id} has the key of {other.representative_id}: one person is not two"
            raise MemberError(detail, "each person makes a key in a home of their own", slug="same_key")
    return is_back


def _add_here(session: Session, name: str, roles: str | None, out: Path | None, file: Path | None) -> Shown:
    """In a sandbox: a key for a new representative, in this home."""
    home = session.home
    if roles is None or out is None:
        raise UsageError("--roles and --out are missing", "--roles submitter --out draft.json")
    if name in home.config.representatives or name == REGISTRAR:
        raise UsageError(f"{name} has a key in this home already")
    wanted = _read_roles(roles)
    statement = own_statement(session.workplace.keyring, home.member_id)
    passphrase = passphrase_of(name, file, confirm=True, from_environment=False)
    check_passphrase(home, name, passphrase)
    key = SigningKey.generate()
    person = StatedRepresentative(f"{home.member_id}/{name}", key.public_bytes, wanted, RepresentativeState.ACTIVE)
    _write_draft(session, statement, (*statement.representatives, person), out)
    _keep_keys(session, name, key, passphrase, wanted)
    return _drafted(person.representative_id, out)


def _keep_keys(
    session: Session, name: str, key: SigningKey, passphrase: bytes, roles: frozenset[Role]
) -> LocalRepresentative:
    """Put a representative's new keys into this home, and open the vault for them: whenever it stops, the vault opens
    for those that lie here.
    """
    home, wrap_key = session.home, EncryptionKey.generate()
    vault_key = session.workplace.unlocked.vault_key
    public = to_base64(key.public_bytes)
    with session.workplace.vault.transaction():
        person = Person(name, public, to_base64(wrap_key.public_bytes))
        let_in(session.workplace.vault, home.vault_folder, vault_key, person, ahead=True)
        lock_representative(home, name, roles, key, wrap_key, passphrase=passphrase)
    home.vault_folder.wrap(name, wrap_key.public_bytes, vault_key)
    local = LocalRepresentative(sorted(role.value for role in roles), public)
    home.save(representatives={**home.config.representatives, name: local})
    return local


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
    """Make a new key for yourself, when yours is lost, stolen or old, and a request for the operator.

    The old key is gone from this home at once; the new one counts when the registrars have signed it. Who lost the home
    too makes a new one first (init --as NAME --vault FOLDER), is let in again by a colleague (representative add NAME),
    joins (join), and then gives this command there. In a sandbox the key may be another's.
    """
    home = session.home
    if not home.config.sandbox and name != session.acting_as:
        raise UsageError(f"{name} makes a new key in a home of their own", "nobody makes a key for another person")
    representative_id = f"{home.member_id}/{name}"
    statement = own_statement(_latest_keyring(session), home.member_id)
    person = next((each for each in statement.representatives if each.representative_id == representative_id), None)
    if person is None:
        raise UsageError(f"the registrars have signed no {representative_id}", "member representative add")
    typed = is_typed(home, [role.value for role in person.roles])
    file = passphrase_file or (None if typed else remembered_file(home, name))
    passphrase = passphrase_of(name, file, confirm=True, from_environment=False, typed=typed)
    check_passphrase(home, name, passphrase)
    key = SigningKey.generate()
    _write_new(out, sign_replacement(representative_id, person.public_key, key))
    public = _keep_keys(session, name, key, passphrase, person.roles).public_key
    document = {"representative_id": representative_id, "public_key": public, "request": str(out)}
    text = (
        f"the operator takes {out}: exchange member rotate-key {representative_id} --new-key {out.name}\n"
        f"read the new key to the registrars, who sign it: {public}"
    )
    return Shown(document, text)


@representative.command("remove", epilog="Example: member representative remove carol --out draft.json")
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the draft for the registrars goes; not needed before the member has joined.",
)
@click.option(
    "--change-vault-key",
    is_flag=True,
    help="Seal the whole vault anew too, so that a copy of the old key opens nothing from now on.",
)
@click.pass_obj
@reporting
def remove(session: Session, name: str, out: Path | None, *, change_vault_key: bool) -> Shown:
    """Close the vault for a representative, and draft the statement that revokes its key; of one whom the registrars
    have not signed, close the vault alone. Says for whom it still opens.
    """
    home = session.home
    representative_id = f"{home.member_id}/{name}"
    if name == session.acting_as:
        raise UsageError("nobody removes themselves", "another person for whom the vault opens does")
    signed = _signed_people(session)
    if name in signed:
        if out is None:
            raise UsageError("where does the draft for the registrars go?", "--out draft.json")
        signed[name] = replace(signed[name], state=RepresentativeState.REVOKED)
        statement = own_statement(session.workplace.keyring, home.member_id)
        _write_draft(session, statement, tuple(signed.values()), out)
    elif name not in {each.name for each in people_of(session.workplace.vault)}:
        raise UsageError(f"the vault does not open for {name}", "member representative list")
    elif out is not None:
        detail = f"the registrars have not signed {representative_id}: nothing to draft"
        raise UsageError(detail, "leave out --out")
    with session.workplace.vault.transaction():
        let_in(session.workplace.vault, home.vault_folder, session.workplace.unlocked.vault_key, _own(session))
        let_out(session.workplace.vault, home.vault_folder, name)
    if change_vault_key:
        fresh = put_under_new_key(session.workplace.vault, home.vault_folder, session.workplace.unlocked.vault_key)
        check_vault_key(home, fresh)
    is_cleared = clear_journal(session.workplace.vault) if change_vault_key else None
    document = {"representative_id": representative_id, "draft": None if out is None else str(out)}
    opens_for = [each.name for each in people_of(session.workplace.vault)]
    unsigned = [each for each in opens_for if home.config.exchange_url is not None and each not in signed]
    lines = [f"the vault is closed for {name}" + (", and under a new key" if change_vault_key else "")]
    lines.append(f"it opens for {', '.join(opens_for)}")
    lines += [f"the registrars have not signed {each}: member representative remove {each}?" for each in unsigned]
    if is_cleared is False:
        lines.append("another program has the vault open: what the old key opens is in its journal until that one ends")
    shared = str(home.vault_folder.path) if is_group_shared(home.vault_folder.path) else None
    if shared is not None:
        lines.append(f"take {name} out of the group of {shared} too: who writes there can put back an older copy")
    lines += [] if out is None else [f"the draft is in {out}; it takes effect when the registrars sign it: sign {out}"]
    key = {"vault_key_changed": change_vault_key, "old_key_cleared": is_cleared, "leave_group_of": shared}
    return Shown({**document, **key, "vault_opens_for": opens_for, "unsigned": unsigned}, as_lines(lines))


def _signed_people(session: Session) -> dict[str, StatedRepresentative]:
    """This member's representatives as the registrars signed them, by name; none before it has joined."""
    if session.home.config.exchange_url is None:
        return {}
    statement = own_statement(session.workplace.keyring, session.home.member_id)
    return {person.representative_id.partition("/")[2]: person for person in statement.representatives}


def _own(session: Session) -> Person:
    """Whoever gives the command, by the keys of this home: what the vault says of them may be older, or another's."""
    unlocked = session.workplace.unlocked
    public = to_base64(unlocked.identity.key.public_bytes)
    return Person(unlocked.name, public, to_base64(unlocked.wrap_key.public_bytes))


@representative.command("four-eyes", epilog="Example: member representative four-eyes --answers --out draft.json")
@click.option("--answers/--no-answers", default=None, help="One prepares each answer to a request, another sends it.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where the draft for the registrars goes.")
@click.pass_obj
@reporting
def four_eyes(session: Session, *, answers: bool | None, out: Path | None) -> Shown:
    """Show what takes two people of this member, or draft the statement that asks for it.

    Once the registrars have signed it, the exchange and those who are told refuse what one person alone sends.
    """
    statement = own_statement(session.workplace.keyring, session.home.member_id)
    if answers is None:
        codes = sorted(statement.four_eyes)
        return Shown({"four_eyes": codes}, f"four eyes: {', '.join(codes) or 'nothing'}")
    if out is None:
        raise UsageError("where does the draft for the registrars go?", "--out draft.json")
    wanted = statement.four_eyes | {FourEyes.ANSWERS} if answers else statement.four_eyes - {FourEyes.ANSWERS}
    _write_draft(session, replace(statement, four_eyes=wanted), statement.representatives, out)
    text = f"the draft is in {out}; it takes effect when the registrars sign it: registrar sign {out}"
    return Shown({"four_eyes": sorted(wanted), "draft": str(out)}, text)


def _latest_keyring(session: Session) -> Keyring:
    """As the exchange has it or, since it may refuse the acting key already, as the vault has it."""
    try:
        return session.workplace.refreshed_keyring()
    except (RefusedError, UnreachableError, NotEnrolledError):
        return held_keyring(session.workplace.root, session.workplace.vault)


def _read_roles(text: str) -> frozenset[Role]:
    names = [name for name in re.split(r"[,\s]+", text) if name]
    try:
        roles = frozenset(Role(name) for name in names)
    except ValueError:
        raise UsageError(f"--roles {quoted(text)} names no role we know", f"from: {_ROLES}") from None
    if not roles:
        raise UsageError("a representative has a role", f"from: {_ROLES}")
    return roles


def _write_draft(
    session: Session, statement: MemberStatement, people: tuple[StatedRepresentative, ...], out: Path
) -> None:
    now = session.workplace.around.clock()
    draft = replace(statement, sequence=statement.sequence + 1, issued_at=now, representatives=people)
    _write_new(out, draft.to_wire())


def _write_new(path: Path, document: object) -> None:
    """A JSON file where none was. UsageError if there is one."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=2)
    try:
        with path.open("xb") as stream:
            stream.write(text + b"\n")
    except FileExistsError:
        raise UsageError(f"{path} exists already", "name a new file") from None


def _drafted(representative_id: str, out: Path) -> Shown:
    document = {"representative_id": representative_id, "draft": str(out)}
    text = f"the draft is in {out}; it takes effect when the registrars sign it: registrar show {out}"
    return Shown(document, text)
