"""`notices`: what happened that concerns this member."""

from __future__ import annotations

import click

from member.commands.common import Shown, counted, reporting, table
from member.errors import UsedWronglyError
from member.session import Session
from schemas.identifiers import is_uuid7


@click.command(epilog="Example: member --as authoriser notices")
@click.option("--since", metavar="ID", help="Every notice behind that one, shown before or not.")
@click.option("--all", "every", is_flag=True, help="Every notice, shown before or not.")
@click.pass_obj
@reporting
def notices(session: Session, since: str | None, every: bool) -> Shown:
    """Show what happened since you last looked, what each is about, and how to go on with it."""
    if since is not None and every:
        raise UsedWronglyError("either --since ID or --all", "member notices --all")
    after = None if since is None else since.strip().lower()
    if after is not None and not is_uuid7(after):
        raise UsedWronglyError("this is no id of a notice", "member notices --all lists them")
    board = session.notice_board
    found = list(board.unread() if since is None and not every else session.exchange.notices(after))
    listed = session.notice_log.describe(found)
    new = board.remember(found)
    made = table(f"{counted(len(found), 'notice')}, {new:,} new", "id", "at", "what happened", "about", "go on with")
    for one in listed:
        about = "no entry in our log" if one["about"] is None else _in_words(one["about"])
        made.add_row(one["notice_id"], one["created_at"], one["said"], about, one["go_on"])
    lacking = counted(sum(one["about"] is None for one in listed), "notice has", "notices have")
    lacks = any(one["about"] is None for one in listed)
    warnings = [f"{lacking} no entry in our log: member log verify"] if lacks else []
    text = "" if listed else "nothing new: member notices --all shows what was shown before"
    return Shown({"notices": listed, "new": new}, text, made if listed else None, warnings)


def _in_words(about: dict[str, object]) -> str:
    shown = {name.removesuffix("_id"): value for name, value in about.items()}
    return ", ".join(
        f"{name} {' '.join(map(str, value)) if isinstance(value, list) else _flat(value)}"
        for name, value in shown.items()
    )


def _flat(value: object) -> str:
    return " ".join(str(one) for one in value.values()) if isinstance(value, dict) else str(value)
