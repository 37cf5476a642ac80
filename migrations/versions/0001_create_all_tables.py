"""Create all tables."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision: str | None = None
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Create all tables."""
    op.create_table(
        "enrolments",
        sa.Column("code_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("sector", sa.String(length=40), nullable=False),
        sa.Column("declared_book", sa.BigInteger(), nullable=False),
        sa.Column("issued_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("claim_sha256", sa.LargeBinary(length=32), nullable=True),
        sa.Column("proposal_id", sa.String(length=64), nullable=True),
        sa.PrimaryKeyConstraint("code_sha256", name=op.f("pk_enrolments")),
    )
    op.create_index("ix_enrolments_member_id", "enrolments", ["member_id"], unique=False)
    op.create_table(
        "hits",
        sa.Column("token", sa.LargeBinary(length=32), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("hit_id", sa.String(length=36), nullable=False),
        sa.Column("view_json", sa.Text(), nullable=True),
        sa.Column("disclosed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("event_id", sa.String(length=36), nullable=True),
        sa.PrimaryKeyConstraint("token", "member_id", name=op.f("pk_hits")),
        sa.UniqueConstraint("hit_id", name=op.f("uq_hits_hit_id")),
    )
    op.create_index("ix_hits_member_id_hit_id", "hits", ["member_id", "hit_id"], unique=False)
    op.create_table(
        "holder_fault_reports",
        sa.Column("position", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("report_id", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("holder_id", sa.String(length=64), nullable=False),
        sa.Column("verify_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("report", sa.LargeBinary(), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("position", name=op.f("pk_holder_fault_reports")),
        sa.UniqueConstraint("holder_id", "verify_key", name=op.f("uq_holder_fault_reports_holder_id_verify_key")),
        sa.UniqueConstraint("report_id", name=op.f("uq_holder_fault_reports_report_id")),
    )
    op.create_table(
        "idempotent_answers",
        sa.Column("principal", sa.String(length=130), nullable=False),
        sa.Column("key", sa.String(length=128), nullable=False),
        sa.Column("request_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("status", sa.Integer(), nullable=False),
        sa.Column("answer", sa.LargeBinary(), nullable=False),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("principal", "key", name=op.f("pk_idempotent_answers")),
    )
    op.create_index(op.f("ix_idempotent_answers_answered_at"), "idempotent_answers", ["answered_at"], unique=False)
    op.create_table(
        "indicators",
        sa.Column("token", sa.LargeBinary(length=32), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("submission_id", sa.String(length=36), nullable=False),
        sa.Column("indicator_type", sa.String(length=32), nullable=False),
        sa.Column("first_seen", sa.String(length=10), nullable=True),
        sa.Column("last_seen", sa.String(length=10), nullable=True),
        sa.PrimaryKeyConstraint("token", "group_id", "member_id", name=op.f("pk_indicators")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "job_runs",
        sa.Column("job", sa.String(length=40), nullable=False),
        sa.Column("slot", sa.String(length=40), nullable=False),
        sa.Column("holder", sa.String(length=64), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("job", "slot", name=op.f("pk_job_runs")),
    )
    op.create_index(op.f("ix_job_runs_started_at"), "job_runs", ["started_at"], unique=False)
    op.create_table(
        "key_epochs",
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("threshold", sa.Integer(), nullable=False),
        sa.Column("public_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("normalisation", sa.String(length=8), nullable=False),
        sa.Column("holders_json", sa.Text(), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("epoch", name=op.f("pk_key_epochs")),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("holder", sa.String(length=128), nullable=False),
        sa.Column("fence", sa.BigInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_leases")),
    )
    op.create_table(
        "log_checkpoints",
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("note", sa.Text(), nullable=False),
        sa.Column("signed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_log_checkpoints")),
    )
    op.create_table(
        "log_day_heads",
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("day", sa.Date(), nullable=False),
        sa.PrimaryKeyConstraint("member_id", "day", name=op.f("pk_log_day_heads")),
    )
    op.create_table(
        "log_entries",
        sa.Column("entry_id", sa.String(length=36), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=64), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("entry", sa.LargeBinary(length=33), nullable=False),
        sa.Column("view", sa.LargeBinary(), nullable=True),
        sa.Column("salt", sa.LargeBinary(length=32), nullable=True),
        sa.Column("core_salt", sa.LargeBinary(length=32), nullable=True),
        sa.PrimaryKeyConstraint("entry_id", name=op.f("pk_log_entries")),
    )
    op.create_index("ix_log_entries_event_id", "log_entries", ["event_id"], unique=False)
    op.create_table(
        "log_leaves",
        sa.Column("idx", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("entry", sa.LargeBinary(length=33), nullable=False),
        sa.PrimaryKeyConstraint("idx", name=op.f("pk_log_leaves")),
    )
    op.create_table(
        "log_lanes",
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_log_lanes")),
    )
    op.create_table(
        "log_numbers",
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("entry_id", sa.String(length=36), nullable=False),
        sa.Column("idx", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), nullable=False),
        sa.Column("chain_head", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("member_id", "number", name=op.f("pk_log_numbers")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_log_numbers_entry_id")),
    )
    op.create_index("ix_log_numbers_member_id", "log_numbers", ["member_id", "idx"], unique=False)
    op.create_table(
        "log_pending",
        sa.Column("ticket", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=True, nullable=False),
        sa.Column("entry_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("ticket", name=op.f("pk_log_pending")),
        sa.UniqueConstraint("entry_id", name=op.f("uq_log_pending_entry_id")),
    )
    op.create_index("ix_log_pending_member_id", "log_pending", ["member_id", "ticket"], unique=False)
    op.create_table(
        "log_publications",
        sa.Column("size", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("size", name=op.f("pk_log_publications")),
    )
    op.create_table(
        "log_tiles",
        sa.Column("level", sa.Integer(), autoincrement=False, nullable=False),
        sa.Column("tile", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), autoincrement=False, nullable=False),
        sa.Column("hashes", sa.LargeBinary(length=8192), nullable=False),
        sa.Column("root", sa.LargeBinary(length=32), nullable=False),
        sa.PrimaryKeyConstraint("level", "tile", name=op.f("pk_log_tiles")),
    )
    op.create_table(
        "members",
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("sector", sa.String(length=40), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("declared_book", sa.BigInteger(), nullable=False),
        sa.Column("encryption_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("four_eyes_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("member_id", name=op.f("pk_members")),
    )
    op.create_table(
        "named_locks",
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_named_locks")),
    )
    op.create_table(
        "notices",
        sa.Column("notice_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("notice_id", name=op.f("pk_notices")),
    )
    op.create_index("ix_notices_member_id_notice_id", "notices", ["member_id", "notice_id"], unique=False)
    op.create_table(
        "outbox",
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("message_id", name=op.f("pk_outbox")),
    )
    op.create_index("ix_outbox_created_at", "outbox", ["created_at", "message_id"], unique=False)
    op.create_table(
        "recent_indicators",
        sa.Column("token", sa.LargeBinary(length=32), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("submission_id", sa.String(length=36), nullable=False),
        sa.Column("indicator_type", sa.String(length=32), nullable=False),
        sa.Column("first_seen", sa.String(length=10), nullable=True),
        sa.Column("last_seen", sa.String(length=10), nullable=True),
        sa.PrimaryKeyConstraint("token", "group_id", "member_id", name=op.f("pk_recent_indicators")),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "retired_indicators",
        sa.Column("reason", sa.String(length=32), nullable=False),
        sa.Column("retired_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("token", sa.LargeBinary(length=32), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("submission_id", sa.String(length=36), nullable=False),
        sa.Column("indicator_type", sa.String(length=32), nullable=False),
        sa.Column("first_seen", sa.String(length=10), nullable=True),
        sa.Column("last_seen", sa.String(length=10), nullable=True),
        sa.PrimaryKeyConstraint("token", "group_id", "member_id", "submission_id", name=op.f("pk_retired_indicators")),
        sqlite_with_rowid=False,
    )
    op.create_index(op.f("ix_retired_indicators_retired_at"), "retired_indicators", ["retired_at"], unique=False)
    op.create_table(
        "seen_nonces",
        sa.Column("nonce", sa.String(length=128), nullable=False),
        sa.Column("key_id", sa.String(length=130), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("nonce", "key_id", name=op.f("pk_seen_nonces")),
    )
    op.create_index(op.f("ix_seen_nonces_expires_at"), "seen_nonces", ["expires_at"], unique=False)
    op.create_table(
        "sharing_groups",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=200), nullable=False),
        sa.Column("kind", sa.String(length=40), nullable=False),
        sa.Column("objective", sa.Text(), nullable=False),
        sa.Column("sunset", sa.DateTime(timezone=True), nullable=True),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("updated_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("group_id", name=op.f("pk_sharing_groups")),
    )
    op.create_table(
        "statements",
        sa.Column("statement_id", sa.String(length=64), nullable=False),
        sa.Column("type", sa.String(length=16), nullable=False),
        sa.Column("subject", sa.String(length=64), nullable=False),
        sa.Column("sequence", sa.BigInteger(), nullable=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("proposed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("position", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("statement_id", name=op.f("pk_statements")),
        sa.UniqueConstraint("position", name=op.f("uq_statements_position")),
    )
    op.create_index("ix_statements_type_subject", "statements", ["type", "subject", "sequence"], unique=False)
    op.create_index(
        "ix_statements_waiting",
        "statements",
        ["proposed_at", "statement_id"],
        unique=False,
        sqlite_where=sa.text("state = 'collecting'"),
        postgresql_where=sa.text("state = 'collecting'"),
    )
    op.create_table(
        "submissions",
        sa.Column("submission_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("representative_id", sa.String(length=130), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("epoch", sa.Integer(), nullable=False),
        sa.Column("theme", sa.String(length=64), nullable=False),
        sa.Column("expires_on", sa.Date(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.Column("envelope_json", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("submission_id", name=op.f("pk_submissions")),
    )
    op.create_index("ix_submissions_member_id", "submissions", ["member_id"], unique=False)
    op.create_index("ix_submissions_created_at", "submissions", ["created_at"], unique=False)
    op.create_index("ix_submissions_state_expires_on", "submissions", ["state", "expires_on"], unique=False)
    op.create_table(
        "group_members",
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.ForeignKeyConstraint(
            ["group_id"], ["sharing_groups.group_id"], name=op.f("fk_group_members_group_id_sharing_groups")
        ),
        sa.PrimaryKeyConstraint("group_id", "member_id", name=op.f("pk_group_members")),
    )
    op.create_table(
        "representatives",
        sa.Column("representative_id", sa.String(length=130), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("public_key", sa.LargeBinary(length=32), nullable=False),
        sa.Column("roles_json", sa.Text(), nullable=False),
        sa.Column("state", sa.String(length=16), nullable=False),
        sa.ForeignKeyConstraint(
            ["member_id"], ["members.member_id"], name=op.f("fk_representatives_member_id_members")
        ),
        sa.PrimaryKeyConstraint("representative_id", name=op.f("pk_representatives")),
    )
    op.create_index("ix_representatives_member_id", "representatives", ["member_id"], unique=False)
    op.create_table(
        "statement_signatures",
        sa.Column("statement_id", sa.String(length=64), nullable=False),
        sa.Column("registrar_id", sa.String(length=64), nullable=False),
        sa.Column("signature", sa.LargeBinary(length=64), nullable=False),
        sa.Column("added_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["statement_id"], ["statements.statement_id"], name=op.f("fk_statement_signatures_statement_id_statements")
        ),
        sa.PrimaryKeyConstraint("statement_id", "registrar_id", name=op.f("pk_statement_signatures")),
    )
    op.create_table(
        "submission_parts",
        sa.Column("submission_id", sa.String(length=36), nullable=False),
        sa.Column("part", sa.Integer(), nullable=False),
        sa.Column("slice", sa.Integer(), nullable=False),
        sa.Column("request_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("upto", sa.Integer(), nullable=False),
        sa.Column("is_last", sa.Boolean(), nullable=False),
        sa.Column("accepted", sa.Integer(), nullable=False),
        sa.Column("duplicates", sa.Integer(), nullable=False),
        sa.Column("rejected", sa.Integer(), nullable=False),
        sa.Column("left_out", sa.Integer(), nullable=False),
        sa.Column("rows_json", sa.Text(), nullable=True),
        sa.Column("committed_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["submission_id"], ["submissions.submission_id"], name=op.f("fk_submission_parts_submission_id_submissions")
        ),
        sa.PrimaryKeyConstraint("submission_id", "part", "slice", name=op.f("pk_submission_parts")),
    )


def downgrade() -> None:
    """Undo it."""
    op.drop_table("submission_parts")
    op.drop_table("statement_signatures")
    op.drop_index("ix_representatives_member_id", table_name="representatives")
    op.drop_table("representatives")
    op.drop_table("group_members")
    op.drop_index("ix_submissions_state_expires_on", table_name="submissions")
    op.drop_index("ix_submissions_created_at", table_name="submissions")
    op.drop_index("ix_submissions_member_id", table_name="submissions")
    op.drop_table("submissions")
    op.drop_index("ix_statements_waiting", table_name="statements")
    op.drop_index("ix_statements_type_subject", table_name="statements")
    op.drop_table("statements")
    op.drop_table("sharing_groups")
    op.drop_index(op.f("ix_seen_nonces_expires_at"), table_name="seen_nonces")
    op.drop_table("seen_nonces")
    op.drop_index(op.f("ix_retired_indicators_retired_at"), table_name="retired_indicators")
    op.drop_table("retired_indicators")
    op.drop_table("recent_indicators")
    op.drop_index("ix_outbox_created_at", table_name="outbox")
    op.drop_table("outbox")
    op.drop_index("ix_notices_member_id_notice_id", table_name="notices")
    op.drop_table("notices")
    op.drop_table("named_locks")
    op.drop_table("members")
    op.drop_table("log_tiles")
    op.drop_table("log_publications")
    op.drop_index("ix_log_pending_member_id", table_name="log_pending")
    op.drop_table("log_pending")
    op.drop_index("ix_log_numbers_member_id", table_name="log_numbers")
    op.drop_table("log_numbers")
    op.drop_table("log_lanes")
    op.drop_table("log_leaves")
    op.drop_index("ix_log_entries_event_id", table_name="log_entries")
    op.drop_table("log_entries")
    op.drop_table("log_day_heads")
    op.drop_table("log_checkpoints")
    op.drop_table("leases")
    op.drop_table("key_epochs")
    op.drop_index(op.f("ix_job_runs_started_at"), table_name="job_runs")
    op.drop_table("job_runs")
    op.drop_table("indicators")
    op.drop_index(op.f("ix_idempotent_answers_answered_at"), table_name="idempotent_answers")
    op.drop_table("idempotent_answers")
    op.drop_table("holder_fault_reports")
    op.drop_index("ix_hits_member_id_hit_id", table_name="hits")
    op.drop_table("hits")
    op.drop_index("ix_enrolments_member_id", table_name="enrolments")
    op.drop_table("enrolments")
