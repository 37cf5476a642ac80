"""Answering a request: once, by the authoriser of the holder who took it up; and releasing what was offered, once to
each holder that took the offer up, by an authoriser of its sender. What is sealed passes through unread.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from exchange.gateways.four_eyes import Preparer, decide_age, decide_preparer, decide_unprepared
from exchange.gateways.legal_gateway import Signatory, decide_disclosure, decide_people, find_rule
from exchange.gateways.request_policy import RequestPolicy
from exchange.gateways.rules import Side
from exchange.gateways.safeguards import decide_marking_given, decide_release
from exchange.indicators.derived import Derived, DerivedKind, note_derived
from exchange.indicators.store import StoredRow
from exchange.kernel import outbox
from exchange.kernel.decision import ALLOWED, Decision, RefusalError, refuse
from exchange.kernel.session import Database
from exchange.log.acting import Request, act_once, require
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership.store import find_member, find_representative, kinds_of_members
from exchange.requests.rows import RequestRows, find_request_rows, marking_of, submissions_of, with_grounds
from exchange.requests.rules import (
    DISCLOSING,
    case_of,
    decide_answer,
    decide_provision,
    is_offer,
)
from exchange.requests.store import (
    ENDED,
    InformationRequest,
    RequestPart,
    find_part,
    find_request,
    list_parts,
    state_at,
)
from exchange.requests.take_up import decide_asker, find_person, find_to_act
from exchange.requests.views import answer_view, discloser_of, recipient_of, status_of
from keys.signatures.ed25519 import SignatureError, verify_signature
from schemas.marking import RELEASE_CODES, Marking
from schemas.requests.messages import NewAnswer, Prepared, RequestStatus, answer_to_sign, prepared_to_sign
from schemas.terms import FourEyes, RequestState
from schemas.values.encoding import from_rfc3339


@dataclass(frozen=True, slots=True)
class _AnsweringParty:
    """Whose turn it is to say something: a holder, of its own part, or (`is_sender`) the sender of an offer, of the
    part of a holder that took it up.
    """

    info: InformationRequest
    part: RequestPart
    person: Signatory
    rows: RequestRows
    is_sender: bool

    @property
    def discloser(self) -> str:
        """The member whose details these are."""
        return self.info.member_id if self.is_sender else self.part.member_id

    @property
    def recipient(self) -> str | None:
        """Whom the answer is for; None for one that does not know whose offer it refuses."""
        if self.is_sender:
            return self.part.member_id
        is_known = not is_offer(self.info.terms.mode) or self.part.taken_up_at is not None
        return self.info.member_id if is_known else None

    @property
    def disclosed_rows(self) -> list[StoredRow]:
        """The rows of the discloser that live and overlap with the other side's."""
        holder = self.part.member_id
        return self.rows.own_beside(holder) if self.is_sender else self.rows.of_holder(holder)


def answer_request(
    database: Database, request: Request, request_id: str, answer: NewAnswer, policy: RequestPolicy
) -> tuple[RequestStatus, int]:
    """Keep the answer and tell whom it is for; how the part stands. Raises as act_once does; UnknownRequestError also
    for who holds no part of it.
    """

    def give(session: Session) -> RequestStatus:
        turn = _find_turn(session, request, request_id, answer)
        marking = _marking(session, turn, policy) if answer.outcome in DISCLOSING and turn.disclosed_rows else None
        require(
            _decide_step(answer, turn, request.now)
            & _decide_signature(answer, turn)
            & _decide_prepared(session, answer, turn, request.now)
            & _decide_gateway(session, answer, turn, policy, request.now)
            & (ALLOWED if marking is None else _decide_marking(session, answer, turn, marking))
        )
        _keep(session, answer, turn, request.now)
        _disclose(session, answer, turn, request)
        return status_of(turn.info, turn.part)

    return act_once(
        database, request, {"asked": "request_answer", "request_id": request_id}, give, answer=RequestStatus
    )


