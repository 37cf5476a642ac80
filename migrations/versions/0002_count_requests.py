"""Count the requests of each caller and minute."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision: str | None = "0001"
branch_labels: str | None = None
depends_on: str | None = None


def upgrade() -> None:
    """Create the table of counts."""
    op.create_table(
        "request_counts",
        sa.Column("caller", sa.String(length=130), nullable=False),
        sa.Column("minute", sa.BigInteger(), autoincrement=False, nullable=False),
        sa.Column("requests", sa.Integer(), nullable=False),
        sa.PrimaryKeyConstraint("caller", "minute", name=op.f("pk_request_counts")),
    )
    op.create_index(op.f("ix_request_counts_minute"), "request_counts", ["minute"], unique=False)


def downgrade() -> None:
    """Drop it: counts matter for a minute only."""
    op.drop_index(op.f("ix_request_counts_minute"), table_name="request_counts")
    op.drop_table("request_counts")
