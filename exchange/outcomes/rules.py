"""What became of intelligence: which outcomes may be recorded, and when an account may be said to be exited.

Rules, in order:
1. An outcome reports something: a code or a figure. What is not reported is missing, never zero.
2. A hit alone never justifies an exit: the member that records one has recorded before, of that very hit, its own
   assessment with other sources, a check for vulnerability and a check whether law enforcement wants the account kept
   open, and the decision to exit. A later correction overtakes the assessment: it assesses anew.
3. Who contributed a row sees what came of it without learning who recorded it, unless it knows that already. Of what
   kind the recorder is, it learns like a sector (exchange.indicators.matching): not where few are of that kind, and not
   where few are of the kinds that are left unsaid, since saying nothing would tell of these.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping

from exchange.kernel.decision import ALLOWED, Decision, refuse
from exchange.membership.authority import SECTOR_MINIMUM, Authority
from schemas.outcomes import Checks, Figures
from schemas.terms import AccountAction, OutcomeObject

_CHECKS = {
    "other_sources": "look at other sources than the hit",
    "vulnerability_checked": "check whether the customer is vulnerable or a victim",
    "keep_open_checked": "check whether law enforcement wants the account kept open",
}


def decide_assessment(checks: Checks, decision: str) -> Decision:
    """Whether the assessment bears its decision: an exit requires every check."""
    if decision != AccountAction.EXIT:
        return ALLOWED
    against = ALLOWED
    for name, cure in _CHECKS.items():
        if not getattr(checks, name):
            against &= refuse("exit-unchecked", name, cure)
    return against


def decide_outcome(figures: Figures, about: str, decided: str | None, *, is_overtaken: bool = False) -> Decision:
    """Whether the outcome may be recorded. `decided` is the decision of the member's latest assessment of the hit
    concerned, None if there is none; `is_overtaken`: the member received a correction of that hit after it.
    """
    if all(getattr(figures, name) is None for name in Figures.__struct_fields__):
        return refuse("nothing-reported", "usefulness", "report a code or a figure")
    if figures.account_action != AccountAction.EXIT:
        return ALLOWED
    return _decide_exit(about, decided, is_overtaken=is_overtaken)


def _decide_exit(about: str, decided: str | None, *, is_overtaken: bool) -> Decision:
    if about == OutcomeObject.QUERY:
        return refuse("exit-without-hit", "account_action", "an exit is recorded of a hit, by the account's own bank")
    if decided is None:
        return refuse("no-assessment", "account_action", "record your own assessment first: member assessment record")
    if is_overtaken:
        cure = "a correction came after your assessment: member corrections list, then member assessment record anew"
        return refuse("assessment-overtaken", "account_action", cure)
    if decided != AccountAction.EXIT:
        return refuse("assessment-decision", "account_action", f"your latest assessment decided: {decided}")
    return ALLOWED


def shown_kind(
    recorder: str, group_ids: Iterable[str], kinds: Mapping[str, str], authority: Authority, *, is_named: bool
) -> str | None:
    """The recorder's kind, as it may be disclosed to a contributor with rows in those groups; None if it may not.
    `kinds` are those of all members; `is_named`: the contributor knows the recorder.
    """
    if is_named:
        return kinds.get(recorder)
    for group_id in group_ids:
        counted = Counter(kinds[member_id] for member_id in authority.groups.get(group_id, ()))
        unsaid = sum(count for count in counted.values() if count < SECTOR_MINIMUM)
        is_shown = counted[kinds.get(recorder, "")] >= SECTOR_MINIMUM and (unsaid == 0 or unsaid >= SECTOR_MINIMUM)
        if is_shown and authority.is_in(group_id, recorder):
            return kinds[recorder]
    return None
