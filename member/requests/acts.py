"""What is done about requests, in the order that keeps anybody from telling two things.

1. What was begun before and may not have arrived is sent to its end first; what is given now is not sent then.
2. A request to us is taken up before it is answered, and whoever answers agrees to what it then shows.
3. An offer of ours is released to those that took it up, each by itself.
4. What another person prepared is sent as it stands, once it was seen.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from member.errors import MemberError
from member.indicators.hit_progress import HitProgress
from member.inputs import InputError
from member.next_steps import Act, Next
from member.requests.answering import (
    AgreedDisclosure,
    TakenUp,
    disclose,
    draft_disclosure,
    draft_refusal,
    finish_begun,
    look_at,
    look_to_prepare,
    release,
    send_refusal,
    what_to_release,
)
from member.requests.asking import RequestContext, ask
from member.requests.client import ReadRequest, RequestClient
from member.requests.prepared import check_unchanged, find_prepared, prepare, send_as_prepared, send_prepared
from member.requests.views import Released
from member.vault.requests import PreparedAnswer, Reply
from member.workplace.workplace import Workplace
from schemas.requests.messages import RequestDraft, RequestStatus
from schemas.terms import OFFERS, Direction, RequestOutcome, RequestState

TAKEN_UP = "the request is taken up now, and waits for an answer or a refusal"
Agree = Callable[[TakenUp], None]
"""Shows a request that was just taken up; raises unless the person agrees: then nothing is sent."""
AgreePrepared = Callable[[Sequence[PreparedAnswer]], None]
"""Shows what was prepared; raises unless the person agrees."""
_Answering = Callable[[RequestContext, TakenUp], RequestStatus]


@dataclass(frozen=True)
class Answered:
    """How a request stands that was answered. `begun` is an answer of before that has arrived now, in the place of what
    was given; else `taken` is what was answered.
    """

    standing: RequestStatus
    taken: TakenUp | None = None
    begun: Reply | None = None
    is_refusal: bool = False


@dataclass(frozen=True)
class ReleasedOffer:
    """An offer of ours that was released; `begun` received what was begun before, and not what was given now."""

    released: Released
    begun: Sequence[str] = ()


def agree_unseen(_taken: TakenUp) -> None:
    """Giving the order is agreeing."""


def is_own_offer(request: ReadRequest) -> bool:
    """Whether it is an offer of ours, which is released rather than answered."""
    return request.direction == Direction.OUTGOING and request.mode in OFFERS


def ask_about(workplace: Workplace, draft: RequestDraft) -> RequestStatus:
    """Ask the institutions behind a hit, or offer them something; the hit is asked about from now on."""
    standing = ask(RequestContext.at(workplace), draft)
    HitProgress(workplace.vault).asked(draft.hit_id, standing.request_id)
    workplace.number("request", [standing.request_id])
    return standing


def cancel(workplace: Workplace, request_id: str) -> RequestStatus:
    """Take back a request of our own."""
    workplace.check_fresh()
    return RequestClient.at(workplace).cancel(request_id)


def disclose_fields(
    context: RequestContext,
    request_id: str,
    agreed: AgreedDisclosure,
    to: str | None = None,
    agree: Agree = agree_unseen,
) -> Answered | ReleasedOffer:
    """Answer a request to us fully or partly, or release an offer of ours (`to` one institution alone)."""
    read = context.read(request_id)
    if is_own_offer(read):
        return _release(context, read, agreed, to)
    if to is not None:
        raise InputError("to", "it goes with an offer of our own", "an answer goes to whoever asked")
    return _give(context, request_id, lambda at, taken: disclose(at, taken, agreed), agree, agreed=agreed)


def say_no_trace(context: RequestContext, request_id: str, agree: Agree = agree_unseen) -> Answered:
    """Say that nothing is held."""
    return _give(context, request_id, lambda at, taken: send_refusal(at, taken, None), agree)


def refuse(context: RequestContext, request_id: str, reason: str | None, agree: Agree = agree_unseen) -> Answered:
    """Refuse a request to us; an offer may be refused unseen."""
    return _give(context, request_id, lambda at, taken: send_refusal(at, taken, reason), agree, refusing=True)


def prepare_disclosure(
    context: RequestContext, request_id: str, agreed: AgreedDisclosure, to: str | None = None
) -> list[PreparedAnswer]:
    """Prepare an answer, or the release of an offer of ours to each that waits for it, for another person to send."""
    read = context.read(request_id)
    if is_own_offer(read):
        return _prepare_release(context, read, agreed, to)
    taken = look_to_prepare(context, request_id, refusing=False)
    return [prepare(context, request_id, *draft_disclosure(context, taken, agreed))]


def prepare_refusal(context: RequestContext, request_id: str, reason: str | None) -> list[PreparedAnswer]:
    """Prepare a refusal, or without a reason that nothing is held, for another person to send."""
    taken = look_to_prepare(context, request_id, refusing=reason is not None)
    return [prepare(context, request_id, *draft_refusal(taken, reason))]


def give_prepared(
    context: RequestContext, request_id: str, agree: AgreePrepared, *, to: str | None = None, refusing: bool = False
) -> Answered | ReleasedOffer:
    """Send what another person prepared, once it was seen. MemberError where a refusal was to be sent and another
    answer was prepared.
    """
    read = context.read(request_id)
    if is_own_offer(read):
        return _release_prepared(context, read, to, agree)
    if to is not None:
        raise InputError("to", "an answer goes to whoever asked", "leave it out")
    prepared = find_prepared(context, request_id)
    is_refusal = prepared.outcome == RequestOutcome.REFUSED
    if refusing and not is_refusal:
        then = Next(Act.SEND_PREPARED, {"request_id": request_id})
        raise MemberError("no refusal was prepared", "send what was", slug="not_prepared", then=then)
    agree([prepared])

    def send(at: RequestContext, taken: TakenUp) -> RequestStatus:
        return send_prepared(at, taken, prepared)

    return _give(context, request_id, send, agree_unseen, refusing=is_refusal)


def _give(
    context: RequestContext,
    request_id: str,
    answering: _Answering,
    agree: Agree,
    *,
    refusing: bool = False,
    agreed: AgreedDisclosure | None = None,
) -> Answered:
    begun = finish_begun(context, request_id)
    if begun is not None:
        return Answered(begun[1], begun=begun[0])
    taken = look_at(context, request_id, refusing=refusing, agreed=agreed)
    if taken.is_new:
        agree(taken)
    try:
        standing = answering(context, taken)
    except MemberError as error:
        if taken.is_new:
            error.hint = f"{error.hint}; {TAKEN_UP}" if error.hint else TAKEN_UP
        raise
    return Answered(standing, taken, is_refusal=refusing)


def _prepare_release(
    context: RequestContext, offer: ReadRequest, agreed: AgreedDisclosure, to: str | None
) -> list[PreparedAnswer]:
    waiting = [one for one in offer.waiting if to in (None, one.institution)]
    to_prepare = what_to_release(context, offer, waiting, agreed, preparing=True)
    return [prepare(context, offer.request_id, *each) for each in to_prepare]


def _release(context: RequestContext, offer: ReadRequest, agreed: AgreedDisclosure, to: str | None) -> ReleasedOffer:
    """Release an offer of ours, once what was begun before has been sent to its end."""
    stated = [one.member_id for one in context.keyring.members() if to in (None, one.member_id)]
    begun = [one for one in stated if finish_begun(context, offer.request_id, one)]
    waiting = [one.institution for one in offer.waiting if to in (None, one.institution)]
    recipients = list(dict.fromkeys([*begun, *waiting]))
    left = [one for one in offer.waiting if one.institution in recipients and one.institution not in begun]
    if left or not begun:
        release(context, offer, left, agreed)
    return ReleasedOffer(_released(offer, recipients), begun)


def _release_prepared(
    context: RequestContext, offer: ReadRequest, to: str | None, agree: AgreePrepared
) -> ReleasedOffer:
    """Release what another person prepared, to each holder that it was prepared for."""
    waiting = [one for one in offer.waiting if to in (None, one.institution)]
    prepared = [find_prepared(context, offer.request_id, one.institution) for one in waiting]
    if not prepared:
        raise MemberError(
            "nobody waits for it", slug="not_taken_up", then=Next(Act.SHOW_REQUEST, {"request_id": offer.request_id})
        )
    agree(prepared)
    for one, each in zip(waiting, prepared, strict=True):
        agreed = AgreedDisclosure(each.fields, confirmations=each.confirmations)
        for recipient, today in what_to_release(context, offer, [one], agreed):
            check_unchanged(each, today)
            send_as_prepared(context, each, recipient)
    return ReleasedOffer(_released(offer, [one.institution for one in waiting]))


def _released(offer: ReadRequest, recipients: Sequence[str]) -> Released:
    return Released(offer.request_id, RequestState.ANSWERED.value, offer.due_at, recipients)
