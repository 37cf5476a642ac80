"""How restricted something is that rests on several rows: the most restrictive marking of all, every condition of
theirs, and whether any is about someone to be protected. The exchange and its members reckon alike.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import msgspec

from schemas.submissions import KeptEnvelope
from schemas.terms import Classification, Handling, SubjectRole, TrafficLight
from schemas.values.message import Flag, Form, Message, one_of

PROTECTED_ROLES = frozenset({SubjectRole.VICTIM, SubjectRole.MULE_UNWITTING})
"""Subjects that are to be protected, not pursued: whoever learns of them is informed of that."""
TLP_RED, CONDITIONS = "tlp-red", "conditions"
RELEASE_CODES = frozenset({TLP_RED, CONDITIONS})
"""What an authoriser confirms of the marking of what it releases; the gateway's confirmations come beside them."""
_MAX_CONDITIONS = 65_536
"""Signs of all conditions together of the rows of one answer."""
_WEAKEST: dict[str, tuple[str, ...]] = {
    "classification": tuple(Classification),
    "tlp": tuple(reversed(TrafficLight)),
    "handling": tuple(Handling),
}


class Marking(Message, frozen=True):
    """The most restrictive marking of the rows that something rests on, and every condition that goes with it, a line
    each. The subject is protected if any of the rows is about a victim or an unwitting mule. A code that is not known
    has no place in the order of the others, and is refused by every reader.
    """

    classification: Annotated[Classification, one_of(Classification)]
    tlp: Annotated[TrafficLight, one_of(TrafficLight)]
    handling: Annotated[Handling, one_of(Handling)]
    conditions: Annotated[str, Form("Prose", _MAX_CONDITIONS)]
    protected_subject: Flag


def marking_of_envelope(envelope: KeptEnvelope) -> Marking:
    """The marking of a submission's rows, from its envelope."""
    return Marking(
        classification=Classification(envelope.classification),
        tlp=TrafficLight(envelope.tlp),
        handling=Handling(envelope.handling),
        conditions=(envelope.conditions or "").strip(),
        protected_subject=envelope.subject_role in PROTECTED_ROLES,
    )


def strictest(markings: Iterable[Marking]) -> Marking:
    """The marking of what rests on things so marked, at least one; `conditions` has a line each."""
    found = list(markings)
    lines = (line.strip() for one in found for line in one.conditions.splitlines())
    codes = {name: max((getattr(one, name) for one in found), key=order.index) for name, order in _WEAKEST.items()}
    return Marking(
        **codes,
        conditions="\n".join(dict.fromkeys(line for line in lines if line)),
        protected_subject=any(one.protected_subject for one in found),
    )


def is_laxer(marking: Marking, least: Marking) -> bool:
    """Whether a marking falls short of another in anything."""
    both = strictest([marking, least])
    if set(both.conditions.splitlines()) - set(marking.conditions.splitlines()):
        return True
    return both != msgspec.structs.replace(marking, conditions=both.conditions)
