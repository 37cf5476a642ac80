"""Taking a request back: its sender no longer needs what it asked for."""

from __future__ import annotations

from sqlalchemy.orm import Session

from exchange.kernel.session import Database
from exchange.log.acting import Request, act_once, require
from exchange.requests.end import end_parts
from exchange.requests.rules import decide_cancelling
from exchange.requests.store import find_request
from exchange.requests.views import UnknownRequestError, status_of
from schemas.requests.messages import RequestStatus
from schemas.terms import RequestState


def cancel_request(database: Database, request: Request, request_id: str) -> tuple[RequestStatus, int]:
    """Let nobody answer it any more, and tell those who might have; how it stands. Raises as act_once does."""

    def cancel(session: Session) -> RequestStatus:
        info = find_request(session, request_id, lock=True)
        if info is None or info.member_id != request.actor.member_id:
            raise UnknownRequestError
        require(decide_cancelling(info.state))
        end_parts(session, info, RequestState.CANCELLED, request.now, actor=request.actor)
        return status_of(info)

    return act_once(
        database, request, {"asked": "request_cancel", "request_id": request_id}, cancel, answer=RequestStatus
    )
