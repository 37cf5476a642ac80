"""What the rules decided, as tests compare it."""

from __future__ import annotations

from exchange.kernel.decision import Decision


def codes_of(decision: Decision) -> list[tuple[str, str]]:
    """The codes of a decision, with their fields."""
    return [(reason.code, reason.field) for reason in decision.reasons]
