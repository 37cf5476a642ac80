"""A decision is a value with reasons: recorded whether it allows or refuses, and reported to the one who
asked.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Reason:
    """Why something is refused: a stable `code`, the `field` at fault, and what would mend it."""

    code: str
    field: str
    detail: str

    def as_fields(self) -> dict[str, str]:
        """For a problem or a log entry."""
        return {"code": self.code, "field": self.field, "detail": self.detail}


@dataclass(frozen=True, slots=True)
class Decision:
    """Allowed if there is no reason against."""

    reasons: tuple[Reason, ...] = ()

    @property
    def is_allowed(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons

    def __and__(self, other: Decision) -> Decision:
        """Allowed only if both are."""
        return Decision(self.reasons + other.reasons)


ALLOWED = Decision()


def refuse(code: str, field: str, detail: str) -> Decision:
    """A refusal with one reason."""
    return Decision((Reason(code, field, detail),))


class RefusalError(Exception):
    """A use case was refused by a rule. `decision` says why."""

    def __init__(self, decision: Decision) -> None:
        super().__init__("; ".join(reason.code for reason in decision.reasons))
        self.decision = decision
