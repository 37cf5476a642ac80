"""`exchange group …`: drafting sharing groups."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import click
from sqlalchemy.orm import Session

from exchange.membership.statements import latest_effective
from exchange.membership.store import list_members
from exchange.programs.commands import CommandError, opened
from exchange.programs.identifiers import Identifiers, IdentifierType
from exchange.registrars.enrolments import list_invited
from exchange.registrars.propose import propose_statement
from keys.statements.types import GroupState, GroupStatement, parse_statement
from keys.terminal.program import CommandResult, reports
from schemas.terms import GroupKind
from schemas.values.clock import utc_now


@click.group("group", epilog="Example: exchange group add mules --members c")
def sharing_group() -> None:
    """Draft sharing groups for the registrars to sign."""


class DraftedGroup(CommandResult, frozen=True):
    """A group that waits for the registrars' signatures."""

    group_id: str
    proposal_id: str

    def text(self) -> str:
        return f"Registrars sign proposal {self.proposal_id} about the group {self.group_id}."


@sharing_group.command(
    epilog="Example: exchange group create mules --kind cell --members a,b --objective 'one ring' --sunset 2027-03-31"
)
@click.argument("group_id", type=IdentifierType())
@click.option("--members", required=True, type=Identifiers(), help="Member ids, separated by commas.")
@click.option("--kind", default=GroupKind.THREAT_GROUP.value, type=click.Choice([kind.value for kind in GroupKind]))
@click.option("--name", help="[default: the id]")
@click.option("--objective", required=True)
@click.option("--sunset", type=click.DateTime(["%Y-%m-%d"]), help="Its last day.")
@click.pass_context
@reports
def create(context: click.Context, /, group_id: str, **options: Any) -> DraftedGroup:
    """Draft a group. A cell requires a sunset date, after which it closes by itself."""
    if options["kind"] == GroupKind.CELL and options["sunset"] is None:
        raise click.BadParameter("a cell requires one", param_hint="--sunset")
    now = utc_now()

    def draft(sequence: int) -> GroupStatement:
        return GroupStatement(
            sequence=sequence,
            issued_at=now,
            group_id=group_id,
            name=options["name"] or group_id,
            kind=GroupKind(options["kind"]),
            objective=options["objective"],
            sunset=None if options["sunset"] is None else _end_of(options["sunset"].date()),
            state=GroupState.OPEN,
            members=frozenset(options["members"]),
        )

    with opened(context) as (_, database):
        with database.reading() as session:
            held = latest_effective(session, "group", group_id)
            _require_known(session, options["members"])
        stated = None if held is None else parse_statement(held.payload)
        if isinstance(stated, GroupStatement) and stated.state is GroupState.OPEN:
            raise CommandError("group-exists", f"the group {group_id} is in force: exchange group add, or close")
        return DraftedGroup(group_id=group_id, proposal_id=propose_statement(database, "group", group_id, draft, now))


def _require_known(session: Session, members: Sequence[str]) -> None:
    """CommandError for who is no member and was not invited either: the registrars would sign a slip of the pen."""
    known = {one.member_id for one in list_members(session)} | list_invited(session, members)
    strange = [member_id for member_id in members if member_id not in known]
    if strange:
        raise CommandError(
            "unknown-member",
            f"nobody was enrolled as {', '.join(strange)}: exchange member list; exchange member enrol first",
        )


def _end_of(day: date) -> datetime:
    """The first moment after a day (UTC)."""
    return datetime(day.year, day.month, day.day, tzinfo=UTC) + timedelta(days=1)


@sharing_group.command(epilog="Example: exchange group add mules --members c")
@click.argument("group_id", type=IdentifierType())
@click.option("--members", required=True, type=Identifiers(), help="Member ids, separated by commas.")
@click.pass_context
@reports
def add(context: click.Context, group_id: str, members: list[str]) -> DraftedGroup:
    """Draft a group with more members."""
    with opened(context) as (_, database), database.reading() as session:
        _require_known(session, members)
    return _change_group(context, group_id, lambda held: replace(held, members=held.members | frozenset(members)))


@sharing_group.command(epilog="Example: exchange group close mules")
@click.argument("group_id", type=IdentifierType())
@click.pass_context
@reports
def close(context: click.Context, group_id: str) -> DraftedGroup:
    """Draft the closing of a group."""
    return _change_group(context, group_id, lambda held: replace(held, state=GroupState.CLOSED))


def _change_group(
    context: click.Context, group_id: str, change: Callable[[GroupStatement], GroupStatement]
) -> DraftedGroup:
    """Draft a group as stated now, but for a change."""
    now = utc_now()
    with opened(context) as (_, database):
        with database.reading() as session:
            held = latest_effective(session, "group", group_id)
        if held is None:
            raise CommandError("unknown-group", f"no statement in force speaks of the group {group_id}")
        stated = parse_statement(held.payload)
        assert isinstance(stated, GroupStatement)  # noqa: S101 - its type is group; for the type checker

        def draft(sequence: int) -> GroupStatement:
            return replace(change(stated), sequence=sequence, issued_at=now)

        return DraftedGroup(group_id=group_id, proposal_id=propose_statement(database, "group", group_id, draft, now))
