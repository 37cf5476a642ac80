"""Information requests: what may be asked of the holders of an indicator, or offered to them, who may answer, and when
time is up. In mode `request` the holders tell the sender; in `provide` and `alert`, the offers, the sender tells them.

In order:
1. A request is about a live hit of the sender's own, and the gateway allows what it asks for or offers. An alert offers
   what warns, and no more.
2. It reaches those holders that the gateway lets disclose to the sender, of an offer those it lets receive from the
   sender; nothing says whom it did not reach.
3. A holder learns the sender's kind, the gateway, the mode and the time; the rest when its authoriser takes it up. Who
   takes up an offer agrees to receive it, and to be named to the sender.
4. The authoriser who took a request up answers, once, while both sides still share a live row in an open group. Never
   the requester, nor anyone with the key of the one who asked.
5. What was offered is released by an authoriser of the sender, another person than the one who offered it, to each
   holder that took it up, once. A holder never tells details to an offer; it may refuse it, taken up or not.
6. `full` and `partial` tell fields that were asked for or offered, sealed; nothing else carries details. Who answers
   `no_trace` or refuses stays unnamed.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from exchange.gateways.legal_gateway import DisclosureCase, Signatory, notice_in
from exchange.gateways.rules import Side
from exchange.kernel.decision import ALLOWED, Decision, refuse
from schemas.requests.messages import NewAnswer, RequestTerms
from schemas.terms import (
    OFFERS,
    WARNING_FIELDS,
    RefusalReason,
    RequestField,
    RequestMode,
    RequestOutcome,
    RequestState,
    Urgency,
)

DISCLOSING = frozenset({RequestOutcome.FULL, RequestOutcome.PARTIAL})
"""The outcomes with which a holder names itself and tells details."""


def is_offer(mode: str) -> bool:
    """Whether it is the sender who tells."""
    return mode in OFFERS


def case_of(terms: RequestTerms, asker: Signatory, sender: Side, now: datetime) -> DisclosureCase:
    """What the gateway looks at of a request with these terms: who asks is to receive, who offers to
    disclose.
    """
    offers = is_offer(terms.mode)
    return DisclosureCase(
        gateway=terms.legal_gateway,
        mode=terms.mode,
        purpose=terms.purpose,
        necessity=terms.necessity,
        proportionality=terms.proportionality,
        asker=asker,
        now=now,
        condition=terms.condition,
        notice=notice_in(terms),
        confirmations=frozenset(terms.confirmations),
        recipient=None if offers else sender,
        discloser=sender if offers else None,
    )


def texts_of(terms: RequestTerms) -> dict[str, str]:
    """The free texts of a request, by field."""
    notice = terms.nca_notice
    texts = {name: getattr(terms, name) for name in ("purpose", "necessity", "proportionality")}
    return texts if notice is None else texts | {"nca_notice.reference": notice.reference}


def decide_codes(mode: str, urgency: str, named: Sequence[str]) -> Decision:
    """Whether a request says how, how soon, and which fields, each once; an alert, only what warns."""
    decision = ALLOWED
    if mode not in set(RequestMode):
        decision &= refuse("no-mode", "mode", f"one of {', '.join(RequestMode)}")
    if urgency not in set(Urgency):
        decision &= refuse("no-urgency", "urgency", f"one of {', '.join(Urgency)}")
    if not named:
        decision &= refuse("no-fields", "fields", "say which fields are requested, or offered")
    known = WARNING_FIELDS if mode == RequestMode.ALERT else set(RequestField)
    if len(set(named)) != len(named) or not set(named) <= known:
        listed = ", ".join(field for field in RequestField if field in known)
        decision &= refuse("fields", "fields", f"each field once, of {listed}")
    return decision


def decide_own_rows(has_row: bool, has_others: bool) -> Decision:
    """Whether there is a live hit: a row of one's own in an open group, and others' beside it."""
    if not has_row:
        return refuse("row-ended", "hit_id", "your own row has expired, was withdrawn, or lies in no open group")
    return ALLOWED if has_others else refuse("hit-ended", "hit_id", "nobody else holds it with you at present")


def decide_take_up(state: str, has_overlap: bool) -> Decision:
    """Whether a holder's authoriser may take up its part, which is in that state."""
    return _decide_unended(state) & _decide_overlap(has_overlap)


