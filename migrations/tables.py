"""Every table of the exchange and of the alerts, on one metadata: what the head of the migrations must equal."""

from __future__ import annotations

from alerts.store import alerts, feed_objects, notices, subscriptions
from exchange.corrections import store as corrections
from exchange.indicators import derived, hits, submissions, taken_back
from exchange.indicators import store as indicators
from exchange.kernel import idempotency, job_runs, leases, locks, nonces, outbox, request_counts
from exchange.kernel.base import Base
from exchange.log import tables as log_tables
from exchange.membership import feed_tokens, statements
from exchange.membership import store as membership
from exchange.outcomes import store as outcomes
from exchange.queries import store as queries
from exchange.registrars import enrolments, holder_faults
from exchange.requests import store as requests

MODULES = (
    alerts,
    corrections,
    outcomes,
    derived,
    enrolments,
    feed_objects,
    feed_tokens,
    hits,
    holder_faults,
    idempotency,
    indicators,
    job_runs,
    leases,
    locks,
    log_tables,
    membership,
    nonces,
    notices,
    outbox,
    queries,
    request_counts,
    requests,
    statements,
    submissions,
    taken_back,
    subscriptions,
)
"""The modules whose import defines the tables."""

metadata = Base.metadata
