"""What the software enforces whatever the gateway allows: nothing of a suspicious activity report crosses, victims are
marked, a group that is closed shares nothing, the strictest handling of all rows involved holds, and what is marked
TLP:RED or has handling code C is released only by someone who says that this was looked at.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from exchange.kernel.decision import ALLOWED, Decision, refuse
from exchange.membership.authority import Authority
from schemas.marking import CONDITIONS, TLP_RED, Marking, is_laxer
from schemas.terms import Handling, TrafficLight
from schemas.values.tipping_off import find_tipping_off


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


def decide_release(marking: Marking, confirmations: Collection[str]) -> Decision:
    """Whether details may be released that rest on rows so marked: TLP:RED with the originator's consent alone,
    handling code C with its conditions, which go with them; each is confirmed.
    """
    decision = ALLOWED
    if marking.tlp == TrafficLight.RED and TLP_RED not in confirmations:
        cure = f"TLP:RED is for those it was given to: confirm {TLP_RED} if whoever originated it consents"
        decision &= refuse("tlp-red", "confirmations", cure)
    if marking.handling == Handling.CONDITIONS and CONDITIONS not in confirmations:
        cure = f"handling code C: confirm {CONDITIONS} once its conditions are met; they go with what is disclosed"
        decision &= refuse("handling-conditions", "confirmations", cure)
    return decision


def decide_marking_given(given: Marking | None, least: Marking) -> Decision:
    """Whether the marking that an authoriser signs is as strict as the rows call for."""
    if given is not None and not is_laxer(given, least):
        return ALLOWED
    cure = f"at least {least.classification}, TLP:{least.tlp}, handling {least.handling}, and every condition"
    return refuse("marking", "marking", cure)
