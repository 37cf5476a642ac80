"""Every table of the exchange and of the alerts, on one metadata: what the head of the migrations must equal."""

from __future__ import annotations

from alerts import notices
from exchange.store import (
    enrolments,
    hits,
    idempotency,
    indicators,
    job_runs,
    leases,
    locks,
    log_tables,
    membership,
    nonces,
    outbox,
    request_counts,
    statements,
    submissions,
)
from exchange.store.base import Base

MODULES = (
    enrolments,
    hits,
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
    request_counts,
    statements,
    submissions,
)
"""The modules whose import defines the tables."""

metadata = Base.metadata
