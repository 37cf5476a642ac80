"""The key holder's tables. Counts, keys of requests and signed statements; no element, token, share or secret."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    Text,
    UniqueConstraint,
)

from edge.columns import UtcDateTime

metadata = MetaData()

# Who may ask, by the holder's own decision; `evaluations` is null where the rule of budget.py applies.
members = Table(
    "holder_members",
    metadata,
    Column("member_id", String(64), primary_key=True),
    Column("evaluations", BigInteger),
    Column("allowed_at", UtcDateTime, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    CheckConstraint("evaluations >= 0", name="holder_members_evaluations"),
)

windows = Table(
    "holder_windows",
    metadata,
    Column("member_id", String(64), nullable=False),
    Column("number", Integer, nullable=False),
    Column("used", BigInteger, nullable=False),
    PrimaryKeyConstraint("member_id", "number", name="holder_windows_key"),
)

grants = Table(
    "holder_grants",
    metadata,
    Column("grant_id", String(36), primary_key=True),
    Column("member_id", String(64), nullable=False),
    Column("evaluations", BigInteger, nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("granted_at", UtcDateTime, nullable=False),
    Column("ends_at", UtcDateTime, nullable=False),
    CheckConstraint("used >= 0 AND used <= evaluations", name="holder_grants_used"),
    Index("holder_grants_of_member", "member_id", "ends_at"),
)

# What each member asked for and when; the unique key makes a repeated request free, across workers. While a worker is
# at it, `working_until` says how long it may take; `computations` is how often it was begun. A batch without proofs has
# `checks` paid for, which requests that name it in `batch_key` use up.
charges = Table(
    "holder_charges",
    metadata,
    Column("charge_id", String(36), primary_key=True),
    Column("member_id", String(64), nullable=False),
    Column("idempotency_key", String(128), nullable=False),
    Column("request_digest", LargeBinary(32), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("quorum", String(400), nullable=False),
    Column("evaluations", Integer, nullable=False),
    Column("checks", Integer, nullable=False),
    Column("batch_key", String(128)),
    Column("computations", Integer, nullable=False),
    Column("working_until", UtcDateTime),
    Column("charged_at", UtcDateTime, nullable=False),
    UniqueConstraint("member_id", "idempotency_key", name="holder_charges_request"),
    CheckConstraint("checks >= 0", name="holder_charges_checks"),
    Index("holder_charges_of_member", "member_id", "charged_at"),
    Index("holder_charges_under_way", "member_id", "working_until"),
)

nonces = Table(
    "holder_nonces",
    metadata,
    Column("key_id", String(129), nullable=False),
    Column("nonce", String(128), nullable=False),
    Column("expires_at", UtcDateTime, nullable=False),
    PrimaryKeyConstraint("key_id", "nonce", name="holder_nonces_key"),
    Index("holder_nonces_expiry", "expires_at"),
)

# How many requests each member made in each minute (since 1970, UTC); only the latest minute of each is kept.
request_counts = Table(
    "holder_request_counts",
    metadata,
    Column("member_id", String(64), nullable=False),
    Column("minute", BigInteger, nullable=False),
    Column("requests", Integer, nullable=False),
    PrimaryKeyConstraint("member_id", "minute", name="holder_request_counts_key"),
)

# Every statement ever accepted, envelopes as JSON, in the order accepted; the digest is SHA-256 of the payload.
statements = Table(
    "holder_statements",
    metadata,
    Column("position", Integer, primary_key=True, autoincrement=False),
    Column("type", String(16), nullable=False),
    Column("subject", String(64), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("envelope", Text, nullable=False),
    Column("stored_at", UtcDateTime, nullable=False),
    # Not unique: what a change of registrars took out of force may be stated again.
    Index("holder_statements_of_subject", "type", "subject", "position"),
)
