"""Live rows by token, and where they go when they are no longer live.

Rows live in two tables of one shape. New ones go into `recent_indicators`, which stays small enough to be in
memory; a job moves them into `indicators` in the order of their tokens, many at a time. Tokens are random, so
that a batch put straight into a large table touches nearly one page a row; this way the cost of a batch
follows the batch (docs/adr/0009). Rows that expire or are withdrawn move to `retired_indicators`, so that
every row in the two tables is live but for its last day.

Look-ups read the recent table first: a row that is moved meanwhile is then found twice, never missed.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, NamedTuple

from sqlalchemy import LargeBinary, PrimaryKeyConstraint, String, delete, func, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.indicators.matching import Holding
from exchange.indicators.submissions import WITHDRAWN, Submission
from exchange.kernel import bulk
from exchange.kernel.base import Base
from exchange.kernel.chunks import in_even_chunks, is_among
from exchange.kernel.upsert import insert_ignoring, run_counted

EXPIRED = "expired"


class _Row:
    """The columns of a row, live or retired. Dates are `YYYY-MM-DD`: kept as given, compared as text."""

    token: Mapped[bytes] = mapped_column(LargeBinary(32))
    group_id: Mapped[str] = mapped_column(String(64))
    member_id: Mapped[str] = mapped_column(String(64))
    submission_id: Mapped[str] = mapped_column(String(36))
    indicator_type: Mapped[str] = mapped_column(String(32))
    first_seen: Mapped[str | None] = mapped_column(String(10))
    last_seen: Mapped[str | None] = mapped_column(String(10))


class RecentIndicator(_Row, Base):
    """A live row that came lately."""

    __tablename__ = "recent_indicators"
    __table_args__ = (PrimaryKeyConstraint("token", "group_id", "member_id"), {"sqlite_with_rowid": False})


class Indicator(_Row, Base):
    """A live row that has been moved to the large table."""

    __tablename__ = "indicators"
    __table_args__ = (PrimaryKeyConstraint("token", "group_id", "member_id"), {"sqlite_with_rowid": False})


class RetiredIndicator(_Row, Base):
    """A row that is no longer live, until its content is purged."""

    __tablename__ = "retired_indicators"
    __table_args__ = (
        PrimaryKeyConstraint("token", "group_id", "member_id", "submission_id"),
        {"sqlite_with_rowid": False},
    )

    reason: Mapped[str] = mapped_column(String(32))
    retired_at: Mapped[datetime] = mapped_column(UtcDateTime, index=True)


LIVE_TABLES = ("recent_indicators", "indicators")
LIVE_COLUMNS = "token, group_id, member_id, submission_id, indicator_type, first_seen, last_seen"


@dataclass(frozen=True, slots=True)
class Batch:
    """Rows about to be stored, column by column, in the order of their tokens, each token once."""

    tokens: list[bytes]
    types: list[str]
    first_seen: list[str | None]
    last_seen: list[str | None]

    def without(self, tokens: set[bytes]) -> Batch:
        """The rows of other tokens."""
        kept = [position for position, token in enumerate(self.tokens) if token not in tokens]
        return Batch(
            [self.tokens[position] for position in kept],
            [self.types[position] for position in kept],
            [self.first_seen[position] for position in kept],
            [self.last_seen[position] for position in kept],
        )


class StoredRow(NamedTuple):
    """A row of either live table, with what its submission says of it. The last day of a withdrawn submission's row,
    which is on its way to the retired ones, has passed whatever the submission said.
    """

    holding: Holding
    submission_id: str
    expires_on: date
    is_withdrawn: bool = False

    @property
    def key(self) -> tuple[bytes, str, str]:
        """Token, group and member."""
        return self.holding.token, self.holding.group_id, self.holding.member_id


def find_rows(session: Session, tokens: Sequence[bytes], **same: str) -> list[StoredRow]:
    """Every live row of those tokens, of whichever member and group, or of those that `same` names (`group_id`,
    `member_id`, `submission_id`). The cost follows the tokens, not the store.
    """
    return _as_stored(session, bulk.rows_of_tokens(session, LIVE_TABLES, LIVE_COLUMNS, tokens, same))


def read_rows(session: Session, tokens: Sequence[bytes]) -> list[StoredRow]:
    """The same for few tokens, in a reading transaction too, in which SQLite lets nothing be staged."""
    rows: list[Any] = []
    for model in (RecentIndicator, Indicator):
        columns = [model.__table__.c[name] for name in LIVE_COLUMNS.split(", ")]
        for some in in_even_chunks(tokens, 512):
            rows += session.execute(select(*columns).where(model.token.in_(some)))
    return _as_stored(session, rows)


def _as_stored(session: Session, rows: Iterable[Sequence[Any]]) -> list[StoredRow]:
    """Rows of LIVE_COLUMNS, each once, with what their submissions say of them."""
    found = {row[:3]: row for row in rows}
    submissions = read_submissions(session, {row[3] for row in found.values()})
    stored = []
    for token, group_id, member_id, submission_id, indicator_type, first_seen, _last in found.values():
        theme, expires_on, is_withdrawn = submissions[submission_id]
        holding = Holding(bytes(token), group_id, member_id, indicator_type, theme, first_seen)
        stored.append(StoredRow(holding, submission_id, date.min if is_withdrawn else expires_on, is_withdrawn))
    return stored


def read_submissions(session: Session, submission_ids: set[str]) -> dict[str, tuple[str, date, bool]]:
    """Theme and last day of each submission, and whether it is withdrawn."""
    found = {}
    for some in in_even_chunks(sorted(submission_ids), 1024):
        selection = select(Submission.submission_id, Submission.theme, Submission.expires_on, Submission.state)
        for row in session.execute(selection.where(Submission.submission_id.in_(some))):
            found[row.submission_id] = (row.theme, row.expires_on, row.state == WITHDRAWN)
    return found


def find_past_rows(session: Session, tokens: Sequence[bytes]) -> list[tuple[bytes, str, str, str, datetime | None]]:
    """Every row of those tokens, live or not, as (token, group, member, submission, when it was retired: None for live
    ones).
    """
    found: list[tuple[bytes, str, str, str, datetime | None]] = []
    for row in bulk.rows_of_tokens(session, LIVE_TABLES, "token, group_id, member_id, submission_id", tokens):
        found.append((bytes(row[0]), row[1], row[2], row[3], None))
    gone = RetiredIndicator
    selection = select(gone.token, gone.group_id, gone.member_id, gone.submission_id, gone.retired_at)
    for some in in_even_chunks(tokens, 1024):
        rows = session.execute(selection.where(gone.token.in_(some)))
        found += [(row[0], row[1], row[2], row[3], row[4]) for row in rows]
    return found


def count_rows(session: Session, submission_id: str) -> int:
    """How many live rows a submission has. Reads the whole store."""
    counted = (
        session.scalar(select(func.count()).select_from(model).where(model.submission_id == submission_id))
        for model in (RecentIndicator, Indicator)
    )
    return sum(count or 0 for count in counted)


def store_rows(session: Session, batch: Batch, group_id: str, member_id: str, submission_id: str) -> None:
    """Store rows whose (token, group, member) is not there yet."""
    columns = (batch.tokens, batch.types, batch.first_seen, batch.last_seen)
    bulk.insert_rows(session, "recent_indicators", LIVE_COLUMNS, columns, (group_id, member_id, submission_id))


def retire_rows(
    session: Session,
    keys: Sequence[tuple[bytes, str, str]],
    reason: str,
    now: datetime,
    submission_ids: Sequence[str] | None = None,
) -> int:
    """Move the live rows with those keys (token, group, member) to the retired ones; how many were moved. With
    `submission_ids`, rows of these alone: whoever read the keys in another transaction says so, since a row may have
    been submitted anew meanwhile.
    """
    moved = 0
    for model in (RecentIndicator, Indicator):
        for some in in_even_chunks(keys, 1024):
            where = is_among((model.token, model.group_id, model.member_id), some)
            if submission_ids is not None:
                where &= model.submission_id.in_(submission_ids)
            rows = [dict(row) for row in session.execute(select(model.__table__).where(where)).mappings()]
            insert_ignoring(session, RetiredIndicator, [row | {"reason": reason, "retired_at": now} for row in rows])
            if rows:
                session.execute(model.__table__.delete().where(where))  # type: ignore[attr-defined]
            moved += len(rows)
    return moved


RowKey = tuple[bytes, str, str, str]
"""Token, group, member and submission of a row."""
_GONE = (
    RetiredIndicator.token,
    RetiredIndicator.group_id,
    RetiredIndicator.member_id,
    RetiredIndicator.submission_id,
)


def find_expired(session: Session, tokens: Sequence[bytes], member_id: str) -> list[RowKey]:
    """A member's rows of those tokens that have expired and are still kept."""
    own = RetiredIndicator.member_id == member_id, RetiredIndicator.reason == EXPIRED
    found: list[RowKey] = []
    for some in in_even_chunks(tokens, 1024):
        rows = session.execute(select(*_GONE).where(RetiredIndicator.token.in_(some), *own))
        found += [(row[0], row[1], row[2], row[3]) for row in rows]
    return found


