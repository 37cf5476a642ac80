"""Alerts, their feeds and their deliveries."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision: str | None = "0003"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "alert_audiences",
        sa.Column("audience_id", sa.String(length=32), nullable=False),
        sa.Column("groups_json", sa.Text(), nullable=False),
        sa.Column("kinds_json", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("audience_id", name=op.f("pk_alert_audiences")),
    )
    op.create_table(
        "alert_responses",
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("acknowledged_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("implemented_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("feedback", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", "member_id", name=op.f("pk_alert_responses")),
    )
    op.create_table(
        "alert_told",
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("told_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", "member_id", "version", "channel", name=op.f("pk_alert_told")),
    )
    op.create_table(
        "alerts",
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("stix_id", sa.String(length=36), nullable=False),
        sa.Column("reference", sa.String(length=72), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("issuer", sa.String(length=200), nullable=False),
        sa.Column("author_id", sa.String(length=129), nullable=False),
        sa.Column("reviewer_id", sa.String(length=129), nullable=True),
        sa.Column("releaser_id", sa.String(length=129), nullable=True),
        sa.Column("state", sa.String(length=20), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("audience_id", sa.String(length=32), nullable=False),
        sa.Column("tlp", sa.String(length=12), nullable=False),
        sa.Column("content_json", sa.Text(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("published_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("superseded_by", sa.String(length=72), nullable=False),
        sa.PrimaryKeyConstraint("alert_id", name=op.f("pk_alerts")),
        sa.UniqueConstraint("reference", name=op.f("uq_alerts_reference")),
        sa.UniqueConstraint("stix_id", name=op.f("uq_alerts_stix_id")),
    )
    op.create_index("ix_alerts_audience_id_alert_id", "alerts", ["audience_id", "alert_id"], unique=False)
    op.create_index(
        "ix_alerts_audience_id_modified_at_alert_id", "alerts", ["audience_id", "modified_at", "alert_id"], unique=False
    )
    op.create_index("ix_alerts_member_id_alert_id", "alerts", ["member_id", "alert_id"], unique=False)
    op.create_index("ix_alerts_state_due_at", "alerts", ["state", "due_at"], unique=False)
    op.create_table(
        "deliveries",
        sa.Column("delivery_id", sa.String(length=36), nullable=False),
        sa.Column("subscription_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("kind", sa.String(length=10), nullable=False),
        sa.Column("message_id", sa.String(length=36), nullable=False),
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("state", sa.String(length=10), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("next_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("last_error", sa.String(length=200), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("delivery_id", name=op.f("pk_deliveries")),
        sa.UniqueConstraint(
            "subscription_id", "alert_id", "version", name=op.f("uq_deliveries_subscription_id_alert_id_version")
        ),
    )
    op.create_index("ix_deliveries_state_next_at", "deliveries", ["state", "next_at"], unique=False)
    op.create_index("ix_deliveries_finished_at", "deliveries", ["finished_at"], unique=False)
    op.create_index(
        "ix_deliveries_subscription_id_state", "deliveries", ["subscription_id", "state", "next_at"], unique=False
    )
    op.create_table(
        "feed_clock",
        sa.Column("id", sa.Integer(), nullable=False),
        sa.Column("last_ms", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_feed_clock")),
    )
    op.create_table(
        "feed_collections",
        sa.Column("collection_id", sa.String(length=36), nullable=False),
        sa.Column("group_id", sa.String(length=64), nullable=False),
        sa.PrimaryKeyConstraint("collection_id", name=op.f("pk_feed_collections")),
        sa.UniqueConstraint("group_id", name=op.f("uq_feed_collections_group_id")),
    )
    op.create_table(
        "feed_ids",
        sa.Column("owner_id", sa.String(length=36), nullable=False),
        sa.Column("part", sa.String(length=40), nullable=False),
        sa.Column("feed_id", sa.String(length=36), nullable=False),
        sa.PrimaryKeyConstraint("owner_id", "part", name=op.f("pk_feed_ids")),
    )
    op.create_table(
        "feed_objects",
        sa.Column("collection_id", sa.String(length=36), nullable=False),
        sa.Column("added_ms", sa.BigInteger(), nullable=False),
        sa.Column("object_id", sa.String(length=100), nullable=False),
        sa.Column("object_type", sa.String(length=50), nullable=False),
        sa.Column("modified_ms", sa.BigInteger(), nullable=False),
        sa.Column("is_first", sa.Boolean(), nullable=False),
        sa.Column("is_last", sa.Boolean(), nullable=False),
        sa.Column("audience_id", sa.String(length=32), nullable=False),
        sa.Column("alert_id", sa.String(length=36), nullable=False),
        sa.Column("alert_version", sa.Integer(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("collection_id", "added_ms", name=op.f("pk_feed_objects")),
        sa.UniqueConstraint(
            "collection_id",
            "object_id",
            "modified_ms",
            name=op.f("uq_feed_objects_collection_id_object_id_modified_ms"),
        ),
    )
    op.create_index("ix_feed_objects_alert_id", "feed_objects", ["alert_id"], unique=False)
    op.create_index(
        "ix_feed_objects_audience_id_object_type",
        "feed_objects",
        ["collection_id", "audience_id", "object_type", "added_ms"],
        unique=False,
    )
    op.create_index(
        "ix_feed_objects_collection_id_audience_id_added_ms",
        "feed_objects",
        ["collection_id", "audience_id", "added_ms"],
        unique=False,
    )
    op.create_table(
        "feed_tokens",
        sa.Column("token_sha256", sa.LargeBinary(length=32), nullable=False),
        sa.Column("token_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("name", sa.String(length=64), nullable=False),
        sa.Column("created_by", sa.String(length=129), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("token_sha256", name=op.f("pk_feed_tokens")),
        sa.UniqueConstraint("token_id", name=op.f("uq_feed_tokens_token_id")),
    )
    op.create_index("ix_feed_tokens_member_id", "feed_tokens", ["member_id"], unique=False)
    op.create_table(
        "subscriptions",
        sa.Column("subscription_id", sa.String(length=36), nullable=False),
        sa.Column("member_id", sa.String(length=64), nullable=False),
        sa.Column("channel", sa.String(length=10), nullable=False),
        sa.Column("target", sa.Text(), nullable=False),
        sa.Column("filters_json", sa.Text(), nullable=False),
        sa.Column("secret_number", sa.Integer(), nullable=False),
        sa.Column("secret_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("created_by", sa.String(length=129), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), nullable=False),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("tried_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("claim_id", sa.String(length=36), nullable=False),
        sa.Column("claimed_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("subscription_id", name=op.f("pk_subscriptions")),
    )
    op.create_index("ix_subscriptions_member_id", "subscriptions", ["member_id", "subscription_id"], unique=False)


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_subscriptions_member_id", table_name="subscriptions")
    op.drop_table("subscriptions")
    op.drop_index("ix_feed_tokens_member_id", table_name="feed_tokens")
    op.drop_table("feed_tokens")
    op.drop_index("ix_feed_objects_collection_id_audience_id_added_ms", table_name="feed_objects")
    op.drop_index("ix_feed_objects_audience_id_object_type", table_name="feed_objects")
    op.drop_index("ix_feed_objects_alert_id", table_name="feed_objects")
    op.drop_table("feed_objects")
    op.drop_table("feed_ids")
    op.drop_table("feed_collections")
    op.drop_table("feed_clock")
    op.drop_index("ix_deliveries_subscription_id_state", table_name="deliveries")
    op.drop_index("ix_deliveries_finished_at", table_name="deliveries")
    op.drop_index("ix_deliveries_state_next_at", table_name="deliveries")
    op.drop_table("deliveries")
    op.drop_index("ix_alerts_state_due_at", table_name="alerts")
    op.drop_index("ix_alerts_member_id_alert_id", table_name="alerts")
    op.drop_index("ix_alerts_audience_id_modified_at_alert_id", table_name="alerts")
    op.drop_table("alerts")
    op.drop_table("alert_told")
    op.drop_table("alert_responses")
    op.drop_table("alert_audiences")
