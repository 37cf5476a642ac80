"""`notices`: what happened that concerns this member."""

from __future__ import annotations

import click
import msgspec

from member.commands.shared.common import Shown, counted, reporting, table
from member.commands.shared.next_steps import command_of
from member.commands.shared.session import Session
from member.errors import UsageError
from member.standing.notices import DescribedNotice, read_notices
from schemas.rendering.words import in_words, label
from schemas.status import ListedNotice


@click.command(epilog="Example: member --as authoriser notices")
@click.option("--since", metavar="ID", help="Every notice behind that one, shown before or not.")
@click.option("--all", "every", is_flag=True, help="Every notice, shown before or not.")
@click.pass_obj
@reporting
def notices(session: Session, since: str | None, every: bool) -> Shown:
    """Show what happened since you last looked, what each is about, and how to go on with it."""
    if since is not None and every:
        raise UsageError("either --since ID or --all", "member notices --all")
    after = None if since is None else session.workplace.find_id("notice", since)
    read = read_notices(session.workplace, after, every=every)
    listed, new = read.listed, read.new
    numbers = session.workplace.number("notice", (one.notice.notice_id for one in listed))
    columns = ("no.", "at", "what happened", "go on with", *_SPARE)
    made = table(f"{counted(len(listed), 'notice')}, {new:,} new", *columns, whole=("at", "go on with"), spare=_SPARE)
    for one in listed:
        about = "no entry in our log" if one.about is None else _in_words(one.about)
        number, said = str(numbers[one.notice.notice_id]), label(one.said)
        made.add_row(number, one.notice.created_at, said, command_of(one.then), about, one.notice.notice_id)
    lacking = counted(sum(one.about is None for one in listed), "notice has", "notices have")
    lacks = any(one.about is None for one in listed)
    warnings = [f"{lacking} no entry in our log: member log verify"] if lacks else []
    text = "" if listed else "nothing new: member notices --all shows what was shown before"
    return Shown({"notices": [_view(one) for one in listed], "new": new}, text, made if listed else None, warnings)


_SPARE = ("about", "notice")


class NoticeView(ListedNotice, frozen=True):
    """A notice as `--json` gives it, with the command to go on with."""

    said: str
    about: dict[str, object] | None
    go_on: str


def _view(one: DescribedNotice) -> NoticeView:
    given = msgspec.structs.asdict(one.notice)
    return NoticeView(**given, said=one.said, about=one.about, go_on=command_of(one.then))


def _in_words(about: dict[str, object]) -> str:
    shown = {name.removesuffix("_id"): value for name, value in about.items()}
    return ", ".join(
        f"{name} {' '.join(map(str, value)) if isinstance(value, list) else _flat(value)}"
        for name, value in shown.items()
    )


def _flat(value: object) -> str:
    if isinstance(value, dict):  # a statement: what it is about, and of which kind
        return " ".join(in_words(str(value[name])) for name in ("type", "subject") if name in value)
    return in_words(str(value))
