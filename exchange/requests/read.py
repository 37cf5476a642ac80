"""Reading information requests: every page and every request read is an entry in the reader's log."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from exchange.gateways.legal_gateway import find_rule
from exchange.gateways.request_policy import RequestPolicy
from exchange.indicators.withdrawals import find_taken_back
from exchange.kernel.actor import Actor
from exchange.kernel.session import Database
from exchange.log.acting import RecordedRefusals
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership.store import kinds_of_members
from exchange.requests.rows import RequestRows, find_request_rows, marking_of, submissions_of
from exchange.requests.store import (
    InformationRequest,
    RequestPart,
    find_part,
    find_request,
    list_parts,
    page_of_requests,
)
from exchange.requests.views import (
    Reach,
    UnknownRequestError,
    digest_of_shown,
    for_holder,
    for_requester,
    listed,
)
from schemas.requests.messages import RequestsPage, RequestsQuery, WholeRequest
from schemas.values.canonical import digest
from schemas.values.encoding import to_base64


def list_requests(database: Database, actor: Actor, asked: RequestsQuery, now: datetime) -> RequestsPage:
    """A page of the member's own requests, and of those that it holds a part of. Raises LogUnavailableError: then
    nothing is disclosed.
    """

    def read(session: Session) -> RequestsPage:
        page = page_of_requests(session, actor.member_id, asked)
        kinds = kinds_of_members(session)
        found = [listed(info, part, kinds) for info, part in page]
        said = {"after": asked.cursor, "limit": asked.limit, "direction": asked.direction, "state": asked.state}
        shown = to_base64(digest(msgspec.to_builtins(found)))
        event_id = _record(session, actor, "requests_read", {**said, "count": len(found)}, shown, now=now)
        last = page[-1][0].request_id if len(page) == asked.limit else None
        return RequestsPage(requests=found, next=last, event_id=event_id)

    return database.run_in_transaction(read)


def read_request(
    database: Database, actor: Actor, request_id: str, policy: RequestPolicy, now: datetime
) -> WholeRequest:
    """One request, as far as the member may read it. Raises UnknownRequestError (recorded) and LogUnavailableError."""

    def read(session: Session) -> WholeRequest:
        info = find_request(session, request_id)
        found = None if info is None else _as_read(session, info, actor, policy, now)
        if found is None:
            raise UnknownRequestError
        event_id = _record(session, actor, "request_read", {"request_id": request_id}, digest_of_shown(found), now=now)
        return msgspec.structs.replace(found, event_id=event_id)

    asked = {"asked": "request_read", "request_id": request_id}
    return RecordedRefusals(database, actor, asked, now).run(read)


def _as_read(
    session: Session, info: InformationRequest, actor: Actor, policy: RequestPolicy, now: datetime
) -> WholeRequest | None:
    """The request for its sender or a holder, None for anyone else."""
    kinds = kinds_of_members(session)
    rows = find_request_rows(session, info.member_id, info.token, now)
    if info.member_id != actor.member_id:
        part = find_part(session, info.request_id, actor.member_id)
        own = submissions_of(rows.of_holder(actor.member_id))
        return None if part is None else for_holder(info, part, kinds, own, _reach(session, info, rows, [part]))
    parts = list(list_parts(session, info.request_id))
    rule = find_rule(info.terms.legal_gateway, policy.rules)
    marking = marking_of(session, rows.own, rule) if rows.own else None
    return for_requester(info, parts, kinds, _reach(session, info, rows, parts), marking)


def _reach(session: Session, info: InformationRequest, rows: RequestRows, parts: Sequence[RequestPart]) -> Reach:
    """What these parts' answers may still be read of."""
    told_of = set().union(*(part.submissions for part in parts))
    return Reach(
        told_by_holders=set(submissions_of(rows.others)),
        told_by_sender={part.member_id: submissions_of(rows.own_beside(part.member_id)) for part in parts},
        taken_back=find_taken_back(session, info.token, told_of),
    )


def _record(
    session: Session, actor: Actor, kind: str, asked: Mapping[str, object], shown_sha256: str, *, now: datetime
) -> str:
    """Record what was read, its content as a digest; the id of the event."""
    view = {**asked, "representative_id": actor.representative_id, "shown_sha256": shown_sha256}
    return record(session, kind, [View(actor.member_id, view)], now).event_id
