"""Information requests."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision: str | None = "0004"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "information_requests",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("representative_id", sa.String(length=130), nullable=False),
        sa.Column("public_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("encryption_key", sa.LargeBinary(), nullable=False),
        sa.Column("hit_id", sa.String(length=36), nullable=False),
        sa.Column("token", sa.LargeBinary(length=32), nullable=False),
        sa.Column("terms_json", sa.Text(), nullable=False),
        sa.Column("proof", sa.LargeBinary(length=32), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lapses_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("request_id", name=op.f("pk_information_requests")),
    )
    op.create_index(
        "ix_information_requests_closed_at_lapses_at", "information_requests", ["closed_at", "lapses_at"], unique=False
    )
    op.create_index(
        "ix_information_requests_member_id", "information_requests", ["member_id", "request_id"], unique=False
    )
    op.create_index(
        "ix_information_requests_member_id_hit_id", "information_requests", ["member_id", "hit_id"], unique=False
    )
    op.create_table(
        "request_parts",
        sa.Column("request_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("representative_id", sa.String(length=130), nullable=True),
        sa.Column("taken_up_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_by", sa.String(length=130), nullable=True),
        sa.Column("remind_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("outcome", sa.String(length=16), nullable=True),
        sa.Column("fields_json", sa.Text(), nullable=True),
        sa.Column("refusal_reason", sa.String(length=32), nullable=True),
        sa.Column("sealed", sa.LargeBinary(), nullable=True),
        sa.Column("sealed_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=True),
        sa.Column("prepared_json", sa.Text(), nullable=True),
        sa.Column("marking_json", sa.Text(), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("submissions_json", sa.Text(), nullable=True),
        sa.Column("withdrawn_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("request_id", "member_id", name=op.f("pk_request_parts")),
    )
    op.create_index("ix_request_parts_member_id", "request_parts", ["member_id", "request_id"], unique=False)
    op.create_index("ix_request_parts_remind_at", "request_parts", ["remind_at"], unique=False)


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_request_parts_remind_at", table_name="request_parts")
    op.drop_index("ix_request_parts_member_id", table_name="request_parts")
    op.drop_table("request_parts")
    op.drop_index("ix_information_requests_member_id_hit_id", table_name="information_requests")
    op.drop_index("ix_information_requests_member_id", table_name="information_requests")
    op.drop_index("ix_information_requests_closed_at_lapses_at", table_name="information_requests")
    op.drop_table("information_requests")
