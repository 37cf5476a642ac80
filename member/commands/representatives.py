"""`representative add|rotate|remove|list`: who acts for the member. Changes count when the registrars sign them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import click
import msgspec

from keys.statements.fingerprints import in_fours
from member.commands.shared.common import Shown, reporting, table
from member.commands.shared.passphrases import passphrase_of, remembered_file
from member.commands.shared.session import Session
from member.errors import UsageError
from member.identity.access import is_typed
from member.identity.enrolment import check_id
from member.identity.vault_folder import JoiningRequest
from member.membership import representatives as acts
from member.membership.representatives import (
    ROLES,
    Removed,
    admit,
    check_fingerprint,
    check_new_here,
    draft_four_eyes,
    find_request,
    four_eyes_of,
    list_representatives,
    plan_admission,
    plan_removal,
    read_roles,
    signed_person,
)
from member.plain import as_lines, printable
from schemas.rendering.words import in_words


@click.group(epilog="Example: member representative list")
def representative() -> None:
    """The people who act for this member, each with a key and a passphrase of their own."""


@representative.command("list", epilog="Example: member representative list")
@click.pass_obj
@reporting
def list_all(session: Session) -> Shown:
    """List representatives as the registrars signed them, for whom the vault opens, and which keys lie in this home."""
    people = list_representatives(session.workplace)
    made = table("representatives", "id", "roles", "state", "key here", "vault opens")
    for one in people:
        flags = ("yes" if flag else "no" for flag in (one.key_here, one.vault_opens))
        made.add_row(one.representative_id, ", ".join(map(in_words, one.roles)), in_words(one.state), *flags)
    return Shown({"representatives": people}, table=made)


@representative.command("add", epilog="Example: member representative add authoriser --out draft.json")
@click.argument("name")
@click.option("--roles", help=f"In a sandbox: what it may do, separated by commas, from: {ROLES}.")
@click.option(
    "--out",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Where the draft for the registrars goes; not needed before the member has joined.",
)
@click.option(
    "--fingerprint", help="The fingerprint that the new representative gave you; lets it in only if it is the same."
)
@click.option("--yes", is_flag=True, help="Let the new representative in without comparing.")
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
        raise UsageError(f"{beside}: the new representative says that itself", "member init --as NAME --vault FOLDER")
    workplace = session.workplace
    request = find_request(workplace, name)
    _compare(request, fingerprint, yes=yes)
    admission = plan_admission(workplace, request)
    representative_id = admission.representative_id
    if admission.is_back and out is not None:
        raise UsageError(f"{representative_id} is signed already: nothing to draft", "leave out --out")
    if admission.draft is not None:
        _write_new(_given(out), admission.draft)
    admit(workplace, admission)
    document = {
        "representative_id": representative_id,
        "fingerprint": request.fingerprint,
        "roles": request.roles,
        "draft": None if out is None else str(out),
    }
    then = f", then member representative rotate {name} --out new-key.json" if admission.is_back else ""
    lines = [
        f"the vault opens for {representative_id} ({', '.join(request.roles)})",
        f"next, in its own home: member join{then}",
    ]
    lines += [] if out is None else [f"the draft is in {out}; the registrars sign it: registrar sign {out}"]
    return Shown(document, as_lines(lines))


def _compare(request: JoiningRequest, given: str | None, *, yes: bool) -> None:
    """Raise unless whoever lets somebody in has compared what that person's own screen shows."""
    if given is not None:
        check_fingerprint(request, given)
        return
    shown = f"{request.name} ({', '.join(request.roles)})\nfingerprint: {in_fours(request.fingerprint)}"
    click.echo(printable(shown), err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("the new representative's fingerprint was not compared", "--fingerprint HEX, or --yes")
    click.confirm("Is this the fingerprint on the new representative's screen?", abort=True, err=True)


def _add_here(session: Session, name: str, roles: str | None, out: Path | None, file: Path | None) -> Shown:
    """In a sandbox: a key for a new representative, in this home."""
    if roles is None or out is None:
        raise UsageError("--roles and --out are missing", "--roles submitter --out draft.json")
    check_new_here(session.workplace, name)

    def passphrase() -> bytes:
        return passphrase_of(name, file, confirm=True, from_environment=False)

    representative_id = acts.add_here(
        session.workplace, name, read_roles(roles), passphrase, lambda draft: _write_new(out, draft)
    )
    text = f"the draft is in {out}; it takes effect when the registrars sign it: registrar show {out}"
    return Shown({"representative_id": representative_id, "draft": str(out)}, text)


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
    home, person = session.home, signed_person(session.workplace, name)
    typed = is_typed(home, [role.value for role in person.roles])
    file = passphrase_file or (None if typed else remembered_file(home, name))
    passphrase = passphrase_of(name, file, confirm=True, from_environment=False, typed=typed)
    made = acts.rotate(session.workplace, person, passphrase, lambda request: _write_new(out, request))
    document = {"representative_id": made.representative_id, "public_key": made.public_key, "request": str(out)}
    text = (
        f"the operator takes {out}: exchange member rotate-key {made.representative_id} --new-key {out.name}\n"
        f"read the new key to the registrars, who sign it: {made.public_key}"
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
    removal = plan_removal(session.workplace, name)
    if removal.draft is not None:
        _write_new(_given(out), removal.draft)
    elif out is not None:
        detail = f"the registrars have not signed {session.home.member_id}/{name}: nothing to draft"
        raise UsageError(detail, "leave out --out")
    draft = None if out is None else str(out)
    removed = acts.remove(session.workplace, removal, draft, change_vault_key=change_vault_key)
    return Shown(removed, as_lines(_removed_lines(name, removed)))


def _removed_lines(name: str, removed: Removed) -> Iterator[str]:
    yield f"the vault is closed for {name}" + (", and under a new key" if removed.vault_key_changed else "")
    yield f"it opens for {', '.join(removed.vault_opens_for)}"
    for each in removed.unsigned:
        yield f"the registrars have not signed {each}: member representative remove {each}?"
    if removed.old_key_cleared is False:
        yield "another program has the vault open: what the old key opens is in its journal until that one ends"
    if removed.leave_group_of is not None:
        where = removed.leave_group_of
        yield f"take {name} out of the group of {where} too: who writes there can put back an older copy"
    if removed.draft is not None:
        out = removed.draft
        yield f"the draft is in {out}; it takes effect when the registrars sign it: sign {out}"


@representative.command("four-eyes", epilog="Example: member representative four-eyes --answers --out draft.json")
@click.option("--answers/--no-answers", default=None, help="One prepares each answer to a request, another sends it.")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Where the draft for the registrars goes.")
@click.pass_obj
@reporting
def four_eyes(session: Session, *, answers: bool | None, out: Path | None) -> Shown:
    """Show what takes two people of this member, or draft the statement that asks for it.

    Once the registrars have signed it, the exchange and the recipients refuse what one person alone sends.
    """
    if answers is None:
        codes = four_eyes_of(session.workplace)
        return Shown({"four_eyes": codes}, f"four eyes: {', '.join(codes) or 'nothing'}")
    to = _given(out)
    codes, draft = draft_four_eyes(session.workplace, answers=answers)
    _write_new(to, draft)
    text = f"the draft is in {to}; it takes effect when the registrars sign it: registrar sign {to}"
    return Shown({"four_eyes": codes, "draft": str(to)}, text)


def _given(out: Path | None) -> Path:
    """Where a draft goes. UsageError if it is not said."""
    if out is None:
        raise UsageError("where does the draft for the registrars go?", "--out draft.json")
    return out


def _write_new(path: Path, document: object) -> None:
    """A JSON file where none was. UsageError if there is one."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=2)
    try:
        with path.open("xb") as stream:
            stream.write(text + b"\n")
    except FileExistsError:
        raise UsageError(f"{path} exists already", "name a new file") from None
