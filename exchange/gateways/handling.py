"""How restricted intelligence is: classification, traffic light, handling code."""

from __future__ import annotations

from exchange.kernel.decision import ALLOWED, Decision, refuse
from schemas.terms import Classification, Handling, TrafficLight

_CLASSIFICATIONS = tuple(Classification)
_LIGHTS = tuple(reversed(TrafficLight))
HIGHEST = Classification.OFFICIAL_SENSITIVE
"""The highest classification that this system may hold; SECRET and above belong on accredited systems of
their own.
"""


def is_wider(tlp: str, source: str) -> bool:
    """Whether a traffic light lets more people read than that of a source."""
    return _LIGHTS.index(TrafficLight(tlp)) < _LIGHTS.index(TrafficLight(source))


def decide_marking(classification: str, handling: str, conditions: str) -> Decision:
    """Whether something so marked may be held here, its conditions said where the handling code calls for
    them.
    """
    decision = ALLOWED
    if _CLASSIFICATIONS.index(Classification(classification)) > _CLASSIFICATIONS.index(HIGHEST):
        decision &= refuse("classification", "classification", f"nothing above {HIGHEST.value} is held here")
    if handling == Handling.CONDITIONS and not conditions.strip():
        decision &= refuse("no-conditions", "conditions", "handling code C calls for its conditions")
    return decision
