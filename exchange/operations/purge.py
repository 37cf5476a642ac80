"""Forgetting what is no longer needed: spent nonces, counts of past minutes, old answers, old job slots, content of
long retired rows, corrections and outcomes of long ago.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from edge.request_limits import minute_of
from exchange.corrections.store import purge_corrections
from exchange.indicators.derived import purge_derived
from exchange.indicators.store import purge_retired
from exchange.indicators.taken_back import forget_epochs
from exchange.kernel.idempotency import delete_answers_before
from exchange.kernel.job_runs import delete_runs_before
from exchange.kernel.nonces import delete_expired_nonces
from exchange.kernel.request_counts import delete_counts_before
from exchange.kernel.session import Database
from exchange.membership.store import retired_epochs
from exchange.outcomes.store import purge_outcomes
from exchange.submissions.rules import RETENTION_YEARS

ANSWERS_KEPT = timedelta(days=30)
RUNS_KEPT = timedelta(days=7)
RETIRED_KEPT = timedelta(days=90)
"""How long a retired row is kept for complaints and corrections; its log entry outlives it."""
CORRECTIONS_KEPT = timedelta(days=365)
"""How long a correction is kept after it was sent, once it is acknowledged."""
OUTCOMES_KEPT = timedelta(days=365 * RETENTION_YEARS)
"""How long outcomes and assessments are kept: as long as markers may be, since they say why an account was closed."""
DERIVED_KEPT = timedelta(days=366 * RETENTION_YEARS) + RETIRED_KEPT
"""How long the recipients of disclosures from a row are known: no row lives longer, so that each can be taken back."""


def purge_nonces(database: Database, now: datetime) -> int:
    """Delete nonces of signatures that can no longer be valid, and counts of requests in minutes that are over; how
    many rows. The last minute over is kept: another worker's clock may be a little behind.
    """
    return database.run_in_transaction(
        lambda session: delete_expired_nonces(session, now) + delete_counts_before(session, minute_of(now) - 1)
    )


def purge_records(database: Database, now: datetime) -> int:
    """Delete the rest; how many rows."""
    return database.run_in_transaction(
        lambda session: (
            delete_answers_before(session, now - ANSWERS_KEPT)
            + delete_runs_before(session, now - RUNS_KEPT)
            + purge_retired(session, now - RETIRED_KEPT)
            + purge_corrections(session, now - CORRECTIONS_KEPT)
            + purge_outcomes(session, now - OUTCOMES_KEPT)
            + purge_derived(session, now - DERIVED_KEPT)
            + forget_epochs(session, retired_epochs(session))
        )
    )
