"""What the software enforces whatever the gateway allows: nothing of a suspicious activity report crosses, victims are
marked, a group that is closed shares nothing, and the strictest handling of all rows involved holds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from functools import reduce
from typing import Any

from exchange.domain.authority import Authority
from exchange.domain.decision import ALLOWED, Decision, refuse
from exchange.domain.handling import Marking
from schemas.terms import Classification, Handling, SubjectRole, TrafficLight
from schemas.tipping_off import find_tipping_off

PROTECTED_ROLES = frozenset({SubjectRole.VICTIM, SubjectRole.MULE_UNWITTING})
"""Subjects that are to be protected, not pursued: whoever is told of them is told so."""


def decide_texts(texts: Mapping[str, str | None]) -> Decision:
    """Whether the free texts, by field, may cross: none speaks of a suspicious activity report."""
    decision = ALLOWED
    for field, text in texts.items():
        found = find_tipping_off(text) if text else None
        if found is not None:
            cure = f"leave out what tells of a report ({found}): POCA 2002 s333A, tipping off"
            decision &= refuse("tipping-off", field, cure)
    return decision


def decide_open_group(group_ids: Iterable[str], member_id: str, authority: Authority) -> Decision:
    """Whether one of the groups, in which the rows concerned lie, is open and has the member in it: a cell past its
    sunset shares nothing.
    """
    if any(authority.is_in(group_id, member_id) for group_id in group_ids):
        return ALLOWED
    return refuse("closed-group", "group", "the sharing group is closed, past its sunset, or no longer yours")


def is_protected(subject_role: str) -> bool:
    """Whether the subject is a victim or an unwitting mule."""
    return subject_role in PROTECTED_ROLES


def strictest_handling(envelopes: Iterable[Mapping[str, Any]]) -> dict[str, str]:
    """The handling of something that rests on rows of these envelopes (at least one; as on the wire): of each marking
    the most restrictive, and every condition, a line each.
    """
    rows = list(envelopes)
    markings = [
        Marking(Classification(row["classification"]), TrafficLight(row["tlp"]), Handling(row["handling"]))
        for row in rows
    ]
    marking = reduce(Marking.combine, markings)
    conditions = dict.fromkeys(text for row in rows if (text := (row.get("conditions") or "").strip()))
    return {
        "classification": marking.classification.value,
        "tlp": marking.tlp.value,
        "handling": marking.handling.value,
        "conditions": "\n".join(conditions),
    }