def _find_turn(session: Session, request: Request, request_id: str, answer: NewAnswer) -> _AnsweringParty:
    """Raises UnknownRequestError, and RefusalError for a requester, and for a sender that names no holder that took
    its offer up: whether that one is a holder is not disclosed.
    """
    info = find_request(session, request_id, lock=True)
    if info is None or info.member_id != request.actor.member_id or not is_offer(info.terms.mode):
        info, part, person = find_to_act(session, request, request_id)
        rows = find_request_rows(session, info.member_id, info.token, request.now)
        return _AnsweringParty(info, part, person, rows, is_sender=False)
    found = None if answer.to is None else find_part(session, request_id, answer.to)
    rows = find_request_rows(session, info.member_id, info.token, request.now)
    if found is None or found.taken_up_at is None:
        raise RefusalError(decide_provision(answer, info.terms, None, held=()))
    return _AnsweringParty(info, found, find_person(session, request), rows, is_sender=True)


def _decide_step(answer: NewAnswer, turn: _AnsweringParty, now: datetime) -> Decision:
    terms, part, held = turn.info.terms, turn.part, submissions_of(turn.disclosed_rows)
    if turn.is_sender:
        return decide_provision(answer, terms, state_at(turn.info, part, now), held=held)
    by = turn.person.representative_id
    return decide_answer(answer, terms, state_at(turn.info, part, now), part.representative_id, by, held=held)


def _decide_signature(answer: NewAnswer, turn: _AnsweringParty) -> Decision:
    """The recipient's client checks the signature against the registrars' statements; what would fail there is
    refused here, while it can still be mended.
    """
    signed = answer_to_sign(
        request_id=turn.info.request_id,
        holder=turn.discloser,
        requester=turn.recipient,
        outcome=answer.outcome,
        fields=answer.fields,
        refusal_reason=answer.refusal_reason,
        sealed=answer.sealed,
        marking=msgspec.to_builtins(answer.marking),
        prepared=msgspec.to_builtins(answer.prepared),
    )
    try:
        verify_signature(turn.person.public_key, signed, answer.signature)
    except SignatureError:
        return refuse("signature", "signature", "sign the answer with the key that signs this request")
    return ALLOWED


def _decide_prepared(session: Session, answer: NewAnswer, turn: _AnsweringParty, now: datetime) -> Decision:
    """Whether two people stand for it, where somebody prepared it or the member's statement asks for that."""
    member = find_member(session, turn.discloser)
    given = answer.prepared
    if given is None:
        return decide_unprepared(is_wanted=member is not None and FourEyes.ANSWERS in member.four_eyes)
    found = find_representative(session, given.representative_id)
    preparer = None
    if found is not None and found.member_id == turn.discloser:
        preparer = Preparer(Signatory(found.representative_id, found.public_key), found.roles, found.is_active)
    decision = decide_preparer(preparer, turn.person) & decide_age(from_rfc3339(given.prepared_at), now)
    if (given.details_commitment is None) != (answer.sealed is None):
        cure = "full and partial have one, no_trace and refused have none"
        decision &= refuse("commitment", "prepared.details_commitment", cure)
    return decision if preparer is None else decision & _decide_preparers_signature(answer, given, preparer, turn)


def _decide_preparers_signature(
    answer: NewAnswer, given: Prepared, preparer: Preparer, turn: _AnsweringParty
) -> Decision:
    signed = prepared_to_sign(
        request_id=turn.info.request_id,
        holder=turn.discloser,
        requester=turn.recipient,
        outcome=answer.outcome,
        fields=answer.fields,
        refusal_reason=answer.refusal_reason,
        details_commitment=given.details_commitment,
        marking=msgspec.to_builtins(answer.marking),
        confirmations=set(answer.confirmations),
        submissions=answer.submissions,
        prepared_at=given.prepared_at,
    )
    try:
        verify_signature(preparer.person.public_key, signed, given.signature)
    except SignatureError:
        return refuse("preparers-signature", "prepared.signature", "send what was prepared, for this very request")
    return ALLOWED


