"""Every table of the exchange and of the alerts, on one metadata: what the head of the migrations must equal."""

from __future__ import annotations

from alerts.store import alerts, feed_objects, notices, subscriptions
from exchange.store import (
    corrections,
    derived,
    enrolments,
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
    outbox,
    outcomes,
    queries,
    request_counts,
    requests,
    statements,
    submissions,
    taken_back,
)
from exchange.store.base import Base

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
