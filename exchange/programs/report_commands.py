"""`exchange report`: one page for the operator and the taskforce."""

from __future__ import annotations

import shutil
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import click
import msgspec

from exchange.programs.commands import opened
from keys.terminal.program import CommandResult, reports
from schemas.rendering.words import in_words
from schemas.values.clock import utc_now
from schemas.values.encoding import to_rfc3339

if TYPE_CHECKING:
    from exchange.operations.figures import Month

_MISSING = "missing"
_TOGETHER = "\u00a0"
"""Between a name and its figure, which stay on one line."""
_PIPE_COLUMNS, _MIN_COLUMNS = 200, 40
_FIGURES, _MONTH_FIGURES = 16, 9
"""Where what goes on behind a line's end stands."""


class Refusals(msgspec.Struct, frozen=True, kw_only=True):
    """Refusals by rule, and how many of which the rule is missing since their content was erased."""

    by_rule: dict[str, int]
    rule_missing: int


class LogFigures(msgspec.Struct, frozen=True, kw_only=True):
    """The published log, and how many entries wait for the next tick."""

    size: int
    signed_at: str | None
    pending: int


class OperatorReport(CommandResult, frozen=True):
    """The figures of one page."""

    exchange_id: str
    as_of: str
    members: dict[str, int]
    groups_open: int
    rows_live: int
    hits_live: int
    refusals: Refusals
    log: LogFigures
    jobs: dict[str, str | None]
    months: tuple[Month, ...]
    outcomes: dict[str, int]

    def text(self) -> str:
        """The page, in the width of the terminal."""
        log = f"{self.log.size:,} leaves, signed {_or_missing(self.log.signed_at)}, {self.log.pending:,} entries wait"
        lines = [
            f"Exchange {self.exchange_id} as of {self.as_of}",
            "",
            "Members         " + _listed(self.members),
            f"Groups open     {self.groups_open:,}",
            f"Rows live       {self.rows_live:,}",
            f"Hits live       {self.hits_live:,}",
            f"Log             {log}",
            "Jobs            " + _listed({job: _or_missing(at) for job, at in self.jobs.items()}),
            "Refusals        " + _listed(self.refusals.by_rule),
        ]
        if self.refusals.rule_missing:
            lines.append(f"                {self.refusals.rule_missing:,} whose rule is missing (content erased)")
        lines += ["", *_months(self.months), "", "Outcomes        " + _listed(self.outcomes)]
        return "\n".join(_wrapped(line) for line in lines).replace(_TOGETHER, " ")


def _months(months: Sequence[Month]) -> Iterator[str]:
    yield f"{'month':8} {'parts':>9} {'accepted':>11} {'duplicate':>11} {'rejected':>11}  events"
    for month in months:
        figures = f"{month.submissions:>9,} {month.rows_accepted:>11,} {month.rows_duplicate:>11,}"
        yield f"{month.month:8} {figures} {month.rows_rejected:>11,}  {_listed(month.events)}"
    if not months:
        yield _MISSING


def _wrapped(line: str) -> str:
    """The line in the width of the terminal, or of COLUMNS, going on where its figures began; no word is broken."""
    width = max(shutil.get_terminal_size((_PIPE_COLUMNS, 24)).columns, _MIN_COLUMNS)
    if len(line) <= width:
        return line
    behind = " " * (_MONTH_FIGURES if line[:4].isdigit() else _FIGURES)
    return textwrap.fill(line, width, subsequent_indent=behind, break_long_words=False, break_on_hyphens=False)


def _listed(figures: Mapping[str, int | str]) -> str:
    return ", ".join(f"{in_words(name)} {value}".replace(" ", _TOGETHER) for name, value in figures.items()) or "none"


def _or_missing(value: str | None) -> str:
    return _MISSING if value is None else value


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else to_rfc3339(moment)


@click.command(epilog="Example: exchange --home /srv/exchange report")
@click.pass_context
@reports
def report(context: click.Context) -> OperatorReport:
    """One page of figures: members, rows, hits, refusals, the log and the jobs, month by month. It names no member."""
    from exchange.operations.figures import report_figures  # noqa: PLC0415 - slow to import, needed here only

    now = utc_now()
    with opened(context) as (settings, database), database.reading() as session:
        found = report_figures(session)
    return OperatorReport(
        exchange_id=settings.exchange_id,
        as_of=to_rfc3339(now),
        members=found.members,
        groups_open=found.groups_open,
        rows_live=found.rows_live,
        hits_live=found.hits_live,
        refusals=Refusals(by_rule=found.refusals, rule_missing=found.refusals_unreadable),
        log=LogFigures(size=found.log_size, signed_at=_time(found.log_signed_at), pending=found.log_pending),
        jobs={job: _time(last) for job, last in found.jobs.items()},
        months=found.months,
        outcomes=found.outcomes,
    )