def decide_answer(
    answer: NewAnswer,
    terms: RequestTerms,
    state: str,
    taken_up_by: str | None,
    authoriser: str,
    *,
    held: Collection[str],
) -> Decision:
    """Whether a holder's part, in that state, may be answered so by that representative of the holder. `held` are the
    holder's submissions whose live rows overlap with the requester's.
    """
    decision = _decide_unended(state)
    if is_offer(terms.mode):
        if answer.outcome != RequestOutcome.REFUSED:
            cure = "the sender of an offer discloses, never a holder: take it up to receive it, or refuse it"
            decision &= refuse("offer", "outcome", cure)
    elif decision.is_allowed and taken_up_by != authoriser:
        decision &= refuse("not-taken-up", "representative", "take the request up first, and answer as the same person")
    if answer.to is not None:
        decision &= refuse("to", "to", "null: an answer goes to whoever asked")
    return _decide_disclosure(decision & _decide_outcome(answer, terms.fields), answer, held)


def decide_provision(answer: NewAnswer, terms: RequestTerms, state: str | None, *, held: Collection[str]) -> Decision:
    """Whether what was offered may be released so to a holder whose part has that state, None for one that has not
    taken it up or is none. `held` are the sender's submissions whose live rows overlap with that holder's.
    """
    if state is None:
        return refuse("not-taken-up", "to", "name an institution that has taken it up: member request show")
    decision = _decide_unended(state) & _decide_outcome(answer, terms.fields)
    if answer.outcome not in DISCLOSING:
        decision &= refuse("offer", "outcome", "release what was offered, or cancel the offer")
    return _decide_disclosure(decision, answer, held)


def decide_cancelling(state: str) -> Decision:
    """Whether the requester may still take its request back."""
    if state in (RequestState.OPEN, RequestState.ANSWERED):
        return ALLOWED
    return refuse(state, "request_id", f"it is {state} already")


def _decide_unended(state: str) -> Decision:
    if state == RequestState.ANSWERED:
        return refuse("second-answer", "request_id", "it is answered already, and once only")
    if state in (RequestState.LAPSED, RequestState.CANCELLED):
        return refuse(state, "request_id", f"it is {state}: nothing more can be said to it")
    return ALLOWED


def _decide_overlap(has_overlap: bool) -> Decision:
    if has_overlap:
        return ALLOWED
    cure = "the two sides no longer hold it in an open group together: nothing can be disclosed"
    return refuse("hit-ended", "request_id", cure)


def _decide_disclosure(decision: Decision, answer: NewAnswer, held: Collection[str]) -> Decision:
    """What was decided of the answer, and if nothing is against it whether the rows are there that it tells of."""
    if not decision.is_allowed:
        return decision
    tells_of_nothing = answer.outcome in DISCLOSING and not held
    return _decide_overlap(has_overlap=False) if tells_of_nothing else _decide_submissions(answer, held)


def _decide_submissions(answer: NewAnswer, held: Collection[str]) -> Decision:
    """What is disclosed comes from rows that live and that the requester shares: a withdrawal then knows whom it
    reaches.
    """
    if (answer.outcome in DISCLOSING) != bool(answer.submissions):
        cure = "full and partial name the submissions that they disclose, no_trace and refused none"
        return refuse("submissions", "submissions", cure)
    if set(answer.submissions) <= set(held):
        return ALLOWED
    return refuse("rows-changed", "submissions", "take it up again, and disclose the submissions that it names then")


def _decide_outcome(answer: NewAnswer, requested: Sequence[str]) -> Decision:
    disclosed, decision = set(answer.fields), ALLOWED
    tells = answer.outcome in DISCLOSING
    if len(disclosed) != len(answer.fields) or disclosed - set(requested):
        decision &= refuse("fields", "fields", "fields that were asked for or offered, each once")
    if tells != bool(disclosed):
        decision &= refuse("fields", "fields", "full and partial disclose fields, no_trace and refused none")
    if tells != (answer.sealed is not None):
        decision &= refuse("sealed", "sealed", "full and partial carry sealed details, no_trace and refused none")
    if (answer.outcome == RequestOutcome.REFUSED) != (answer.refusal_reason is not None):
        reasons = ", ".join(RefusalReason)
        decision &= refuse("refusal-reason", "refusal_reason", f"a refusal, and nothing else, has one of {reasons}")
    return decision
