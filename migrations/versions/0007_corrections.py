"""What derives from a row, and taking it back."""

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
        sa.Column("event_id", sa.String(length=36), nullable=False),
        sa.Column("disclosed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("covert_until", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint(
            "token",
            "recipient_member_id",
            "kind",
            "object_id",
            "source_member_id",
            name=op.f("pk_derived_disclosures"),
        ),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_derived_disclosures_disclosed_at", "derived_disclosures", ["disclosed_at"], unique=False)


def downgrade() -> None:
    """Drop them."""
    op.drop_index("ix_derived_disclosures_disclosed_at", table_name="derived_disclosures")
    op.drop_table("derived_disclosures")