def _decide_gateway(
    session: Session, answer: NewAnswer, turn: _AnsweringParty, policy: RequestPolicy, now: datetime
) -> Decision:
    """Details are released as the gateway's rules say at this moment; to tell nothing takes two people all the same.
    What a sender confirmed with its offer holds.
    """
    info, kinds = turn.info, kinds_of_members(session)
    asker = Signatory(info.representative_id, info.public_key)
    if answer.outcome not in DISCLOSING:
        return decide_people(asker, turn.person)
    standing = decide_asker(session, info)
    sender, holder = (Side(one, kinds[one]) for one in (info.member_id, turn.part.member_id))
    told_of = [row for row in turn.disclosed_rows if row.submission_id in answer.submissions]
    case = with_grounds(session, case_of(info.terms, asker, sender, now), told_of)
    case = replace(
        case,
        confirmations=(case.confirmations if turn.is_sender else frozenset())
        | set(answer.confirmations) - RELEASE_CODES,
        discloser=sender if turn.is_sender else holder,
        recipient=holder if turn.is_sender else sender,
        authoriser=turn.person,
    )
    return standing & decide_disclosure(case, policy.rules)


def _marking(session: Session, turn: _AnsweringParty, policy: RequestPolicy) -> Marking:
    """How what is disclosed is to be handled at least. A holder sees the requester's marking too, a sender not the
    holder's: that would tell of its row.
    """
    rows = turn.disclosed_rows if turn.is_sender else [*turn.rows.own_beside(turn.part.member_id), *turn.disclosed_rows]
    return marking_of(session, rows, find_rule(turn.info.terms.legal_gateway, policy.rules))


def _decide_marking(session: Session, answer: NewAnswer, turn: _AnsweringParty, least: Marking) -> Decision:
    own = marking_of(session, turn.disclosed_rows, None)
    return decide_marking_given(answer.marking, least) & decide_release(own, answer.confirmations)


def _keep(session: Session, answer: NewAnswer, turn: _AnsweringParty, now: datetime) -> None:
    info, part = turn.info, turn.part
    part.state, part.remind_at, part.answered_at = RequestState.ANSWERED.value, None, now
    part.outcome, part.fields_json = answer.outcome, json.dumps(answer.fields)
    part.refusal_reason, part.signature = answer.refusal_reason, answer.signature
    part.submissions_json = json.dumps(sorted(set(answer.submissions)))
    part.answered_by = turn.person.representative_id
    part.prepared_json = None if answer.prepared is None else msgspec.json.encode(answer.prepared).decode()
    if answer.sealed is not None:
        part.sealed, part.sealed_sha256 = answer.sealed, hashlib.sha256(answer.sealed).digest()
        part.marking_json = msgspec.json.encode(answer.marking).decode()
    if info.state == RequestState.OPEN:
        info.state = RequestState.ANSWERED.value
    session.flush()
    if all(one.state in ENDED for one in list_parts(session, info.request_id)):
        info.closed_at = now
    session.flush()


def _disclose(session: Session, answer: NewAnswer, turn: _AnsweringParty, request: Request) -> None:
    """Record the answer for both sides, note which rows it derives from, and send whom it is for a notice: the same one
    whatever the answer.
    """
    info, part, now = turn.info, turn.part, request.now
    shown = answer_view(info, part)
    own = {
        **shown,
        # Who answers a request of another's reads whose it was; a release says that as its recipient.
        **({} if turn.is_sender else {"requester": turn.recipient}),
        "representative_id": request.actor.representative_id,
        "confirmations": sorted(set(answer.confirmations)),
        "prepared": msgspec.to_builtins(answer.prepared),
    }
    recipient = part.member_id if turn.is_sender else info.member_id
    views = [View(recipient, shown), View(request.actor.member_id, own)]
    event = record(session, "request_answered", views, now, {"signature": request.actor.signature})
    note_derived(
        session,
        (
            Derived(
                token=info.token,
                recipient_member_id=recipient_of(info, part),
                kind=DerivedKind.RESPONSE,
                object_id=info.request_id,
                source_member_id=discloser_of(info, part),
                submission_id=submission_id,
                event_id=event.event_id,
                disclosed_at=now,
            )
            for submission_id in answer.submissions
        ),
    )
    outbox.send(session, "request_answered", event.event_id, [recipient], now)
