"""Taking rows of withdrawn submissions out of the live tables.

They count for nothing from the moment of the withdrawal (exchange.indicators.store.StoredRow); moving them is work for
later, since finding them reads the whole store. Whoever moves them holds the lock of their group.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from sqlalchemy.orm import Session

from exchange.indicators.store import RowKey, retire_rows, withdraw_expired
from exchange.indicators.taken_back import keep_rows_out
from exchange.indicators.withdrawals import add_withdrawn, open_withdrawals


def move_withdrawn(session: Session, rows: Sequence[RowKey], now: datetime) -> None:
    """Retire live rows of submissions that are being taken back, and have their recipients notified."""
    withdrawals = open_withdrawals(session, {row[3] for row in rows}) if rows else {}
    for submission_id, withdrawal in withdrawals.items():
        own = [row for row in rows if row[3] == submission_id]
        retire_rows(session, [row[:3] for row in own], withdrawal.reason, now, [submission_id])
        add_withdrawn(session, withdrawal.withdrawal_id, own)
        keep_rows_out(session, own, withdrawal.reason)


def take_expired(session: Session, rows: Sequence[RowKey]) -> None:
    """Take back expired rows of submissions that are being taken back, each once, and notify their recipients."""
    withdrawals = open_withdrawals(session, {row[3] for row in rows}) if rows else {}
    for submission_id, withdrawal in withdrawals.items():
        own = [row for row in rows if row[3] == submission_id]
        taken = withdraw_expired(session, own, withdrawal.reason)
        add_withdrawn(session, withdrawal.withdrawal_id, taken)
        keep_rows_out(session, taken, withdrawal.reason)
