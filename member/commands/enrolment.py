"""`init`, `join`, `status`: becoming a member, and seeing how one stands."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import click
from msgspec import UNSET

from keys.custody.new_home import clear_unfinished, is_unfinished, whole_home, whole_shared_folder
from keys.statements.fingerprints import in_fours
from keys.statements.keyring import Root
from member.commands.shared.common import Shown, reporting, table
from member.commands.shared.passphrases import passphrase_of, unlock_representative
from member.commands.shared.session import DEFAULT, Session
from member.commands.shared.terminal import PlainTable
from member.errors import UsageError, quoted
from member.identity.access import Unlocked, is_typed
from member.identity.enrolment import (
    FIRST_REPRESENTATIVES,
    NewRepresentative,
    ask_to_join,
    check_id,
    create_member,
    registrars_text,
)
from member.identity.home import Config, Home
from member.membership import joining as acts
from member.membership.joining import check_fingerprint, join_others, read_invitation, root_to_follow
from member.plain import as_lines
from member.standing.status import describe_standing
from member.standing.views import StandingView
from member.statements.freshness import FreshnessView
from schemas.rendering.words import in_words
from schemas.terms import Role


@click.command(epilog="Example: member --home ~/bank-a init --member-id bank-a --vault /srv/bank-a")
@click.option("--member-id", required=True, help="The id under which the exchange invited you.")
@click.option(
    "--vault",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    help="The folder of the member's vault, which its people share (in this home if not said). Where a vault is there "
    "already, you ask to be let in.",
)
@click.option(
    "--passphrase-dir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="A folder with one passphrase file for each representative, by name (mode 0600). Never for an authoriser or "
    "releaser, but in a sandbox.",
)
@click.option(
    "--role", "roles", metavar="NAME=ROLE", multiple=True, help="One more role: analyst=reviewer. Repeatable."
)
@click.option(
    "--sandbox",
    is_flag=True,
    help="For trying out: two people in one home, which joins an exchange on this machine only.",
)
@click.pass_obj
@reporting
def init(
    session: Session,
    member_id: str,
    folder: Path | None,
    passphrase_dir: Path | None,
    roles: tuple[str, ...],
    *,
    sandbox: bool,
) -> Shown:
    """Make your own home: the analyst's, or that of whoever --as names; with it, for the first person, the vault.

    Each person has a home, a key and a passphrase of their own. The next one gives the same command with --as NAME and
    --vault, in a home of their own, and is let in: member representative add NAME.
    """
    names = list(FIRST_REPRESENTATIVES) if sandbox else [session.said_as or DEFAULT]
    if sandbox and folder is not None:
        raise UsageError("a sandbox's home holds its vault", "leave out --vault")
    known = {name: _roles_of(name, roles) for name in names}
    _check_role_names(roles, names)
    check_id(member_id, "member id")
    _has_vault(folder, session.home_path)
    if not is_unfinished(session.home_path):
        Home.find(session.home_path).check_free()
    files = None if passphrase_dir is None else passphrase_dir.resolve()
    planned = Home(session.home_path, Config(sandbox=sandbox))
    people = [
        NewRepresentative(name, known[name], _new_passphrase(planned, name, known[name], files)) for name in names
    ]
    remembered = None if files is None else str(files)
    # Somebody else may have made the vault while the passphrase was typed.
    is_there = _has_vault(folder, session.home_path)
    with ExitStack() as made_whole:
        if folder is not None and not is_there and not _is_same(folder, session.home_path):
            made_whole.enter_context(whole_shared_folder(folder, session.home_path))
        made_whole.enter_context(whole_home(session.home_path))
        home = Home.make(session.home_path)
        if folder is not None and is_there:
            return _ask_to_join(home, member_id, people[0], folder, remembered)
        create_member(home, member_id, people, vault=folder, passphrase_dir=remembered, sandbox=sandbox)
    keys = {name: local.public_key for name, local in home.config.representatives.items()}
    document = {"member_id": member_id, "home": str(home.path), "vault": str(home.vault_folder.path)}
    lines = [f"{member_id}: the key of {name} is in {home.path}" for name in names]
    lines += [f"the vault is in {home.vault_folder.path}", "next: member join CODE", *_who_is_missing(home, names)]
    return Shown({**document, "representatives": keys}, as_lines(lines))


def _has_vault(folder: Path | None, home_path: Path) -> bool:
    """Whether there is a vault to join. What a killed `init` of this home left in its folder is cleared first;
    CustodyError for what another's left.
    """
    if folder is None or _is_same(folder, home_path):
        return False
    is_whole = not is_unfinished(home_path) and Home.find(home_path).config.vault == str(folder.resolve())
    clear_unfinished(folder, home_path, is_whole=is_whole)
    return (folder / "vault.sqlite").exists()


def _is_same(folder: Path, home_path: Path) -> bool:
    return folder.resolve() == home_path.resolve()


def _ask_to_join(
    home: Home, member_id: str, person: NewRepresentative, folder: Path, passphrase_dir: str | None
) -> Shown:
    request = ask_to_join(home, member_id, person, folder, passphrase_dir)
    document = {
        "member_id": member_id,
        "home": str(home.path),
        "vault": str(home.vault_folder.path),
        "representatives": {person.name: request.public_key},
        "fingerprint": request.fingerprint,
    }
    lines = [
        f"{member_id}: the key of {person.name} is in {home.path}",
        f"fingerprint: {in_fours(request.fingerprint)}",
        f"next, by somebody for whom the vault opens: member representative add {person.name}",
        "they compare the fingerprint with you; then: member join",
    ]
    return Shown(document, as_lines(lines))


def _who_is_missing(home: Home, names: list[str]) -> Iterator[str]:
    """How the second person comes to it."""
    for name in FIRST_REPRESENTATIVES:
        if name not in names:
            command = f"init --member-id {home.member_id} --vault {home.vault_folder.path}"
            yield f"{name} is another person: member --home THEIR-OWN-HOME --as {name} {command}"


def _new_passphrase(home: Home, name: str, roles: list[str], files: Path | None) -> bytes:
    """A new passphrase of a person, by the file of its name or typed twice."""
    typed = is_typed(home, roles)
    return passphrase_of(name, None if files is None else files / name, confirm=True, typed=typed)


def _roles_of(name: str, more: tuple[str, ...]) -> list[str]:
    """What somebody of that name may do: the usual, and what --role says."""
    said = [_read_role(text) for text in more]
    roles = [*FIRST_REPRESENTATIVES.get(name, ()), *(role for each, role in said if each == name)]
    if not roles:
        raise UsageError(f"what may {name} do?", f"--role {name}=ROLE, one of {', '.join(Role)}")
    return [role.value for role in dict.fromkeys(roles)]


def _check_role_names(more: tuple[str, ...], names: list[str]) -> None:
    for text in more:
        if _read_role(text)[0] not in names:
            raise UsageError(f"--role {quoted(text)} is for nobody whose key is made here", ", ".join(names))


def _read_role(text: str) -> tuple[str, Role]:
    name, _, code = text.partition("=")
    if code not in set(Role):
        raise UsageError(f"--role {quoted(text)} is not NAME=ROLE", f"ROLE is one of {', '.join(Role)}")
    return check_id(name, "name of a representative"), Role(code)


@click.command(epilog="Example: member --home ~/bank-a join CODE --registrars-fingerprint 3f9a…")
@click.argument("code", required=False)
@click.option(
    "--registrars-fingerprint", help="The fingerprint you were given another way; joins only if it is the same."
)
@click.option("--yes", is_flag=True, help="Take the registrars in the code without comparing.")
@click.pass_obj
@reporting
def join(session: Session, code: str | None, registrars_fingerprint: str | None, yes: bool) -> Shown:
    """Answer the one-time enrolment code, once the registrars' fingerprint has been compared.

    Each person for whom the vault opens answers it, in their own home; with the last of them it is sent. Without CODE:
    take the exchange and the registrars with which the others have joined, after comparing.
    """
    home = session.home
    if code is None:
        return _follow(session, registrars_fingerprint, yes=yes)
    invitation = read_invitation(home, code)
    _compare(invitation.root, registrars_fingerprint, yes)
    keys = {name: _unlocked(session, name).identity.key for name in home.config.representatives}
    joined = acts.join(session.workplace, invitation, keys)
    if joined.waiting_for:
        names = ", ".join(joined.waiting_for)
        text = f"your answer is kept; it is sent when {names} gives the same command in a home of their own"
        return Shown(joined, text)
    text = f"asked to join {joined.exchange_url}; it takes effect when the registrars have signed"
    return Shown(joined, f"{text}\nread them the keys' fingerprints: member status shows them")


def _unlocked(session: Session, name: str) -> Unlocked:
    return session.workplace.unlocked if name == session.acting_as else unlock_representative(session.home, name)


def _follow(session: Session, fingerprint: str | None, *, yes: bool) -> Shown:
    """Join where the others have joined."""
    root = root_to_follow(session.workplace)
    _compare(root, fingerprint, yes)
    joined = join_others(session.workplace, root)
    return Shown(joined, f"joined {joined.exchange_url}; you may act when the registrars have signed your key")


def _compare(root: Root, given: str | None, yes: bool) -> None:
    """Raise unless a person, here or before, has compared the fingerprint."""
    if given is not None:
        check_fingerprint(root, given)
        return
    click.echo(f"registrars: {registrars_text(root)}\nfingerprint: {in_fours(root.fingerprint)}", err=True)
    if yes:
        return
    if not sys.stdin.isatty():
        raise UsageError("the registrars' fingerprint was not compared", "--registrars-fingerprint HEX, or --yes")
    click.confirm("Is this the fingerprint that the registrars gave you?", abort=True, err=True)


@click.command(epilog="Example: member --home ~/bank-a status --json")
@click.pass_obj
@reporting
def status(session: Session) -> Shown:
    """Show keys, groups, epoch, budgets at the key holders, and how far the log is behind."""
    shown = describe_standing(session.workplace)
    return Shown(shown, as_lines(_status_lines(session, shown)), table=_holder_table(shown))


def _status_lines(session: Session, shown: StandingView) -> Iterator[str]:
    yield f"member    {shown.member_id} ({shown.state})"
    for each in shown.representatives:
        yield f"key       {each.representative_id}: {', '.join(each.roles)}"
        yield f"          signing key {in_fours(each.fingerprint)}"
    if shown.encryption_key_fingerprint:
        yield f"          encryption key {in_fours(shown.encryption_key_fingerprint)}"
    if shown.groups is not UNSET:
        yield from _signed_lines(session, shown)


def _signed_lines(session: Session, shown: StandingView) -> Iterator[str]:
    """What the registrars and the servers say of a member that is signed."""
    yield f"groups    {', '.join(group.group_id for group in shown.groups or ()) or 'none'}"
    yield f"epoch     {shown.epoch.epoch if shown.epoch else 'none'}"
    yield _freshness_line(shown.statements or None)
    if shown.log:
        yield f"log       {shown.log.size} entries, {shown.lag} of ours waiting"
    new = ", ".join(f"{count} {in_words(kind)}" for kind, count in (shown.new_notices or {}).items())
    yield f"notices   {shown.notices}, new: {new} (member notices)" if new else "notices   nothing new"
    if shown.open_requests:
        waiting = shown.open_requests
        yield f"requests  {waiting.incoming} wait for our answer, {waiting.outgoing} of ours wait for others'"
    approve = f"member --as {session.acting_as} query approve"
    yield from (f"queries   one waits for you: {approve} {each}" for each in shown.queries_to_authorise or ())
    yield from (f"fault     {each.holder_id}: {each.reason} ({each.met_at})" for each in shown.holder_faults or ())


def _freshness_line(statements: FreshnessView | None) -> str:
    if statements is None:
        return "stated    no key holders are stated yet"
    if statements.valid_until is None:
        return "stated    out of date: too few key holders vouch that nothing newer was stated"
    return f"stated    {statements.number}, vouched for until {statements.valid_until}"


def _holder_table(shown: StandingView) -> PlainTable | None:
    if not shown.holders:
        return None
    made = table("key holders", "holder", "address", "budget")
    for holder in shown.holders:
        budget = holder.budget
        left = holder.problem if budget is None else f"{budget.remaining:,} evaluations left"
        made.add_row(holder.holder_id, holder.url, left)
    return made
