"""`outcome`, `assessment`: what came of intelligence, and one's own judgement before anything is done to a customer."""

from __future__ import annotations

from collections.abc import Callable
from enum import StrEnum
from typing import Any

import click
import msgspec

from member.commands.shared.common import Shown, counted, reporting, table
from member.commands.shared.session import Session
from member.corrections.log import DisclosureRecord
from member.errors import UsageError
from member.indicators.hit_progress import HitProgress
from member.outcomes.client import OutcomeClient
from member.transport.channel import shown_token
from member.vault.hits import ShownHits
from member.vault.rows import VaultRows
from schemas.outcomes import FIGURES, MOST_PEOPLE, MOST_POUNDS, ReceivedOutcome
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
@click.option("--arrests", type=click.IntRange(0, MOST_PEOPLE), help="How many; not said means not known.")
@click.option("--charges", type=click.IntRange(0, MOST_PEOPLE))
@click.option("--restrained", "restrained_gbp", type=click.IntRange(0, MOST_POUNDS), metavar="GBP", help="Pounds.")
@click.option("--forfeited", "forfeited_gbp", type=click.IntRange(0, MOST_POUNDS), metavar="GBP", help="Pounds.")
@click.option(
    "--repatriated", "repatriated_gbp", type=click.IntRange(0, MOST_POUNDS), metavar="GBP", help="Given back, pounds."
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

    Those whose rows contributed are told, and not by whom unless they know that already.
    """
    named = {about.value: given.pop(about.value) for about in OutcomeObject}
    chosen = {about: object_id for about, object_id in named.items() if object_id is not None}
    if len(chosen) != 1:
        raise UsageError("expected one of --hit, --request and --query", "member outcome record --hit ID …")
    ((about, object_id),) = chosen.items()
    figures = {name: value for name, value in given.items() if value is not None}
    found = _find(session, about, object_id)
    session.workplace.check_fresh()
    done = OutcomeClient.at(session.workplace).record(about, found, figures)
    HitProgress(session.workplace.vault).outcome(about, found)
    return Shown(done, f"the outcome of {about} {object_id} is recorded: member outcome list")


@outcome.command("list", epilog="Example: member outcome list --received")
@click.option("--received", is_flag=True, help="What others say of this member's rows.")
@click.pass_obj
@reporting
def list_all(session: Session, received: bool) -> Shown:
    """List the outcomes that this member recorded, or those about its rows."""
    client = OutcomeClient.at(session.workplace)
    if received:
        listed = [_received(session, one) for one in client.received(DisclosureRecord.at(session.workplace))]
        made = table(
            counted(len(listed), "outcome about our rows", "outcomes about our rows"),
            "told",
            "values",
            "from",
            "outcome",
        )
        for one in listed:
            source = one["recorder"] or label(one["recorder_kind"] or "-")
            made.add_row(one["told_at"], ", ".join(one["values"]), source, _figures(one))
    else:
        listed = [msgspec.to_builtins(one) for one in client.recorded(DisclosureRecord.at(session.workplace))]
        made = table(
            counted(len(listed), "outcome recorded", "outcomes recorded"),
            "recorded",
            "of",
            "id",
            "outcome",
            whole=("id",),
        )
        for one in listed:
            made.add_row(one["recorded_at"], label(one["object"]), one["object_id"], _figures(one))
    return Shown({"outcomes": listed}, table=made)


def _received(session: Session, one: ReceivedOutcome) -> dict[str, Any]:
    """An outcome with the own values that it is about, in place of their tokens."""
    own = VaultRows(session.workplace.vault).find_by_tokens([shown_token(token) for token in one.tokens])
    told: dict[str, Any] = msgspec.to_builtins(one)
    del told["tokens"]
    return {**told, "values": sorted(held.canonical for held in own.values())}


def _figures(one: dict[str, Any]) -> str:
    return ", ".join(f"{in_words(name)}: {_figure(one[name])}" for name in FIGURES if one[name] is not None)


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
    found = _find(session, OutcomeObject.HIT, hit_id)
    done = OutcomeClient.at(session.workplace).assess(found, checks, decision)
    HitProgress(session.workplace.vault).assessed(found, decision)
    said = f"the assessment of hit {hit_id} is recorded: {in_words(decision)}"
    return Shown(done, f"{said}\n{_THEN}")


def _find(session: Session, about: str, text: str) -> str:
    """The id of what a person means."""
    workplace = session.workplace
    return workplace.find_id(about, text, ShownHits(workplace.vault).ids if about == OutcomeObject.HIT else tuple)
