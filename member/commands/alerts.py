"""`alert`: drafting, reviewing, releasing and withdrawing one's own alerts; reading and answering others'."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path

import click
import msgspec
from rich.console import RenderableType

from member.alerts import acts
from member.alerts.client import AlertClient, ReadAlert
from member.alerts.file import example_alert, read_alert
from member.alerts.page import page_of
from member.commands.shared.common import Shown, counted, reporting, table, write_new_file
from member.commands.shared.session import Session
from member.errors import MemberError, UsageError
from member.identity.home import Home
from member.inputs import read_moment, read_text
from schemas.alerts.messages import Acknowledgement, AlertStatus, ListedAlert
from schemas.rendering.words import in_words, label
from schemas.terms import AlertState, Theme

_MAX_FEEDBACK_BYTES = 64 * 1024
_DATE = click.DateTime(["%Y-%m-%d"])
_file = click.Path(dir_okay=False, path_type=Path)


@click.group(epilog="Example: member alert list")
def alert() -> None:
    """Alerts: write and release one's own, read and answer those of others."""


@alert.command("template", epilog="Example: member alert template alert.json")
@click.argument("file", type=_file, required=False)
@click.pass_obj
@reporting
def template(session: Session, file: Path | None) -> Shown:
    """Print an example of FILE.json for `alert draft`, or write it to a new FILE. It can be drafted as it is."""
    defaults = Home.open(session.home_path).config.defaults if session.home_path.is_dir() else {}
    document = example_alert(defaults, session.workplace.today())
    text = json.dumps(document, indent=2, ensure_ascii=False)
    if file is None:
        return Shown(document, text)
    write_new_file(file, f"{text}\n".encode())
    return Shown({"file": str(file)}, f"{file} is an example: change it, then member alert draft {file}")


@alert.command("draft", epilog="Example: member alert draft alert.json")
@click.argument("file", type=_file)
@click.pass_obj
@reporting
def draft(session: Session, file: Path) -> Shown:
    """Hand in a draft: FILE is one JSON object (`alert template` shows it).

    Theme, legal gateway, purpose and dates come from the home's defaults where the file does not say them. Everything
    wrong with the file is reported at once, before anybody is contacted.
    """
    content = read_alert(file, session.home.config.defaults, session.workplace.today())
    standing = acts.draft(session.workplace, content)
    audience = ", ".join([*content.audience.groups, *map(in_words, content.audience.kinds)])
    return _standing(standing, f"to {audience}; another person reviews it: member --as … alert review")


@alert.command("review", epilog="Example: member --as authoriser alert review 1234-NECC")
@click.argument("alert_id", metavar="ID")
@click.pass_obj
@reporting
def review(session: Session, alert_id: str) -> Shown:
    """Note that you, not its author, have reviewed a draft. Read it first: alert read."""
    return _standing(acts.review(session.workplace, alert_id))


@alert.command("release", epilog="Example: member --as authoriser alert release 1234-NECC --at 2026-11-23T09:00:00Z")
@click.argument("alert_id", metavar="ID")
@click.option("--at", "moment", metavar="TIME", help="When to publish, 2026-11-23T09:00:00Z; at once if not said.")
@click.pass_obj
@reporting
def release(session: Session, alert_id: str, moment: str | None) -> Shown:
    """Publish a reviewed alert, now or at a set time. Its author cannot."""
    at = None if moment is None else read_moment("moment", moment)
    return _standing(acts.release(session.workplace, alert_id, at))


@alert.command("withdraw", epilog="Example: member alert withdraw 1234-NECC --reason 'the second account is a victim'")
@click.argument("alert_id", metavar="ID")
@click.option("--reason", required=True, help="Why; every recipient reads it.")
@click.pass_obj
@reporting
def withdraw(session: Session, alert_id: str, reason: str) -> Shown:
    """Take an alert back. Everyone to whom it was disclosed is notified."""
    return _standing(acts.withdraw(session.workplace, alert_id, read_text("reason", reason)))


