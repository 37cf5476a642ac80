"""`exchange member …`: inviting, listing and stopping members, and what their statements ask for."""

from __future__ import annotations

from typing import Any

import click
import msgspec

from exchange.membership.roots import read_roots
from exchange.membership.store import groups_of_member, list_members
from exchange.programs.commands import opened
from exchange.programs.identifiers import IdentifierType
from exchange.programs.key_commands import four_eyes_command, rotate_key_command
from exchange.registrars.issue_enrolment import CODE_LIFETIME, Invitation, issue_enrolment
from exchange.registrars.stop_member import stop_member
from keys.statements.types import MemberState
from keys.terminal.program import CommandResult, reports
from schemas.terms import MemberKind, Sector
from schemas.values.clock import utc_now
from schemas.values.encoding import to_rfc3339


@click.group("member", epilog="Example: exchange member list")
def member_group() -> None:
    """Invite, list and stop members, rotate their representatives' keys, and say what takes two of them."""


member_group.add_command(rotate_key_command)
member_group.add_command(four_eyes_command)


class IssuedCode(CommandResult, frozen=True):
    """A code by which one institution enrols, once."""

    member_id: str
    code: str
    expires_at: str

    def text(self) -> str:
        return f"Give this code to {self.member_id}, once and in confidence:\n{self.code}"


@member_group.command(
    "enrol",
    epilog="Example: exchange member enrol acme --kind telecom --name A --sector telecommunications --declared-book 9",
)
@click.argument("member_id", type=IdentifierType())
@click.option("--kind", required=True, type=click.Choice([kind.value for kind in MemberKind]))
@click.option("--name", required=True)
@click.option("--sector", required=True, type=click.Choice([sector.value for sector in Sector]))
@click.option("--declared-book", required=True, type=click.IntRange(0, 10**10), help="How many accounts it holds.")
@click.pass_context
@reports
def enrol(context: click.Context, /, **options: Any) -> IssuedCode:
    """Make a one-time enrolment code. It makes nobody a member: the registrars sign for that."""
    if not 1 <= len(options["name"]) <= 200 or not options["name"].isprintable():
        raise click.BadParameter("expected 1 to 200 printable characters", param_hint="--name")
    now = utc_now()
    with opened(context) as (settings, database):
        root = read_roots(database, settings.root).as_pinned()
        code = issue_enrolment(database, Invitation(**options), url=settings.url, root=root, now=now)
    return IssuedCode(member_id=options["member_id"], code=code, expires_at=to_rfc3339(now + CODE_LIFETIME))


class ListedMember(msgspec.Struct, frozen=True, kw_only=True):
    """A member as the registrars stated it; `state` is `stopped` where the operator did that and they did not."""

    member_id: str
    name: str
    kind: str
    sector: str
    state: str
    groups: list[str]


class Members(CommandResult, frozen=True):
    """Every member."""

    members: list[ListedMember]

    def text(self) -> str:
        return "\n".join(f"{row.member_id:24} {row.state:10} {row.name}" for row in self.members)


@member_group.command("list", epilog="Example: exchange member list --json")
@click.pass_context
@reports
def list_command(context: click.Context) -> Members:
    """Members as the registrars stated them, and whether the operator stopped them."""
    with opened(context) as (_, database), database.reading() as session:
        found = [
            ListedMember(
                member_id=row.member_id,
                name=row.name,
                kind=row.kind,
                sector=row.sector,
                state="stopped" if row.stopped_at is not None and row.state == MemberState.ACTIVE else row.state,
                groups=[group.group_id for group in groups_of_member(session, row.member_id)],
            )
            for row in list_members(session)
        ]
    return Members(members=found)


class StoppedMember(CommandResult, frozen=True):
    """A member that is refused everything from now on."""

    member_id: str
    state: str
    proposal_id: str

    def text(self) -> str:
        return f"{self.member_id} is stopped. Registrars sign proposal {self.proposal_id} to suspend it."


@member_group.command(epilog="Example: exchange member suspend acme")
@click.argument("member_id", type=IdentifierType())
@click.pass_context
@reports
def suspend(context: click.Context, member_id: str) -> StoppedMember:
    """Refuse a member everything at once, and draft its suspension for the registrars."""
    with opened(context) as (_, database):
        proposal_id = stop_member(database, member_id, utc_now())
    return StoppedMember(member_id=member_id, state="stopped", proposal_id=proposal_id)
