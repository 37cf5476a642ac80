"""What a cell sends, but for its signature."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from tests.exchange.matrix.cells import Cell, State

ENVELOPES: dict[State, dict[str, Any]] = {
    State.GROUP_CLOSED: {"group": "closed"},
    State.GROUP_PAST_SUNSET: {"group": "past-sunset"},
    State.EPOCH_RETIRED: {"epoch": 2},
}
"""What brings a state about that is not the member's own."""


@dataclass(frozen=True)
class Request:
    """What a cell sends, but for its signature."""

    target: str
    value: Any = None
    idempotency_key: str | None = None
    headers: dict[str, str] = field(default_factory=dict)
    content_type: str = "application/json"


def group_of(cell: Cell) -> str:
    """The group that a cell's request is about."""
    return str(ENVELOPES.get(cell.state, {}).get("group", "taskforce"))
