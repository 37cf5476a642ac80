"""`withdraw`, `corrections`: taking back one's own rows, and what others took back."""

from __future__ import annotations

from pathlib import Path

import click
import msgspec

from member.commands.shared.common import Shown, counted, reporting, table
from member.commands.shared.session import Session
from member.commands.shared.values import given_values, value_file_option
from member.corrections import acts
from member.normalise.rules import RULES
from member.plain import to_second
from schemas.rendering.words import in_words, label
from schemas.terms import WithdrawalReason

_EXAMPLE = "Example: member withdraw --type bank_account 20000012345678 --reason false_positive"


@click.command(epilog=_EXAMPLE)
@click.option("--type", "indicator_type", type=click.Choice(sorted(RULES)), help="What the values are.")
@click.option("--submission", "submission_id", metavar="ID", help="Take back all rows of a submission.")
@click.option("--reason", required=True, type=click.Choice([code.value for code in WithdrawalReason]))
@click.argument("values", nargs=-1, metavar="[VALUE]...")
@value_file_option
@click.pass_obj
@reporting
def withdraw(
    session: Session,
    /,
    *,
    indicator_type: str | None,
    submission_id: str | None,
    reason: str,
    values: tuple[str, ...],
    value_file: Path | None,
) -> Shown:
    """Take back own rows, by value or by submission. They count for nothing at once, and every recipient of them
    is notified; shown is how many of those this member may know of.
    """
    values = given_values(values, value_file)
    done = acts.withdraw(session.workplace, reason, values, indicator_type, submission_id)
    rows_taken, notified = counted(done.withdrawn, "row"), counted(done.told, "other member")
    overdue = "who does not acknowledge it in time is named to you: member notices"
    text = f"taken back: {rows_taken}; notified: at least {notified}\n{overdue}"
    return Shown(done, text)


@click.group(epilog="Example: member corrections list")
def corrections() -> None:
    """What was disclosed to this member and others took back: list it, act on it, acknowledge it."""


@corrections.command("list", epilog="Example: member corrections list --all")
@click.option("--all", "every", is_flag=True, help="Also those that are acknowledged.")
@click.pass_obj
@reporting
def list_all(session: Session, every: bool) -> Shown:
    """List corrections with the own values that they concern."""
    columns = ("no.", "reason", "concerns", "acknowledge by", "acknowledged", "told", "correction")
    made = table("corrections", *columns, whole=("correction", "acknowledge by"), spare=("told", "correction"))
    listed = acts.list_corrections(session.workplace, every=every)
    numbers = session.workplace.number("correction", (each.correction.correction_id for each in listed))
    for each in listed:
        one, concerned = each.correction, each.items
        summary = [" ".join([in_words(item.kind), *item.values]) for item in concerned[:3]] + ["…"] * (
            len(concerned) > 3
        )
        due, number = to_second(one.due_at) + (" (overdue)" if one.is_overdue else ""), str(numbers[one.correction_id])
        shown = (label(one.reason), ", ".join(summary), due, one.acknowledged_at or "", one.told_at)
        made.add_row(number, *shown, one.correction_id)
    made.title = counted(len(listed), "correction")
    acting = "once you have acted on one: member corrections ack NO."
    return Shown(
        {"corrections": [each.to_json() for each in listed]},
        acting if listed else "no corrections",
        made if listed else None,
    )


@corrections.command("ack", epilog="Example: member corrections ack 019ac7b2-7f7e-7b1c-9d2a-3c5b8a1f0e11")
@click.argument("correction_id", metavar="ID")
@click.pass_obj
@reporting
def acknowledge(session: Session, correction_id: str) -> Shown:
    """Read a correction to its end, and say that it was taken in and acted on. Nobody else learns who did. Shown is
    what is acknowledged: more than the list said, if more came since.
    """
    done, concerned = acts.acknowledge(session.workplace, correction_id)
    made = table("taken in", "by", "own values", "id", whole=("id",), spare=("id",))
    for one in concerned:
        made.add_row(label(one.kind), ", ".join(one.values), one.object_id)
    text = f"{done.correction_id} is acknowledged, with all that it concerns ({len(concerned):,})"
    return Shown({**msgspec.structs.asdict(done), "concerned": concerned}, text, made)
