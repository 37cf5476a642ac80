"""The figures of `exchange report`: what happened, month by month, and how things stand; of the whole, never of one
member.

A figure that is not known is None, shown as missing, and never zero: a zero here was counted.
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.orm import Session

from exchange.indicators.hits import Hit
from exchange.indicators.store import Indicator, RecentIndicator
from exchange.indicators.submissions import SubmissionPart
from exchange.kernel.job_runs import last_successes
from exchange.log.reading import read_status
from exchange.log.tables import LogEntry
from exchange.membership.store import Member, SharingGroup
from exchange.outcomes.store import Outcome

REFUSAL = "refusal"
_NOT_SAID = "not_said"


@dataclass(frozen=True, slots=True)
class Month:
    """What happened in a month ("YYYY-MM", UTC). `submissions` counts parts; `events` the log's events by kind."""

    month: str
    submissions: int
    rows_accepted: int
    rows_duplicate: int
    rows_rejected: int
    events: dict[str, int]


@dataclass(frozen=True, slots=True)
class FiguresReport:
    """How things stand, and each month that has a record. `refusals_unreadable` are refusals whose content was erased,
    so that their rule is missing; `outcomes` those that are kept, by what the intelligence was worth to who got it.
    """

    members: dict[str, int]
    groups_open: int
    rows_live: int
    hits_live: int
    refusals: dict[str, int]
    refusals_unreadable: int
    log_size: int
    log_signed_at: datetime | None
    log_pending: int
    jobs: dict[str, datetime | None]
    months: tuple[Month, ...]
    outcomes: dict[str, int]


def report_figures(session: Session) -> FiguresReport:
    """All figures, of one state of the database."""
    status = read_status(session)
    refusals, unreadable = _refusals(session)
    return FiguresReport(
        members=_members(session),
        groups_open=_count(session, SharingGroup, SharingGroup.state == "open"),
        rows_live=_count(session, Indicator) + _count(session, RecentIndicator),
        hits_live=_count(session, Hit, Hit.view_json.is_not(None)),
        refusals=refusals,
        refusals_unreadable=unreadable,
        log_size=status.size,
        log_signed_at=status.signed_at,
        log_pending=status.pending,
        jobs=last_successes(session),
        months=_months(session),
        outcomes=_outcomes(session),
    )


def _count(session: Session, model: type[Any], *conditions: Any) -> int:
    return session.scalar(select(func.count()).select_from(model).where(*conditions)) or 0


def _members(session: Session) -> dict[str, int]:
    """How many members there are, by how they stand."""
    found: Counter[str] = Counter()
    rows = select(Member.state, Member.stopped_at.is_not(None), func.count()).group_by(
        Member.state, Member.stopped_at.is_not(None)
    )
    for state, is_stopped, count in session.execute(rows):
        found["stopped" if is_stopped else state] += count
    return dict(sorted(found.items()))


def _refusals(session: Session) -> tuple[dict[str, int], int]:
    """How often each rule refused a disclosure, and how many refusals cannot be read any more."""
    rules: Counter[str] = Counter()
    unreadable = 0
    for view in session.scalars(select(LogEntry.view).where(LogEntry.kind == REFUSAL)):
        if view is None:
            unreadable += 1
            continue
        reasons = json.loads(view)["reasons"]
        rules.update({f"{reason['field']}: {reason['code']}" for reason in reasons})
    return dict(sorted(rules.items())), unreadable


def _outcomes(session: Session) -> dict[str, int]:
    """How many outcomes there are, by their usefulness."""
    recorded = (json.loads(figures)["usefulness"] for figures in session.scalars(select(Outcome.figures_json)))
    return dict(sorted(Counter(worth or _NOT_SAID for worth in recorded).items()))


def _months(session: Session) -> tuple[Month, ...]:
    month = _month_of(session, SubmissionPart.committed_at)
    sums = (func.sum(part) for part in (SubmissionPart.accepted, SubmissionPart.duplicates, SubmissionPart.rejected))
    submitted = {row[0]: row[1:] for row in session.execute(select(month, func.count(), *sums).group_by(month))}
    month = _month_of(session, LogEntry.recorded_at)
    events: defaultdict[str, dict[str, int]] = defaultdict(dict)
    counted = select(month, LogEntry.kind, func.count(LogEntry.event_id.distinct())).group_by(month, LogEntry.kind)
    for name, kind, count in session.execute(counted.order_by(LogEntry.kind)):
        events[name][kind] = count
    names = sorted(submitted.keys() | events.keys())
    return tuple(_month(name, submitted.get(name, (0, 0, 0, 0)), events[name]) for name in names)


def _month(name: str, submitted: Sequence[Any], events: dict[str, int]) -> Month:
    parts, accepted, duplicate, rejected = map(int, submitted)
    return Month(name, parts, accepted, duplicate, rejected, events)


def _month_of(session: Session, moment: Any) -> ColumnElement[str]:
    if session.get_bind().dialect.name == "sqlite":
        return func.strftime("%Y-%m", moment)
    return func.to_char(func.timezone("UTC", moment), "YYYY-MM")
