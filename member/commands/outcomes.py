"""`outcome`, `assessment`: what came of intelligence, and one's own judgement before anything is done to a customer."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import click

from member.commands.shared.common import Shown, counted, reporting, table
from member.commands.shared.session import Session
from member.errors import UsageError
from member.outcomes import acts
from schemas.outcomes import FIGURES, MAX_PEOPLE, MAX_POUNDS, Figures
from schemas.rendering.words import in_words, label
from schemas.terms import AccountAction, CrimeOutcome, DisruptionLevel, InternalInvestigation, OutcomeObject, Usefulness

_THEN = "what comes of it: member outcome record --hit ID …"


def _codes(codes: type[StrEnum]) -> click.Choice[str]:
    return click.Choice([code.value for code in codes])


@click.group(epilog="Example: member outcome list --received")
def outcome() -> None:
    """What came of hits, requests and queries: say it, and read what others say of one's own rows."""


def _objects(function: Callable[..., Any]) -> Callable[..., Any]:
    for about in reversed(OutcomeObject):
        function = click.option(f"--{about.value}", about.value, metavar="ID", help=f"The {about.value}.")(function)
    return function


@outcome.command("record", epilog="Example: member outcome record --hit ID --usefulness useful --restrained 12000")
@_objects
@click.option("--usefulness", type=_codes(Usefulness))
@click.option("--internal-investigation", type=_codes(InternalInvestigation))
@click.option("--account-action", type=_codes(AccountAction), help="An exit requires an assessment before it.")
@click.option("--arrests", type=click.IntRange(0, MAX_PEOPLE), help="How many; not said means not known.")
@click.option("--charges", type=click.IntRange(0, MAX_PEOPLE))
@click.option("--restrained", "restrained_gbp", type=click.IntRange(0, MAX_POUNDS), metavar="GBP", help="Pounds.")
@click.option("--forfeited", "forfeited_gbp", type=click.IntRange(0, MAX_POUNDS), metavar="GBP", help="Pounds.")
@click.option(
    "--repatriated", "repatriated_gbp", type=click.IntRange(0, MAX_POUNDS), metavar="GBP", help="Given back, pounds."
)
@click.option("--disruption", type=_codes(DisruptionLevel))
@click.option(
    "--outcome-code", type=_codes(CrimeOutcome), metavar="1-22", help="The Home Office's code of a crime's end."
)
@click.option("--false-positive", is_flag=True, default=None, help="It was not what it seemed.")
@click.option("--harm-to-customer", is_flag=True, default=None, help="A customer came to harm by it.")
@click.pass_obj
@reporting
def record(session: Session, /, **given: Any) -> Shown:
    """Say what came of a hit, a request or a query. Codes and figures alone; what is not said counts as not known.

    Those whose rows contributed are notified, and not by whom unless they know that already.
    """
    named = {about.value: given.pop(about.value) for about in OutcomeObject}
    chosen = {about: object_id for about, object_id in named.items() if object_id is not None}
    if len(chosen) != 1:
        raise UsageError("expected one of --hit, --request and --query", "member outcome record --hit ID …")
    ((about, object_id),) = chosen.items()
    figures = {name: value for name, value in given.items() if value is not None}
    done = acts.record(session.workplace, about, object_id, figures)
    return Shown(done, f"the outcome of {about} {object_id} is recorded: member outcome list")


@outcome.command("list", epilog="Example: member outcome list --received")
@click.option("--received", is_flag=True, help="What others say of this member's rows.")
@click.pass_obj
@reporting
def list_all(session: Session, received: bool) -> Shown:
    """List the outcomes that this member recorded, or those about its rows."""
    workplace = session.workplace
    if received:
        found = acts.received(workplace)
        listed: list[object] = [acts.received_view(workplace, one) for one in found]
        made = table(
            counted(len(listed), "outcome about our rows", "outcomes about our rows"),
            "told",
            "values",
            "from",
            "outcome",
        )
        for one in found:
            source, values = one.recorder or label(one.recorder_kind or "-"), acts.own_values(workplace, one)
            made.add_row(one.told_at, ", ".join(values), source, _figures(one))
    else:
        own = acts.recorded(workplace)
        listed = list(own)
        title = counted(len(listed), "outcome recorded", "outcomes recorded")
        made = table(title, "recorded", "of", "id", "outcome", whole=("id",))
        for each in own:
            made.add_row(each.recorded_at, label(each.object), each.object_id, _figures(each))
    return Shown({"outcomes": listed}, table=made)


def _figures(one: Figures) -> str:
    said = ((name, getattr(one, name)) for name in FIGURES)
    return ", ".join(f"{in_words(name)}: {_figure(value)}" for name, value in said if value is not None)


def _figure(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else in_words(str(value))


@click.group(epilog="Example: member assessment record --hit ID --other-sources --decision monitor")
def assessment() -> None:
    """This member's own assessment of a hit, without which no exit can be recorded."""


@assessment.command("record", epilog="Example: member assessment record --hit ID --other-sources --decision monitor")
@click.option("--hit", "hit_id", required=True, metavar="ID", help="The hit (member hits).")
@click.option("--other-sources", is_flag=True, help="Other sources than the hit were looked at.")
@click.option("--vulnerability-checked", is_flag=True, help="Whether the customer is vulnerable or a victim.")
@click.option("--keep-open-checked", is_flag=True, help="Whether law enforcement wants the account kept open.")
@click.option("--decision", required=True, type=_codes(AccountAction))
@click.pass_obj
@reporting
def assess(session: Session, /, hit_id: str, decision: str, **checks: bool) -> Shown:
    """Record what was checked, and what was decided. A hit alone never justifies an exit."""
    done = acts.assess(session.workplace, hit_id, checks, decision)
    said = f"the assessment of hit {hit_id} is recorded: {in_words(decision)}"
    return Shown(done, f"{said}\n{_THEN}")
