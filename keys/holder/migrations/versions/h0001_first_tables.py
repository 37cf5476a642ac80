"""The first tables: members and their budgets, charges, nonces, statements."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "h0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "holder_members",
        sa.Column("member_id", sa.String(64), primary_key=True),
        sa.Column("evaluations", sa.BigInteger),
        sa.Column("allowed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("changed_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("evaluations >= 0", name="holder_members_evaluations"),
    )
    op.create_table(
        "holder_windows",
        sa.Column("member_id", sa.String(64), nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.PrimaryKeyConstraint("member_id", "number", name="holder_windows_key"),
    )
    op.create_table(
        "holder_grants",
        sa.Column("grant_id", sa.String(36), primary_key=True),
        sa.Column("member_id", sa.String(64), nullable=False),
        sa.Column("evaluations", sa.BigInteger, nullable=False),
        sa.Column("used", sa.BigInteger, nullable=False),
        sa.Column("granted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ends_at", sa.DateTime(timezone=True), nullable=False),
        sa.CheckConstraint("used >= 0 AND used <= evaluations", name="holder_grants_used"),
    )
    op.create_index("holder_grants_of_member", "holder_grants", ["member_id", "ends_at"])
    op.create_table(
        "holder_charges",
        sa.Column("charge_id", sa.String(36), primary_key=True),
        sa.Column("member_id", sa.String(64), nullable=False),
        sa.Column("idempotency_key", sa.String(128), nullable=False),
        sa.Column("request_digest", sa.LargeBinary(32), nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("quorum", sa.String(400), nullable=False),
        sa.Column("evaluations", sa.Integer, nullable=False),
        sa.Column("checks", sa.Integer, nullable=False),
        sa.Column("batch_key", sa.String(128)),
        sa.Column("computations", sa.Integer, nullable=False),
        sa.Column("working_until", sa.DateTime(timezone=True)),
        sa.Column("charged_at", sa.DateTime(timezone=True), nullable=False),
        sa.UniqueConstraint("member_id", "idempotency_key", name="holder_charges_request"),
        sa.CheckConstraint("checks >= 0", name="holder_charges_checks"),
    )
    op.create_index("holder_charges_of_member", "holder_charges", ["member_id", "charged_at"])
    op.create_index("holder_charges_under_way", "holder_charges", ["member_id", "working_until"])
    op.create_table(
        "holder_nonces",
        sa.Column("key_id", sa.String(129), nullable=False),
        sa.Column("nonce", sa.String(128), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_id", "nonce", name="holder_nonces_key"),
    )
    op.create_index("holder_nonces_expiry", "holder_nonces", ["expires_at"])
    op.create_table(
        "holder_statements",
        sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
        sa.Column("type", sa.String(16), nullable=False),
        sa.Column("subject", sa.String(64), nullable=False),
        sa.Column("sequence", sa.BigInteger, nullable=False),
        sa.Column("envelope", sa.Text, nullable=False),
        sa.Column("stored_at", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_index("holder_statements_of_subject", "holder_statements", ["type", "subject", "position"])


def downgrade() -> None:
    """Drop them all."""
    for name in ("statements", "nonces", "charges", "grants", "windows", "members"):
        op.drop_table(f"holder_{name}")
