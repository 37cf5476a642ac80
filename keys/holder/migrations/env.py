"""Alembic's environment: keys.holder.database.HolderDatabase.migrate gives the connection and holds the lock."""

from __future__ import annotations

from alembic import context

from keys.holder.tables import metadata

context.configure(
    connection=context.config.attributes["connection"],
    target_metadata=metadata,
    version_table="holder_alembic_version",
    render_as_batch=True,
)
with context.begin_transaction():
    context.run_migrations()
