"""Queries of law enforcement."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision: str | None = "0005"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "queries",
        sa.Column("query_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("asker_id", sa.String(length=130), nullable=False),
        sa.Column("authoriser_id", sa.String(length=130), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("legal_gateway", sa.String(length=32), nullable=False),
        sa.Column("paperwork_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("covert", sa.Boolean(), nullable=False),
        sa.Column("silent", sa.Boolean(), nullable=False),
        sa.Column("ends_on", sa.Date(), nullable=False),
        sa.Column("watch_until", sa.Date(), nullable=True),
        sa.Column("cover_salt", sa.LargeBinary(length=32), nullable=False),
        sa.Column("subjects", sa.Integer(), nullable=False),
        sa.Column("subjects_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("extensions_json", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("query_id", name=op.f("pk_queries")),
    )
    op.create_index("ix_queries_member_id_query_id", "queries", ["member_id", "query_id"], unique=False)
    op.create_index("ix_queries_state_ends_on", "queries", ["state", "ends_on"], unique=False)
    op.create_index("ix_queries_watch_until", "queries", ["watch_until"], unique=False)
    op.create_table(
        "query_matches",
        sa.Column("token", sa.LargeBinary(length=32), nullable=False),
        sa.Column("query_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("submission_id", sa.String(length=36), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("disclosed_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("token", "query_id", "member_id", "submission_id", name=op.f("pk_query_matches")),
    )
    op.create_index("ix_query_matches_query_id", "query_matches", ["query_id"], unique=False)
    op.create_table(
        "query_meetings",
        sa.Column("query_id", sa.String(length=36), nullable=False),
        sa.Column("other_id", sa.String(length=36), nullable=False),
        sa.Column("is_told", sa.Boolean(), nullable=False),
        sa.Column("met_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("query_id", "other_id", name=op.f("pk_query_meetings")),
    )
    op.create_index("ix_query_meetings_other_id", "query_meetings", ["other_id"], unique=False)
    op.create_table(
        "query_papers",
        sa.Column("query_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("query_id", "position", "member_id", name=op.f("pk_query_papers")),
    )
    op.create_table(
        "query_subjects",
        sa.Column("token", sa.LargeBinary(length=32), nullable=False),
        sa.Column("query_id", sa.String(length=36), nullable=False),
        sa.Column("position", sa.Integer(), nullable=False),
        sa.Column("indicator_type", sa.String(length=32), nullable=False),
        sa.Column("hit_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("token", "query_id", name=op.f("pk_query_subjects")),
    )
    op.create_index("ix_query_subjects_query_id_position", "query_subjects", ["query_id", "position"], unique=False)


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_query_subjects_query_id_position", table_name="query_subjects")
    op.drop_table("query_subjects")
    op.drop_table("query_papers")
    op.drop_index("ix_query_meetings_other_id", table_name="query_meetings")
    op.drop_table("query_meetings")
    op.drop_index("ix_query_matches_query_id", table_name="query_matches")
    op.drop_table("query_matches")
    op.drop_index("ix_queries_watch_until", table_name="queries")
    op.drop_index("ix_queries_state_ends_on", table_name="queries")
    op.drop_index("ix_queries_member_id_query_id", table_name="queries")
    op.drop_table("queries")
