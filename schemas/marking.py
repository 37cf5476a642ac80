"""How restricted something is that rests on several rows: the most restrictive marking of all, every condition of
theirs, and whether any is about someone to be protected. The exchange and its members reckon alike.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from schemas.terms import Classification, Handling, SubjectRole, TrafficLight

PROTECTED_ROLES = frozenset({SubjectRole.VICTIM, SubjectRole.MULE_UNWITTING})
"""Subjects that are to be protected, not pursued: whoever is told of them is told so."""
TLP_RED, CONDITIONS = "tlp-red", "conditions"
RELEASE_CODES = frozenset({TLP_RED, CONDITIONS})
"""What an authoriser confirms of the marking of what it releases; the gateway's confirmations come beside them."""
_LEAST_FIRST: dict[str, tuple[str, ...]] = {
    "classification": tuple(Classification),
    "tlp": tuple(reversed(TrafficLight)),
    "handling": tuple(Handling),
}


def marking_of_envelope(envelope: Mapping[str, Any]) -> dict[str, Any]:
    """The marking of a submission's rows, from its envelope on the wire."""
    return {
        **{name: envelope[name] for name in _LEAST_FIRST},
        "conditions": (envelope.get("conditions") or "").strip(),
        "protected_subject": envelope.get("subject_role") in PROTECTED_ROLES,
    }


def strictest(markings: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The marking of what rests on things so marked, at least one; `conditions` has a line each."""
    found = list(markings)
    lines = (line.strip() for one in found for line in one["conditions"].splitlines())
    return {
        **{name: max((one[name] for one in found), key=order.index) for name, order in _LEAST_FIRST.items()},
        "conditions": "\n".join(dict.fromkeys(line for line in lines if line)),
        "protected_subject": any(one["protected_subject"] for one in found),
    }


def is_laxer(marking: Mapping[str, Any], least: Mapping[str, Any]) -> bool:
    """Whether a marking falls short of another in anything."""
    both = strictest([marking, least])
    missing = set(both.pop("conditions").splitlines()) - set(marking["conditions"].splitlines())
    return bool(missing) or any(marking[name] != value for name, value in both.items())
