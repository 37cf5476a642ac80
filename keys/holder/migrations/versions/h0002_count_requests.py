"""Count the requests of each member and minute."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "h0002"
down_revision = "h0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Make the table of counts."""
    op.create_table(
        "holder_request_counts",
        sa.Column("member_id", sa.String(64), nullable=False),
        sa.Column("minute", sa.BigInteger, nullable=False),
        sa.Column("requests", sa.Integer, nullable=False),
        sa.PrimaryKeyConstraint("member_id", "minute", name="holder_request_counts_key"),
    )


def downgrade() -> None:
    """Drop it: counts matter for a minute only."""
    op.drop_table("holder_request_counts")
