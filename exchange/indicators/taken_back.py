"""Rows that their member took back: they stay out until the member says otherwise, or their epoch is retired.

One row for each token, group and member that was withdrawn, whatever the reason. It outlives the retired row, which is
purged, and is matched with nothing (docs/adr/0040).
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from sqlalchemy import Index, Integer, LargeBinary, PrimaryKeyConstraint, String, delete, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from exchange.indicators.store import RowKey
from exchange.indicators.submissions import Submission
from exchange.kernel import bulk
from exchange.kernel.base import Base
from exchange.kernel.chunks import in_chunks, in_even_chunks
from exchange.kernel.upsert import insert_ignoring, run_counted


class TakenBackRow(Base):
    """That a member took back its row of a token in a group, and why (schemas.terms.WithdrawalReason)."""

    __tablename__ = "taken_back_rows"
    __table_args__ = (
        PrimaryKeyConstraint("token", "group_id", "member_id"),
        Index("ix_taken_back_rows_epoch", "epoch"),
        {"sqlite_with_rowid": False},
    )

    token: Mapped[bytes] = mapped_column(LargeBinary(32))
    group_id: Mapped[str] = mapped_column(String(64))
    member_id: Mapped[str] = mapped_column(String(64))
    reason: Mapped[str] = mapped_column(String(32))
    epoch: Mapped[int] = mapped_column(Integer)


def keep_rows_out(session: Session, rows: Sequence[RowKey], reason: str) -> None:
    """Keep out rows that are withdrawn now."""
    epochs: dict[str, int] = {}
    for some in in_even_chunks(sorted({row[3] for row in rows}), 1024):
        selection = select(Submission.submission_id, Submission.epoch).where(Submission.submission_id.in_(some))
        epochs |= {row.submission_id: row.epoch for row in session.execute(selection)}
    _add(session, ((token, group, member, reason, epochs[submission]) for token, group, member, submission in rows))


def keep_tokens_out(session: Session, reasons: Mapping[bytes, str], group_id: str, member_id: str, epoch: int) -> None:
    """Keep out a member's rows in a group, each for its reason, of tokens that were withdrawn in another epoch."""
    _add(session, ((token, group_id, member_id, reason, epoch) for token, reason in reasons.items()))


def _add(session: Session, rows: Iterable[tuple[bytes, str, str, str, int]]) -> None:
    names = ("token", "group_id", "member_id", "reason", "epoch")
    made = [dict(zip(names, row, strict=True)) for row in sorted(rows)]
    for some in in_chunks(made, 1000):
        insert_ignoring(session, TakenBackRow, some)


def kept_out(session: Session, tokens: Sequence[bytes], group_id: str, member_id: str) -> dict[bytes, str]:
    """Which of those tokens the member took back in the group, and why. The cost follows the tokens."""
    own = {"group_id": group_id, "member_id": member_id}
    return dict(bulk.rows_of_tokens(session, ("taken_back_rows",), "token, reason", tokens, own))  # type: ignore[arg-type]


def look_for_kept_out(session: Session, tokens: Sequence[bytes], group_id: str, member_id: str) -> dict[bytes, str]:
    """The same for fewer tokens, in a reading transaction too, in which SQLite lets nothing be staged."""
    own = TakenBackRow.group_id == group_id, TakenBackRow.member_id == member_id
    found: dict[bytes, str] = {}
    for some in in_even_chunks(sorted(tokens), 1024):
        selection = select(TakenBackRow.token, TakenBackRow.reason).where(TakenBackRow.token.in_(some), *own)
        found |= {row.token: row.reason for row in session.execute(selection)}
    return found


def let_in(session: Session, tokens: Sequence[bytes], group_id: str, member_id: str) -> None:
    """Keep the member's rows of those tokens out of the group no longer."""
    own = TakenBackRow.group_id == group_id, TakenBackRow.member_id == member_id
    for some in in_even_chunks(sorted(tokens), 1024):
        session.execute(delete(TakenBackRow).where(TakenBackRow.token.in_(some), *own))


def forget_epochs(session: Session, retired: Collection[int]) -> int:
    """Forget what was taken back in epochs in which nothing can be submitted any more; how many rows."""
    if not retired:
        return 0
    return run_counted(session, delete(TakenBackRow).where(TakenBackRow.epoch.in_(retired)))