def expired_of_submission(session: Session, submission_id: str) -> list[RowKey]:
    """The rows of a submission that have expired and are still kept. Reads all that is kept of retired rows."""
    own = RetiredIndicator.submission_id == submission_id, RetiredIndicator.reason == EXPIRED
    return [(row[0], row[1], row[2], row[3]) for row in session.execute(select(*_GONE).where(*own))]


def withdraw_expired(session: Session, rows: Sequence[RowKey], reason: str) -> list[RowKey]:
    """Note of those rows, if they are retired as expired, that they are taken back; which ones were."""
    expired = RetiredIndicator.reason == EXPIRED
    done: list[RowKey] = []
    for some in in_even_chunks(rows, 512):
        there = is_among(_GONE, some)
        found = session.execute(select(*_GONE).where(there, expired).with_for_update())
        done += [(row[0], row[1], row[2], row[3]) for row in found]
        session.execute(
            update(RetiredIndicator).where(there, expired).values(reason=reason),
            execution_options={"synchronize_session": False},
        )
    return done


def iterate_keys_of_submissions(session: Session, submission_ids: Sequence[str]) -> Iterator[tuple[bytes, str, str]]:
    """Keys of the live rows of some submissions. Reads the whole store: for jobs, outside a writing
    transaction.
    """
    for model in (RecentIndicator, Indicator):
        selection = select(model.token, model.group_id, model.member_id).where(model.submission_id.in_(submission_ids))
        yield from ((row.token, row.group_id, row.member_id) for row in session.execute(selection))


def count_recent(session: Session) -> int:
    """How many rows wait to be moved to the large table."""
    return session.scalar(select(func.count()).select_from(RecentIndicator)) or 0


def settle_rows(session: Session, first: bytes, end: bytes | None) -> None:
    """Move the recent rows with `first` <= token < `end` (None: to the last) to the large table."""
    bulk.move_rows(session, "recent_indicators", "indicators", LIVE_COLUMNS, first=first, end=end)


def purge_retired(session: Session, before: datetime) -> int:
    """Delete the content of rows that were retired before a time; how many."""
    return run_counted(session, delete(RetiredIndicator).where(RetiredIndicator.retired_at < before))
