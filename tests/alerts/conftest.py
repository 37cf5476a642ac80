"""A taskforce on each kind of database."""

from __future__ import annotations

from tests.exchange.conftest import new_taskforce

__all__ = ["new_taskforce"]
