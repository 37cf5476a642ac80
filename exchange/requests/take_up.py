"""Taking a request up: a holder's authoriser learns who asks, for what and why, so as to decide. Who takes up an offer
agrees to receive what is offered, and to be named to its sender.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from exchange.gateways.legal_gateway import Signatory, decide_people, decide_taking_up, find_rule
from exchange.gateways.request_policy import RequestPolicy
from exchange.gateways.rules import Side
from exchange.indicators.derived import Derived, DerivedKind, note_derived
from exchange.kernel import outbox
from exchange.kernel.decision import ALLOWED, Decision, refuse
from exchange.kernel.session import Database
from exchange.log.acting import Request, act_once, require
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership.store import find_representative, kinds_of_members
from exchange.requests.read import read_request
from exchange.requests.rows import (
    RequestRows,
    find_request_rows,
    marking_of,
    note_asked,
    submissions_of,
    with_grounds,
)
from exchange.requests.rules import case_of, decide_take_up, is_offer
from exchange.requests.store import InformationRequest, RequestPart, find_part, find_request, list_parts, state_at
from exchange.requests.views import Reach, UnknownRequestError, for_holder, request_view, status_of
from schemas.requests.messages import RequestStatus, WholeRequest
from schemas.terms import RequestState


class _TakenUp(RequestStatus, frozen=True):
    """That a request was taken up, by an event."""

    event_id: str


def take_up_request(
    database: Database, request: Request, request_id: str, policy: RequestPolicy
) -> tuple[WholeRequest, int]:
    """Reveal the whole request to the holder; the request as it reads it now. Another authoriser of the same holder
    takes it over from the one before. The requester learns once that a holder took it up, not which, nor how many; the
    sender of an offer learns of each by name. A repetition is answered as a new reading.

    Raises as act_once does; UnknownRequestError also for who holds no part of it.
    """
    made: list[WholeRequest] = []

    def take_up(session: Session) -> _TakenUp:
        info, part, person = find_to_act(session, request, request_id)
        rows = find_request_rows(session, info.member_id, info.token, request.now)
        rule = find_rule(info.terms.legal_gateway, policy.rules)
        held = rows.of_holder(part.member_id)
        people = decide_people(Signatory(info.representative_id, info.public_key), person)
        require(people & decide_take_up(state_at(info, part, request.now), bool(held)))
        require(
            _decide_gateway(session, info, part, rows, policy=policy, now=request.now) & decide_asker(session, info)
        )
        parts = [part] if is_offer(info.terms.mode) else list_parts(session, request_id)
        is_first = all(one.taken_up_at is None for one in parts)
        part.state, part.representative_id = RequestState.TAKEN_UP.value, person.representative_id
        part.taken_up_at = part.taken_up_at or request.now
        if is_offer(info.terms.mode):
            part.remind_at = None  # it is for the sender to tell now
        marking = marking_of(session, [*rows.own_beside(part.member_id), *held], rule)
        part.marking_json = msgspec.json.encode(marking).decode()
        session.flush()
        event_id = _record(session, info, part, submissions_of(held), request, tells_requester=is_first)
        note_asked(session, info, rows, holders=[part.member_id], event_id=event_id, now=request.now)
        shown = for_holder(info, part, kinds_of_members(session), submissions_of(held), Reach())
        made[:] = [msgspec.structs.replace(shown, event_id=event_id)]
        return _TakenUp(**msgspec.structs.asdict(status_of(info, part)), event_id=event_id)

    asked = {"asked": "request_take_up", "request_id": request_id}
    kept, status = act_once(database, request, asked, take_up, answer=_TakenUp)
    made_now = next((one for one in made if one.event_id == kept.event_id), None)
    return made_now or read_request(database, request.actor, request_id, policy, request.now), status


def find_to_act(
    session: Session, request: Request, request_id: str
) -> tuple[InformationRequest, RequestPart, Signatory]:
    """The request, locked, the part of the actor's member, and the actor. Raises UnknownRequestError, and
    RefusalError for the requester itself, who knows that the request is there.
    """
    info = find_request(session, request_id, lock=True)
    if info is not None and info.member_id == request.actor.member_id:
        require(refuse("own-request", "request_id", "a holder takes it up and answers it, never the requester"))
    part = None if info is None else find_part(session, request_id, request.actor.member_id)
    if info is None or part is None:
        raise UnknownRequestError
    return info, part, find_person(session, request)


def decide_asker(session: Session, info: InformationRequest) -> Decision:
    """What was asked by a person who cannot act any more, or for a member that cannot, goes no further."""
    person = find_representative(session, info.representative_id)
    if person is not None and person.is_active:
        return ALLOWED
    return refuse("asker-inactive", "request_id", "who made it can no longer act for its member: it has to ask anew")


def _decide_gateway(
    session: Session,
    info: InformationRequest,
    part: RequestPart,
    rows: RequestRows,
    *,
    policy: RequestPolicy,
    now: datetime,
) -> Decision:
    kinds, offers = kinds_of_members(session), is_offer(info.terms.mode)
    sender, holder = (Side(one, kinds[one]) for one in (info.member_id, part.member_id))
    asked = case_of(info.terms, Signatory(info.representative_id, info.public_key), sender, now)
    concerned = rows.own_beside(part.member_id) if offers else rows.of_holder(part.member_id)
    sides = (sender, holder) if offers else (holder, sender)
    return decide_taking_up(with_grounds(session, asked, concerned), *sides, policy.rules)


def find_person(session: Session, request: Request) -> Signatory:
    """The actor, who is there, or authentication had refused it."""
    person = find_representative(session, request.actor.representative_id)
    if person is None:
        raise LookupError(request.actor.representative_id)
    return Signatory(person.representative_id, person.public_key)


def _record(
    session: Session,
    info: InformationRequest,
    part: RequestPart,
    held: list[str],
    request: Request,
    *,
    tells_requester: bool,
) -> str:
    """Record it; the id of the event."""
    actor = request.actor
    views = [View(part.member_id, {**request_view(info), "representative_id": actor.representative_id})]
    is_named = is_offer(info.terms.mode)
    if tells_requester:
        named = {"institution": part.member_id} if is_named else {}
        views.append(View(info.member_id, {"request_id": info.request_id, **named}))
    event = record(session, "request_taken_up", views, request.now, {"signature": actor.signature})
    if is_named:
        # The sender of the offer now knows of the holder's rows.
        note_derived(
            session,
            (
                Derived(
                    token=info.token,
                    recipient_member_id=info.member_id,
                    kind=DerivedKind.REQUEST,
                    object_id=info.request_id,
                    source_member_id=part.member_id,
                    submission_id=submission_id,
                    event_id=event.event_id,
                    disclosed_at=request.now,
                )
                for submission_id in held
            ),
        )
    if tells_requester:
        outbox.send(session, "request_taken_up", event.event_id, [info.member_id], request.now)
    return event.event_id
