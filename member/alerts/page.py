"""An alert for people at a terminal: its handling caveat first and last, what to do about it in between."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from member.alerts.client import ReadAlert
from member.terminal import PlainTable, printable, to_second
from schemas.alerts.messages import AlertContent
from schemas.rendering.words import in_words, label
from schemas.terms import AlertState, TrafficLight

_MAY_BE_SHARED = {
    TrafficLight.RED: "for the eyes of those it was sent to only: no further disclosure",
    TrafficLight.AMBER_STRICT: "within your organisation only, as far as people need to know",
    TrafficLight.AMBER: "within your organisation and with its clients, as far as people need to know",
    TrafficLight.GREEN: "within the community: not through channels open to the public",
    TrafficLight.CLEAR: "without limit",
}
"""What a reader may do with an alert: the definitions of TLP 2.0 (FIRST), in short."""

_MOST_MARKS = 2000
"""Above that a text is shown as it is: what Markdown costs grows with the square of them, and the exchange sends it."""

_ENDED = {
    AlertState.SUPERSEDED: "Superseded by {superseded_by}: act on that one.",
    AlertState.WITHDRAWN: "Withdrawn: act on it no longer. {reason}",
    AlertState.EXPIRED: "Expired: no longer in force.",
}


def render_alert(alert: ReadAlert) -> RenderableType:
    """The whole alert."""
    return Group(*_parts(alert))


def caveat_of(content: AlertContent) -> str:
    """How the alert may be handled, in one line."""
    shared = _MAY_BE_SHARED.get(TrafficLight(content.tlp), "") if content.tlp in set(TrafficLight) else ""
    return printable(f"{content.classification} · TLP:{content.tlp} · {shared}")


def _parts(alert: ReadAlert) -> Iterator[RenderableType]:
    content = alert.content
    caveat = Text(caveat_of(content), style="bold", justify="center")
    yield Panel(caveat)
    yield Text(printable(f"{alert.reference}   {content.title}"), style="bold")
    ended = _ENDED.get(AlertState(alert.state)) if alert.state in set(AlertState) else None
    if ended is not None:
        told = ended.format(superseded_by=alert.superseded_by, reason=alert.reason)
        yield Text(printable(told), style="bold reverse")
    yield Padding(_facts(alert), (1, 0))
    yield from _section("Overview", content.overview)
    if content.red_flags:
        yield Rule(Text("Red flags"), align="left")
        yield _numbered(content.red_flags)
    for study in content.case_studies:
        yield from _section(f"Case study: {study.title}", study.text)
    yield from _section("What is asked of you", content.requested_action)
    yield from _section("More", content.body)
    if content.accounts:
        yield Rule(Text("Accounts"), align="left")
        yield _accounts(content)
    yield Panel(caveat)


def _facts(alert: ReadAlert) -> Table:
    content = alert.content
    facts = {
        "Colour": label(content.colour),
        "State": f"{label(alert.state)}, version {alert.version}",
        "Issued by": alert.issuer,
        "Published": to_second(alert.published_at or ""),
        "Theme": label(content.theme),
        "Addressed to": ", ".join([*content.audience.groups, *map(in_words, content.audience.kinds)]),
        "Conditions": content.conditions,
        "Legal gateway": in_words(content.legal_gateway),
        "Purpose": content.purpose,
        "Sources": ", ".join(f"{source.reference} (TLP:{source.tlp})" for source in content.sources),
        "Supersedes": content.supersedes,
        "Review by": content.review_by.isoformat(),
        "Expires": content.expires_on.isoformat(),
    }
    made = PlainTable.grid(padding=(0, 2))
    for name, fact in facts.items():
        if fact:
            made.add_row(name, fact)
    return made


def _section(title: str, markdown: str) -> Iterator[RenderableType]:
    """Markdown under a heading; links are printed, not made, so that a reader sees where they lead."""
    if markdown.strip():
        yield Rule(Text(printable(title)), align="left")
        if sum(markdown.count(sign) for sign in "[*_<&`\n") > _MOST_MARKS:
            yield Padding(Text(printable(markdown)), (0, 0, 1, 0))
            return
        made = Markdown(printable(markdown), hyperlinks=False)
        # A reference such as &#x202E; becomes a character in parsing only.
        for token in made.parsed:
            for one in (token, *(token.children or ())):
                one.content = printable(one.content)
        yield Padding(made, (0, 0, 1, 0))


def _numbered(texts: list[str]) -> Table:
    made = PlainTable.grid(padding=(0, 1))
    for number, text in enumerate(texts, 1):
        made.add_row(f"{number}.", text)
    return made


def _accounts(content: AlertContent) -> Table:
    made = PlainTable("IBAN", "sort code", "account number", "BIC")
    for account in content.accounts:
        made.add_row(account.iban, account.sort_code, account.account_number, account.bic)
    return made
