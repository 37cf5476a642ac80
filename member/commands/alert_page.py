"""An alert for people at a terminal: its handling caveat first and last, what to do about it in between."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.markdown import Markdown
from rich.padding import Padding
from rich.panel import Panel
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from member.alerts.page import AlertPage, PageSection
from member.commands.shared.terminal import PlainTable
from member.plain import printable
from schemas.alerts.messages import PublishedAccount

_MAX_MARKS = 2000
"""Above that a text is shown as it is: what Markdown costs grows with the square of them, and the exchange sends it."""


def render_alert(page: AlertPage) -> RenderableType:
    """The whole alert."""
    return Group(*_parts(page))


def _parts(page: AlertPage) -> Iterator[RenderableType]:
    caveat = Text(printable(page.caveat), style="bold", justify="center")
    yield Panel(caveat)
    yield Text(printable(page.heading), style="bold")
    if page.ended is not None:
        yield Text(printable(page.ended), style="bold reverse")
    yield Padding(_facts(page), (1, 0))
    for section in page.sections:
        yield Rule(Text(printable(section.title)), align="left")
        yield _under(section)
    yield Panel(caveat)


def _facts(page: AlertPage) -> Table:
    made = PlainTable.grid(padding=(0, 2))
    for name, fact in page.facts:
        made.add_row(name, fact)
    return made


def _under(section: PageSection) -> RenderableType:
    if section.red_flags:
        return _numbered(section.red_flags)
    return _accounts(section.accounts) if section.accounts else _text(section.markdown)


def _text(markdown: str) -> RenderableType:
    """Links are printed, not made, so that a reader sees where they lead."""
    if sum(markdown.count(sign) for sign in "[*_<&`\n") > _MAX_MARKS:
        return Padding(Text(printable(markdown)), (0, 0, 1, 0))
    made = Markdown(printable(markdown), hyperlinks=False)
    # A reference such as &#x202E; becomes a character in parsing only.
    for token in made.parsed:
        for one in (token, *(token.children or ())):
            one.content = printable(one.content)
    return Padding(made, (0, 0, 1, 0))


def _numbered(texts: Sequence[str]) -> Table:
    made = PlainTable.grid(padding=(0, 1))
    for number, text in enumerate(texts, 1):
        made.add_row(f"{number}.", text)
    return made


def _accounts(accounts: Sequence[PublishedAccount]) -> Table:
    made = PlainTable("IBAN", "sort code", "account number", "BIC")
    for account in accounts:
        made.add_row(account.iban, account.sort_code, account.account_number, account.bic)
    return made
