"""How restricted intelligence is: classification, traffic light, handling code. The most restrictive wins."""

from __future__ import annotations

from dataclasses import dataclass

from exchange.kernel.decision import ALLOWED, Decision, refuse
from schemas.terms import Classification, Handling, TrafficLight

_CLASSIFICATIONS = tuple(Classification)
_LIGHTS = tuple(reversed(TrafficLight))
_HANDLINGS = tuple(Handling)
HIGHEST = Classification.OFFICIAL_SENSITIVE
"""The highest classification that this system may hold; SECRET and above belong on accredited systems of
their own.
"""


@dataclass(frozen=True, slots=True)
class Marking:
    """The three markings of one thing."""

    classification: Classification
    tlp: TrafficLight
    handling: Handling

    def combine(self, other: Marking) -> Marking:
        """The marking of something made from both."""
        return Marking(
            max(self.classification, other.classification, key=_CLASSIFICATIONS.index),
            max(self.tlp, other.tlp, key=_LIGHTS.index),
            max(self.handling, other.handling, key=_HANDLINGS.index),
        )


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
