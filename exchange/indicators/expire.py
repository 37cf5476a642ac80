"""Retiring the rows of submissions whose last day has passed.

The rows already count for nothing, since every use looks at the last day; this takes them out of the live
tables. Finding them reads the whole store, so it happens outside the writing transactions, which are short.
"""

from __future__ import annotations

from datetime import datetime

from exchange.indicators.store import iterate_keys_of_submissions, retire_rows
from exchange.indicators.submissions import EXPIRED, list_expired, mark_submissions
from exchange.kernel.chunks import in_chunks
from exchange.kernel.session import Database

SUBMISSIONS_AT_ONCE = 500
ROWS_AT_ONCE = 2000


def expire_indicators(database: Database, now: datetime) -> int:
    """Retire rows of up to 500 expired submissions; how many rows."""
    with database.reading() as session:
        expired = [row.submission_id for row in list_expired(session, now.date(), SUBMISSIONS_AT_ONCE)]
        keys = list(iterate_keys_of_submissions(session, expired)) if expired else []
    retired = 0
    for some in in_chunks(keys, ROWS_AT_ONCE):
        retired += database.run_in_transaction(
            lambda session, some=some: retire_rows(session, some, EXPIRED, now, expired)  # type: ignore[misc]
        )
    if expired:
        database.run_in_transaction(lambda session: mark_submissions(session, expired, EXPIRED))
    return retired
