"""Alembic's environment: the connection comes from migrations.upgrade, which holds the lock."""

from __future__ import annotations

from typing import Any, Literal

from alembic import context

from edge.columns import UtcDateTime
from migrations.tables import metadata


def render_item(kind: str, value: Any, _context: Any) -> str | Literal[False]:
    """A revision must not change with the code: our own column type is written as what it is in the database."""
    return "sa.DateTime(timezone=True)" if kind == "type" and isinstance(value, UtcDateTime) else False


context.configure(connection=context.config.attributes["connection"], target_metadata=metadata, render_item=render_item)
with context.begin_transaction():
    context.run_migrations()
