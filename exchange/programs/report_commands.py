"""`exchange report`: one page for the operator and the taskforce."""

from __future__ import annotations

import shutil
import textwrap
from dataclasses import asdict
from datetime import datetime
from typing import Any

import click

from exchange.programs.commands import opened, reports
from schemas.rendering.words import in_words
from schemas.values.clock import utc_now
from schemas.values.encoding import to_rfc3339

_MISSING = "missing"
_TOGETHER = "\u00a0"
"""Between a name and its figure, which stay on one line."""
_PIPE_COLUMNS, _LEAST_COLUMNS = 200, 40
_FIGURES, _MONTH_FIGURES = 16, 9
"""Where what goes on behind a line's end stands."""


def _show(done: dict[str, Any]) -> str:
    lines = [
        f"Exchange {done['exchange_id']} as of {done['as_of']}",
        "",
        "Members         " + _listed(done["members"]),
        f"Groups open     {done['groups_open']:,}",
        f"Rows live       {done['rows_live']:,}",
        f"Hits live       {done['hits_live']:,}",
        f"Log             {done['log']['size']:,} leaves, signed {_or_missing(done['log']['signed_at'])}, "
        f"{done['log']['pending']:,} entries wait",
        "Jobs            " + _listed({job: _or_missing(at) for job, at in done["jobs"].items()}),
        "Refusals        " + _listed(done["refusals"]["by_rule"]),
    ]
    if done["refusals"]["rule_missing"]:
        lines.append(f"                {done['refusals']['rule_missing']:,} whose rule is missing (content erased)")
    lines += ["", f"{'month':8} {'parts':>9} {'accepted':>11} {'duplicate':>11} {'rejected':>11}  events"]
    for month in done["months"]:
        figures = f"{month['submissions']:>9,} {month['rows_accepted']:>11,} {month['rows_duplicate']:>11,}"
        lines.append(f"{month['month']:8} {figures} {month['rows_rejected']:>11,}  {_listed(month['events'])}")
    if not done["months"]:
        lines.append(_MISSING)
    lines += ["", "Outcomes        " + _listed(done["outcomes"])]
    return "\n".join(_wrapped(line) for line in lines).replace(_TOGETHER, " ")


def _wrapped(line: str) -> str:
    """The line in the width of the terminal, or of COLUMNS, going on where its figures began; no word is broken."""
    width = max(shutil.get_terminal_size((_PIPE_COLUMNS, 24)).columns, _LEAST_COLUMNS)
    if len(line) <= width:
        return line
    behind = " " * (_MONTH_FIGURES if line[:4].isdigit() else _FIGURES)
    return textwrap.fill(line, width, subsequent_indent=behind, break_long_words=False, break_on_hyphens=False)


def _listed(figures: dict[str, Any]) -> str:
    return ", ".join(f"{in_words(name)} {value}".replace(" ", _TOGETHER) for name, value in figures.items()) or "none"


def _or_missing(value: str | None) -> str:
    return _MISSING if value is None else value


def _time(moment: datetime | None) -> str | None:
    return None if moment is None else to_rfc3339(moment)


@click.command(epilog="Example: exchange --home /srv/exchange report")
@click.pass_context
@reports(_show)
def report(context: click.Context) -> dict[str, Any]:
    """One page of figures: members, rows, hits, refusals, the log and the jobs, month by month. It names no member."""
    from exchange.operations.figures import report_figures  # noqa: PLC0415 - slow to import, needed here only

    now = utc_now()
    with opened(context) as (settings, database), database.reading() as session:
        found = report_figures(session)
    return {
        "exchange_id": settings.exchange_id,
        "as_of": to_rfc3339(now),
        "members": found.members,
        "groups_open": found.groups_open,
        "rows_live": found.rows_live,
        "hits_live": found.hits_live,
        "refusals": {"by_rule": found.refusals, "rule_missing": found.refusals_unreadable},
        "log": {"size": found.log_size, "signed_at": _time(found.log_signed_at), "pending": found.log_pending},
        "jobs": {job: _time(last) for job, last in found.jobs.items()},
        "months": [asdict(month) for month in found.months],
        "outcomes": found.outcomes,
    }
