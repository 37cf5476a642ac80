"""Answering a request: once, by the authoriser of the holder who took it up. What is sealed passes through unread."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from exchange.domain.decision import ALLOWED, Decision, refuse
from exchange.domain.information_request import DISCLOSING, Answer, RequestPolicy, case_of, decide_answer
from exchange.domain.legal_gateway import Person, decide_disclosure, decide_people
from exchange.log.entries import View
from exchange.services.acting import Request, act_once, require
from exchange.services.events import record
from exchange.services.request_rows import (
    RequestRows,
    find_request_rows,
    marking_of,
    submissions_of,
    with_grounds,
)
from exchange.services.request_views import answer_view, standing_of
from exchange.services.take_up_request import find_to_act
from exchange.store import outbox
from exchange.store.derived import Derived, DerivedKind, note_derived
from exchange.store.membership import kinds_of_members
from exchange.store.requests import ENDED, InformationRequest, RequestPart, list_parts
from exchange.store.session import Database
from keys.ed25519 import SignatureError, verify_signature
from schemas.requests import answer_to_sign
from schemas.terms import RequestState


def answer_request(
    database: Database, request: Request, request_id: str, answer: Answer, policy: RequestPolicy
) -> tuple[dict[str, Any], int]:
    """Keep the answer and tell the requester; how the holder's part stands. Raises as act_once does;
    UnknownRequestError also for who holds no part of it.
    """

    def give(session: Session) -> dict[str, Any]:
        info, part, person = find_to_act(session, request, request_id)
        rows = find_request_rows(session, info.member_id, info.token, request.now)
        held = submissions_of(rows.of_holder(part.member_id))
        wanted, by = info.terms["fields"], request.actor.representative_id
        require(
            decide_answer(answer, wanted, part.state, part.representative_id, by, held=held)
            & _decide_signature(answer, info, part, person)
            & _decide_gateway(session, answer, info, part, person=person, rows=rows, policy=policy, now=request.now)
        )
        _keep(session, answer, info, part, rows=rows, now=request.now)
        _tell(session, info, part, answer, request)
        return standing_of(info, part)

    return act_once(database, request, {"asked": "request_answer", "request_id": request_id}, give)


def _decide_signature(answer: Answer, info: InformationRequest, part: RequestPart, person: Person) -> Decision:
    """The requester's client checks the signature against the registrars' statements; what would fail there is refused
    here, while the holder can still mend it.
    """
    signed = answer_to_sign(
        request_id=info.request_id,
        holder=part.member_id,
        requester=info.member_id,
        outcome=answer.outcome,
        told=answer.told,
        refusal_reason=answer.refusal_reason,
        sealed=answer.sealed,
    )
    try:
        verify_signature(person.public_key, signed, answer.signature)
    except SignatureError:
        return refuse("signature", "signature", "sign the answer with the key that signs this request")
    return ALLOWED


def _decide_gateway(
    session: Session,
    answer: Answer,
    info: InformationRequest,
    part: RequestPart,
    *,
    person: Person,
    rows: RequestRows,
    policy: RequestPolicy,
    now: datetime,
) -> Decision:
    """Details are released as the gateway's rules say at this moment; to tell nothing takes two people all the same."""
    asker = Person(info.representative_id, info.public_key)
    if answer.outcome not in DISCLOSING:
        return decide_people(asker, person)
    kinds = kinds_of_members(session)
    case = with_grounds(session, case_of(info.terms, asker, kinds[info.member_id], now), rows.of_holder(part.member_id))
    return decide_disclosure(replace(case, discloser_kind=kinds[part.member_id], authoriser=person), policy.rules)


def _keep(
    session: Session, answer: Answer, info: InformationRequest, part: RequestPart, *, rows: RequestRows, now: datetime
) -> None:
    part.state, part.remind_at, part.answered_at = RequestState.ANSWERED.value, None, now
    part.outcome, part.fields_json = answer.outcome, json.dumps(answer.told)
    part.refusal_reason, part.signature = answer.refusal_reason, answer.signature
    part.submissions_json = json.dumps(sorted(set(answer.submissions)))
    if answer.sealed is not None:
        part.sealed, part.sealed_sha256 = answer.sealed, hashlib.sha256(answer.sealed).digest()
        part.marking_json = json.dumps(marking_of(session, [*rows.own, *rows.of_holder(part.member_id)]))
    if info.state == RequestState.OPEN:
        info.state = RequestState.ANSWERED.value
    session.flush()
    if all(one.state in ENDED for one in list_parts(session, info.request_id)):
        info.closed_at = now
    session.flush()


def _tell(session: Session, info: InformationRequest, part: RequestPart, answer: Answer, request: Request) -> None:
    """Record the answer for both sides, note which rows it derives from, and send the requester a notice: the same one
    whatever the answer.
    """
    actor, now = request.actor, request.now
    own = {**answer_view(part), "requester": info.member_id, "representative_id": actor.representative_id}
    views = [View(info.member_id, answer_view(part)), View(part.member_id, own)]
    event = record(session, "request_answered", views, now, {"signature": actor.signature})
    note_derived(
        session,
        (
            Derived(
                token=info.token,
                recipient_member_id=info.member_id,
                kind=DerivedKind.RESPONSE,
                object_id=info.request_id,
                source_member_id=part.member_id,
                submission_id=submission_id,
                event_id=event.event_id,
                disclosed_at=now,
            )
            for submission_id in answer.submissions
        ),
    )
    outbox.send(session, "request_answered", event.event_id, [info.member_id], now)
