"""`rows`: one's own rows, each with how it stands; from the vault alone."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from functools import partial
from pathlib import Path

import click
from rich.table import Table

from member.commands.shared.common import Shown, counted, reporting, table
from member.commands.shared.exports import output_option, streamed
from member.commands.shared.session import Session
from member.errors import UsageError
from member.normalise.rules import RULES
from member.vault.row_states import LIVE, RowState, StandingRow, StandingRows
from member.vault.rows import VaultRows
from member.vault.uploads import Uploads
from schemas.rendering.words import in_words, label

_SHOWN = 500
_MAX_DAYS = 3660
_COLUMNS = (
    *("state", "withdrawal_reason", "expires_on", "indicator_type", "canonical", "submission_id", "line"),
    *("source_ref", "value", "reason", "first_seen", "group", "extra"),
)
_SPARE = ("reference", "reason", "submission id")


@dataclass(frozen=True)
class RowFilters:
    """A filter of rows; an empty set or None matches any."""

    submission_id: str | None
    states: frozenset[str]
    types: frozenset[str]
    ending_by: str | None

    def matches(self, standing: StandingRow) -> bool:
        """Whether the filter matches the row."""
        return (
            self.submission_id in (None, standing.row.source.submission_id)
            and (not self.states or standing.state in self.states)
            and (not self.types or standing.row.indicator_type in self.types)
            and (self.ending_by is None or _ends_by(standing, self.ending_by))
        )


def _ends_by(standing: StandingRow, day: str) -> bool:
    return standing.state in LIVE and standing.expires_on is not None and standing.expires_on <= day


@click.command(epilog="Example: member rows --state active --expiring 30 --output ending.csv")
@click.option("--submission", metavar="ID", help="Only of this submission: its id, the beginning of it or its number.")
@click.option(
    "--state",
    "states",
    multiple=True,
    type=click.Choice([str(state) for state in RowState]),
    help="Only those that stand so; may be repeated.",
)
@click.option(
    "--type",
    "types",
    multiple=True,
    type=click.Choice(sorted(RULES)),
    help="Only of this type; may be repeated.",
)
@click.option(
    "--expiring",
    type=click.IntRange(0, _MAX_DAYS),
    metavar="DAYS",
    help="Only active and pending rows whose last day is within so many days; 0 is today.",
)
@output_option
@click.pass_obj
@reporting
def rows(
    session: Session,
    submission: str | None,
    *,
    states: tuple[str, ...],
    types: tuple[str, ...],
    expiring: int | None,
    output: Path | None,
) -> Shown:
    """List one's own rows as this home's vault has them, in the order in which they came; nobody is contacted.

    A row is active, a duplicate (the exchange had one of the same indicator), pending (its upload is not finished),
    withdrawn (taken back) or expired. Refused rows are not kept: submit writes them to a file.
    """
    ending_by = None if expiring is None else _days_on(session.workplace.today(), expiring)
    wanted = _submission(session, submission)
    found = partial(_found, session, RowFilters(wanted, frozenset(states), frozenset(types), ending_by))
    if output is not None:
        return streamed(output, "rows", _COLUMNS, lambda: map(_document, found()))
    if session.as_json:
        return Shown({"rows": map(_document, found())})
    return _shown(session, found())


def _days_on(today: date, days: int) -> str:
    return (today + timedelta(days=days)).isoformat()


def _submission(session: Session, text: str | None) -> str | None:
    """The id of the submission that is meant. UsageError for one of which the vault knows nothing."""
    if text is None:
        return None
    found = session.workplace.find_id("submission", text, VaultRows(session.workplace.vault).submissions)
    if Uploads(session.workplace.vault).envelope(found) is None:
        raise UsageError(f"--submission {found} is not one of this vault", "member rows shows them")
    return found


def _found(session: Session, filters: RowFilters) -> Iterator[StandingRow]:
    return filter(filters.matches, StandingRows(session.workplace.vault, session.workplace.today()).every())


def _document(standing: StandingRow) -> dict[str, object]:
    row, source = standing.row, standing.row.source
    return {
        "state": str(standing.state),
        "withdrawal_reason": standing.withdrawal_reason,
        "expires_on": standing.expires_on,
        "indicator_type": row.indicator_type,
        "canonical": row.canonical,
        "submission_id": source.submission_id,
        "line": source.line,
        "source_ref": source.source_ref,
        "value": source.value,
        "reason": source.reason,
        "first_seen": source.first_seen or None,
        "group": standing.group,
        "extra": source.extra,
    }


def _shown(session: Session, found: Iterator[StandingRow]) -> Shown:
    """All are counted, the last that came are shown."""
    counts: Counter[RowState] = Counter()
    last: deque[StandingRow] = deque(maxlen=_SHOWN)
    for standing in found:
        counts[standing.state] += 1
        last.append(standing)
    total = counts.total()
    if not total:
        return Shown({}, "no rows")
    said = ", ".join(f"{counts[state]:,} {in_words(state)}" for state in RowState if counts[state])
    text = "take back a submission: member withdraw --submission NO. --reason …"
    if total > len(last):
        text = f"… and {total - len(last):,} earlier ones; --output F.csv or --json gives all\n{text}"
    return Shown({}, text, _table(session, f"{counted(total, 'row')}: {said}", last))


def _table(session: Session, title: str, shown: deque[StandingRow]) -> Table:
    numbers = session.workplace.number("submission", (one.row.source.submission_id for one in shown))
    columns = ("upload", "state", "type", "value", "line", "last day", *_SPARE)
    made = table(title, *columns, whole=("value", "last day", "type", "submission id"), spare=_SPARE)
    for one in shown:
        source = one.row.source
        state = label(one.state)
        if one.withdrawal_reason is not None:
            state += f": {in_words(one.withdrawal_reason)}"
        number, kind = str(numbers[source.submission_id]), label(one.row.indicator_type)
        spare = (source.source_ref, source.reason, source.submission_id)
        made.add_row(number, state, kind, one.row.canonical, str(source.line), one.expires_on, *spare)
    return made