@alert.command("list", epilog="Example: member alert list --theme money_mules --from 2026-11-01 --unanswered")
@click.option("--state", type=click.Choice([state.value for state in AlertState]), help="Only those in this state.")
@click.option("--theme", "themes", multiple=True, type=click.Choice([one.value for one in Theme]), help="Repeatable.")
@click.option("--from", "first", metavar="DATE", type=_DATE, help="Published on this day (UTC) or later.")
@click.option("--to", "last", metavar="DATE", type=_DATE, help="Published on this day (UTC) or earlier.")
@click.option("--unanswered", is_flag=True, help="Only those of others that we did not acknowledge.")
@click.pass_obj
@reporting
def list_all(
    session: Session,
    *,
    state: str | None,
    themes: tuple[str, ...],
    first: datetime | None,
    last: datetime | None,
    unanswered: bool,
) -> Shown:
    """List the alerts that this member may read: its own in any state, and those addressed to it."""
    wanted = _AlertFilters(frozenset(themes), first, last, session.home.member_id if unanswered else None)
    found = [one for one in AlertClient.at(session.workplace).alerts(state=state) if wanted.matches(one)]
    columns = ("reference", "published", "title", "state", "from", "colour", "TLP", "theme", "answered")
    spare = ("colour", "TLP", "from", "answered", "theme")
    made = table(counted(len(found), "alert"), *columns, whole=("reference", "published"), spare=spare)
    for one in sorted(found, key=lambda one: one.published_at or one.modified_at, reverse=True):
        published, answered = (one.published_at or "")[:10], "Yes" if one.acknowledged else ""
        codes = (label(one.colour), one.tlp, label(one.theme), answered)
        made.add_row(one.reference, published, one.title, label(one.state), one.issuer, *codes)
    return Shown({"alerts": msgspec.to_builtins(found)}, "" if found else "no alerts", made if found else None)


@dataclass(frozen=True)
class _AlertFilters:
    """Which alerts a list shows; `unanswered_by` is who must have left them unanswered, and not have issued them."""

    themes: frozenset[str]
    first: datetime | None
    last: datetime | None
    unanswered_by: str | None

    def matches(self, alert: ListedAlert) -> bool:
        day = (alert.published_at or "")[:10]
        is_in_time = (self.first is None or day >= f"{self.first:%Y-%m-%d}") and (
            self.last is None or "" < day <= f"{self.last:%Y-%m-%d}"
        )
        is_answered = self.unanswered_by is not None and (
            alert.acknowledged or alert.member_id == self.unanswered_by or alert.state != AlertState.PUBLISHED
        )
        return is_in_time and not is_answered and (not self.themes or alert.theme in self.themes)


@alert.command("read", epilog="Example: member alert read 1234-NECC --pdf 1234.pdf")
@click.argument("alert_id", metavar="ID")
@click.option("--pdf", type=_file, help="Write the alert for print to this new file.")
@click.option("--html", type=_file, help="Write it as a page for a browser to this new file.")
@click.pass_obj
@reporting
def read(session: Session, alert_id: str, pdf: Path | None, html: Path | None) -> Shown:
    """Read an alert. What is shown is checked against this member's own log; every reading is logged."""
    wanted = {form: path for form, path in (("pdf", pdf), ("page", html)) if path is not None}
    for path in wanted.values():
        _refuse_existing(path)
    checked = acts.read(session.workplace, alert_id)
    found, logged = checked.alert, checked.logged
    for form, path in wanted.items():
        write_new_file(path, AlertClient.at(session.workplace).rendered(found.alert_id, form))
    files = {name: str(path) for name, path in (("pdf", pdf), ("html", html)) if path is not None}
    lines = [f"written: {path}" for path in files.values()]
    document = {**found.document, "logged": logged, **files}
    return Shown(document, "\n".join([_when_disclosed(logged), *lines]), page=partial(_render, found))


