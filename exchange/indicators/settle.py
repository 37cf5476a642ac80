"""Moving rows from the small table of recent ones into the large one, in token order (docs/adr/0009)."""

from __future__ import annotations

from exchange.indicators.store import count_recent, settle_rows
from exchange.kernel.session import Database

ENOUGH = 200_000
"""Below this the recent table is small enough to be quick, and moving few rows costs as many pages as moving
many.
"""

RANGES = 32


def settle_indicators(database: Database, enough: int = ENOUGH) -> bool:
    """Move all recent rows if there are `enough` of them, in short transactions; whether any were moved."""
    with database.reading() as session:
        if count_recent(session) < max(1, enough):
            return False
    bounds = [bytes([number * 256 // RANGES]) for number in range(RANGES)]
    for first, end in zip(bounds, [*bounds[1:], None], strict=True):
        database.run_in_transaction(lambda session, first=first, end=end: settle_rows(session, first, end))  # type: ignore[misc]
    return True
