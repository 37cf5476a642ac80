"""Making an information request, or an offer: it is judged, kept, and brought to those who hold what the hit is about,
in one transaction.

In order:
1. The hit is the requester's own and was shown to it; the request's id is new.
2. The gateway, the fields, the texts and the rows behind the hit are judged (exchange.gateways); every reason is named.
3. The holders are found among live rows in the groups that the requester shares with them now. Those that the gateway
   does not let disclose to the requester, or receive what it offers, are left out; that they were is disclosed to
   nobody.
4. One event: the requester's view names no holder, a holder's view only the requester's kind, the gateway and the time.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from exchange.gateways.legal_gateway import Signatory, decide_asking, is_open_to
from exchange.gateways.request_policy import RequestPolicy
from exchange.gateways.rules import Side
from exchange.gateways.safeguards import decide_open_group, decide_texts
from exchange.indicators.hits import find_shown_hit
from exchange.kernel import outbox
from exchange.kernel.decision import Decision, refuse
from exchange.kernel.session import Database
from exchange.log.acting import ConflictError, Request, UnknownObjectError, act_once, require
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership.store import find_member, find_representative, kinds_of_members
from exchange.requests.rows import RequestRows, find_request_rows, note_asked, with_grounds
from exchange.requests.rules import (
    case_of,
    decide_codes,
    decide_own_rows,
    is_offer,
    texts_of,
)
from exchange.requests.store import InformationRequest, RequestPart, find_request
from exchange.requests.views import incoming_view, request_view, status_of
from schemas.requests.messages import NewRequest, RequestStatus, RequestTerms
from schemas.terms import Direction, RequestState
from schemas.values.canonical import canonical_json
from schemas.values.encoding import to_base64
from schemas.values.message import narrowed


class UnknownHitError(UnknownObjectError):
    """There is no hit of that id that the asker was shown."""

    decision = refuse("unknown-hit", "hit_id", "there is no such hit")


def create_request(
    database: Database, request: Request, new: NewRequest, policy: RequestPolicy
) -> tuple[RequestStatus, int]:
    """Keep a request and bring it to the holders; how it stands. Raises as act_once does."""
    terms = narrowed(new, RequestTerms)

    def create(session: Session) -> RequestStatus:
        hit = find_shown_hit(session, request.actor.member_id, terms.hit_id)
        if hit is None:
            raise UnknownHitError
        if find_request(session, terms.request_id) is not None:
            raise ConflictError(refuse("id-in-use", "request_id", "this id is in use: take a new one"))
        rows = find_request_rows(session, request.actor.member_id, hit.token, request.now)
        asker = _find_asker(session, request)
        require(_decide(session, terms, rows, asker, policy=policy, now=request.now))
        due_at = policy.due_at(terms, request.now)
        info = InformationRequest(
            request_id=terms.request_id,
            member_id=asker.member_id,
            representative_id=asker.person.representative_id,
            public_key=asker.person.public_key,
            encryption_key=asker.encryption_key,
            hit_id=terms.hit_id,
            token=hit.token,
            terms_json=canonical_json(msgspec.to_builtins(terms)).decode(),
            proof=new.proof,
            state=RequestState.OPEN.value,
            created_at=request.now,
            due_at=due_at,
            lapses_at=policy.lapses_at(terms, due_at),
        )
        session.add(info)
        session.flush()
        _bring(session, info, rows, _reachable(session, rows, terms, asker, policy), asker.kind, request=request)
        return status_of(info)

    asked = {"asked": "request", "request_id": terms.request_id, "hit_id": terms.hit_id}
    return act_once(database, request, asked, create, 201, answer=RequestStatus)


@dataclass(frozen=True, slots=True)
class _Asker:
    """Who asks: the member as it is enrolled now, and the person."""

    member_id: str
    kind: str
    encryption_key: bytes
    person: Signatory

    @property
    def side(self) -> Side:
        """The member as a side of a disclosure."""
        return Side(self.member_id, self.kind)


def _find_asker(session: Session, request: Request) -> _Asker:
    """Both are there, or authentication had refused them."""
    member = find_member(session, request.actor.member_id)
    person = find_representative(session, request.actor.representative_id)
    if member is None or person is None:
        raise LookupError(request.actor.representative_id)
    known = Signatory(person.representative_id, person.public_key)
    return _Asker(member.member_id, member.kind, member.encryption_key, known)


def _decide(
    session: Session,
    terms: RequestTerms,
    rows: RequestRows,
    asker: _Asker,
    *,
    policy: RequestPolicy,
    now: datetime,
) -> Decision:
    case = with_grounds(session, case_of(terms, asker.person, asker.side, now), rows.live)
    return (
        decide_asking(case, policy.rules)
        & decide_codes(terms.mode, terms.urgency, terms.fields)
        & decide_texts(texts_of(terms))
        & _decide_rows(rows, asker.member_id)
    )


def _decide_rows(rows: RequestRows, member_id: str) -> Decision:
    """A cell that is closed is named as such; what has ended otherwise looks the same whatever ended it."""
    if not rows.live:
        return decide_own_rows(has_row=False, has_others=False)
    groups = {row.holding.group_id for row in rows.live}
    decision = decide_open_group(groups, member_id, rows.authority)
    return decision & decide_own_rows(has_row=True, has_others=bool(rows.others)) if decision.is_allowed else decision


def _reachable(
    session: Session, rows: RequestRows, terms: RequestTerms, asker: _Asker, policy: RequestPolicy
) -> list[str]:
    """The holders that may disclose to whoever asks, or receive from whoever offers, by the gateway."""
    kinds, gateway = kinds_of_members(session), terms.legal_gateway

    def is_reachable(holder: Side) -> bool:
        discloser, recipient = (asker.side, holder) if is_offer(terms.mode) else (holder, asker.side)
        return is_open_to(gateway, discloser, recipient, policy.rules)

    return [one for one in sorted(rows.holders) if is_reachable(Side(one, kinds[one]))]


def _bring(
    session: Session, info: InformationRequest, rows: RequestRows, holders: list[str], kind: str, *, request: Request
) -> None:
    """Make each holder's part, record the request for all of them, and send them a notice."""
    now, actor = request.now, request.actor
    half_way = now + (info.due_at - now) / 2
    parts = [
        RequestPart(request_id=info.request_id, member_id=holder, state=RequestState.OPEN.value, remind_at=half_way)
        for holder in holders
    ]
    session.add_all(parts)
    session.flush()
    own = {
        "direction": Direction.OUTGOING.value,
        **request_view(info),
        "hit_id": info.hit_id,
        "token": to_base64(info.token),
        "representative_id": actor.representative_id,
    }
    shown = [View(part.member_id, incoming_view(info, part, {info.member_id: kind})) for part in parts]
    views = [View(actor.member_id, own), *shown]
    core = {"signature": actor.signature, "request_sha256": to_base64(request.sha256)}
    event = record(session, "request_made", views, now, core)
    note_asked(session, info, rows, holders=holders, event_id=event.event_id, now=now)
    outbox.send(session, "request_received", event.event_id, holders, now)