@alert.command("ack", epilog="Example: member alert ack 1234-NECC --implemented --feedback what-we-found.txt")
@click.argument("alert_ids", metavar="[ID]…", nargs=-1)
@click.option("--all-read", is_flag=True, help="All that were read from this home and are not acknowledged.")
@click.option("--implemented", is_flag=True, help="Its red flags are in use in our monitoring.")
@click.option("--feedback", type=click.Path(exists=True, dir_okay=False, path_type=Path), help="A text for its issuer.")
@click.pass_obj
@reporting
def acknowledge(
    session: Session, alert_ids: tuple[str, ...], *, all_read: bool, implemented: bool, feedback: Path | None
) -> Shown:
    """Tell the issuers that this member has read alerts, uses them, and what came of it. It may be said again."""
    if all_read == bool(alert_ids):
        raise UsageError("say which alerts: their ids or references, or --all-read", "member alert ack 1234-NECC")
    if feedback is not None and len(alert_ids) != 1:
        raise UsageError("--feedback goes with one alert", "acknowledge it by itself")
    text = "" if feedback is None else _read_feedback(feedback)
    said = Acknowledgement(implemented=implemented, feedback=text)
    done = acts.acknowledge(session.workplace, None if all_read else alert_ids, said)
    lines = [f"{one.reference} is acknowledged{', and implemented' if implemented else ''}" for one in done]
    document = msgspec.to_builtins(done[0]) if len(alert_ids) == 1 else {"alerts": msgspec.to_builtins(done)}
    end = "the issuer is notified" if len(done) == 1 else "the issuers are notified"
    nothing = "nothing to acknowledge: every alert that was read from this home is answered"
    return Shown(document, "\n".join([*lines, end]) if done else nothing)


@alert.command("responses", epilog="Example: member alert responses 1234-NECC")
@click.argument("alert_id", metavar="ID")
@click.pass_obj
@reporting
def responses(session: Session, alert_id: str) -> Shown:
    """List who acknowledged one's own alert, who implemented it, and what they said."""
    found = AlertClient.at(session.workplace).responses(AlertClient.at(session.workplace).find_id(alert_id))
    made = table(counted(len(found), "response"), "member", "acknowledged", "implemented", "version", "feedback")
    for one in found:
        made.add_row(one.member_id, one.acknowledged_at, one.implemented_at, str(one.version), one.feedback)
    return Shown({"responses": msgspec.to_builtins(found)}, "" if found else "no responses", made if found else None)


def _render(found: ReadAlert) -> RenderableType:
    from member.commands.alert_page import render_alert  # noqa: PLC0415 - Markdown is slow to import, needed here only

    return render_alert(page_of(found))


def _standing(standing: AlertStatus, more: str = "") -> Shown:
    text = f"{standing.reference} is {in_words(standing.state)}{f', {more} {standing.reference}' if more else ''}"
    return Shown(standing, text)


def _when_disclosed(number: int | None) -> str:
    if number is None:
        return "its entry in the log has no place yet: member log verify will check what you have read"
    return f"this is what entry {number} of our log says was disclosed"


def _read_feedback(path: Path) -> str:
    with path.open("rb") as stream:
        data = stream.read(_MAX_FEEDBACK_BYTES + 1)
    if len(data) > _MAX_FEEDBACK_BYTES:
        raise MemberError(f"{path.name}: more than {_MAX_FEEDBACK_BYTES:,} bytes", "shorten it", slug="too-long")
    try:
        return read_text("feedback", data.decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise MemberError(f"{path.name} is not in UTF-8", "save it again as UTF-8 text", slug="not-utf-8") from None


def _refuse_existing(path: Path) -> None:
    """Before anything is asked for: what is read is logged, and must then have a place to go."""
    if path.exists():
        raise UsageError(f"{path} exists already", "name a new file")
