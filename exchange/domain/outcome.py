"""What became of intelligence: which outcomes may be recorded, and when an account may be said to be exited.

Rules, in order:
1. An outcome reports something: a code or a figure. What is not reported is missing, never zero.
2. A hit alone never justifies an exit: the member that records one has recorded before, of that very hit, its own
   assessment with other sources, a check for vulnerability and a check whether law enforcement wants the account kept
   open, and the decision to exit.
3. Who contributed a row sees what came of it without learning who recorded it, unless it knows that already.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from exchange.domain.decision import ALLOWED, Decision, refuse
from schemas.terms import AccountAction, OutcomeObject

_CHECKS = {
    "other_sources": "look at other sources than the hit",
    "vulnerability_checked": "check whether the customer is vulnerable or a victim",
    "keep_open_checked": "check whether law enforcement wants the account kept open",
}


@dataclass(frozen=True, slots=True)
class Checks:
    """What a member looked at before it decided."""

    other_sources: bool
    vulnerability_checked: bool
    keep_open_checked: bool


def decide_assessment(checks: Checks, decision: str) -> Decision:
    """Whether the assessment bears its decision: an exit wants every check."""
    if decision != AccountAction.EXIT:
        return ALLOWED
    made, against = asdict(checks), ALLOWED
    for name, cure in _CHECKS.items():
        if not made[name]:
            against &= refuse("exit-unchecked", name, cure)
    return against


def decide_outcome(figures: Mapping[str, Any], about: str, decided: str | None) -> Decision:
    """Whether the outcome may be recorded. `decided` is the decision of the member's latest assessment of the hit
    concerned, None if there is none.
    """
    if all(value is None for value in figures.values()):
        return refuse("nothing-reported", "usefulness", "report a code or a figure")
    if figures["account_action"] != AccountAction.EXIT:
        return ALLOWED
    if about == OutcomeObject.QUERY:
        return refuse("exit-without-hit", "account_action", "an exit is recorded of a hit, by the account's own bank")
    if decided is None:
        return refuse("no-assessment", "account_action", "record your own assessment first: member assessment record")
    if decided != AccountAction.EXIT:
        return refuse("assessment-decision", "account_action", f"your latest assessment decided: {decided}")
    return ALLOWED
