"""What derives from a row, taking it back, what came of it, and the day on which it is to be reviewed."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision: str | None = "0006"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "derived_disclosures",
        sa.Column("token", sa.LargeBinary(length=32), nullable=False),
        sa.Column("recipient_member_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("object_id", sa.String(length=36), nullable=False),
        sa.Column("source_member_id", sa.String(length=64), nullable=False),
        sa.Column("submission_id", sa.String(length=36), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("disclosed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("covert_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint(
            "token",
            "recipient_member_id",
            "kind",
            "object_id",
            "submission_id",
            name=op.f("pk_derived_disclosures"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_derived_disclosures_disclosed_at", "derived_disclosures", ["disclosed_at"], unique=False)
    op.create_index("ix_derived_disclosures_object_id", "derived_disclosures", ["object_id"], unique=False)
    op.create_table(
        "withdrawals",
        sa.Column("withdrawal_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("representative_id", sa.String(length=130), nullable=False),
        sa.Column("open_submission_id", sa.String(length=36), nullable=True),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("rows", sa.Integer(), nullable=False),
        sa.Column("told", sa.Integer(), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("withdrawal_id", name=op.f("pk_withdrawals")),
    )
    op.create_index("ix_withdrawals_created_at", "withdrawals", ["created_at"], unique=False)
    op.create_index(
        "ix_withdrawals_member_id_open_submission_id", "withdrawals", ["member_id", "open_submission_id"], unique=False
    )
    op.create_index("ix_withdrawals_open_submission_id", "withdrawals", ["open_submission_id"], unique=False)
    op.create_table(
        "withdrawn_rows",
        sa.Column("token", sa.LargeBinary(length=32), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("withdrawal_id", sa.String(length=36), nullable=False),
        sa.Column("submission_id", sa.String(length=36), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("is_watched", sa.Boolean(), nullable=False),
        sa.PrimaryKeyConstraint("token", "submission_id", "withdrawal_id", name=op.f("pk_withdrawn_rows")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_withdrawn_rows_is_watched", "withdrawn_rows", ["is_watched"], unique=False)
    op.create_index("ix_withdrawn_rows_told_at", "withdrawn_rows", ["told_at", "withdrawal_id"], unique=False)
    op.create_table(
        "taken_back_rows",
        sa.Column("token", sa.LargeBinary(length=32), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("token", "group_id", "member_id", name=op.f("pk_taken_back_rows")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_taken_back_rows_epoch", "taken_back_rows", ["epoch"], unique=False)
    op.create_table(
        "corrections",
        sa.Column("correction_id", sa.String(length=36), nullable=False),
        sa.Column("withdrawal_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("acknowledged_by", sa.String(length=130), nullable=True),
        sa.Column("escalated_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("correction_id", name=op.f("pk_corrections")),
        sa.UniqueConstraint("withdrawal_id", "member_id", name=op.f("uq_corrections_withdrawal_id_member_id")),
    )
    op.create_index("ix_corrections_acknowledged_at_due_at", "corrections", ["acknowledged_at", "due_at"], unique=False)
    op.create_index("ix_corrections_told_at", "corrections", ["told_at"], unique=False)
    op.create_index(
        "ix_corrections_member_id_correction_id", "corrections", ["member_id", "correction_id"], unique=False
    )
    op.create_table(
        "correction_items",
        sa.Column("token", sa.LargeBinary(length=32), nullable=False),
        sa.Column("correction_id", sa.String(length=36), nullable=False),
        sa.Column("kind", sa.String(length=16), nullable=False),
        sa.Column("object_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("token", "correction_id", "kind", "object_id", name=op.f("pk_correction_items")),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_correction_items_correction_id", "correction_items", ["correction_id"], unique=False)
    op.create_table(
        "outcomes",
        sa.Column("outcome_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("representative_id", sa.String(length=130), nullable=False),
        sa.Column("about", sa.String(length=16), nullable=False),
        sa.Column("object_id", sa.String(length=36), nullable=False),
        sa.Column("figures_json", sa.Text(), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("outcome_id", name=op.f("pk_outcomes")),
    )
    op.create_index("ix_outcomes_member_id_outcome_id", "outcomes", ["member_id", "outcome_id"], unique=False)
    op.create_index("ix_outcomes_recorded_at", "outcomes", ["recorded_at"], unique=False)
    op.create_table(
        "outcome_recipients",
        sa.Column("token", sa.LargeBinary(length=32), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("outcome_id", sa.String(length=36), nullable=False),
        sa.Column("is_named", sa.Boolean(), nullable=False),
        sa.Column("recorder_kind", sa.String(length=40), nullable=True),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("token", "member_id", "outcome_id", name=op.f("pk_outcome_recipients")),
        sqlite_with_rowid=False,
    )
    op.create_index(
        "ix_outcome_recipients_member_id_outcome_id", "outcome_recipients", ["member_id", "outcome_id"], unique=False
    )
    op.create_index("ix_outcome_recipients_outcome_id", "outcome_recipients", ["outcome_id"], unique=False)
    op.create_index("ix_outcome_recipients_told_at", "outcome_recipients", ["told_at", "outcome_id"], unique=False)
    op.create_table(
        "assessments",
        sa.Column("assessment_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("representative_id", sa.String(length=130), nullable=False),
        sa.Column("hit_id", sa.String(length=36), nullable=False),
        sa.Column("other_sources", sa.Boolean(), nullable=False),
        sa.Column("vulnerability_checked", sa.Boolean(), nullable=False),
        sa.Column("keep_open_checked", sa.Boolean(), nullable=False),
        sa.Column("decision", sa.String(length=32), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("overtaken_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("assessment_id", name=op.f("pk_assessments")),
    )
    op.create_index(
        "ix_assessments_member_id_hit_id", "assessments", ["member_id", "hit_id", "recorded_at"], unique=False
    )
    op.create_index("ix_assessments_recorded_at", "assessments", ["recorded_at"], unique=False)
    op.add_column("submissions", sa.Column("review_on", sa.Date(), nullable=True))
    op.create_index("ix_submissions_state_review_on", "submissions", ["state", "review_on"], unique=False)
    _set_review_days()


def _set_review_days() -> None:
    """Submissions made before are reminded of too: their day of review stands in the envelope."""
    if op.get_bind().dialect.name == "sqlite":
        day = "json_extract(envelope_json, '$.review_by')"
    else:
        day = "(envelope_json::json ->> 'review_by')::date"
    op.execute(f"UPDATE submissions SET review_on = {day} WHERE state = 'active'")  # noqa: S608 - no input


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_submissions_state_review_on", table_name="submissions")
    op.drop_column("submissions", "review_on")
    op.drop_table("assessments")
    op.drop_table("outcome_recipients")
    op.drop_table("outcomes")
    op.drop_table("correction_items")
    op.drop_table("corrections")
    op.drop_table("taken_back_rows")
    op.drop_table("withdrawn_rows")
    op.drop_table("withdrawals")
    op.drop_index("ix_derived_disclosures_object_id", table_name="derived_disclosures")
    op.drop_index("ix_derived_disclosures_disclosed_at", table_name="derived_disclosures")
    op.drop_table("derived_disclosures")
