"""What a member does with its feed tokens.

A new way to read the exchange is nothing that one representative opens unseen: making and revoking a token are in the
member's log.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from exchange.kernel.actor import Actor
from exchange.kernel.decision import RefusalError, refuse
from exchange.kernel.session import Database
from exchange.log.acting import Request, act_once
from exchange.log.entries import View
from exchange.log.events import record
from exchange.membership.feed_tokens import FeedToken, count_live_tokens, find_own_token, list_tokens, make_feed_token
from exchange.membership.store import lock_member
from schemas.alerts.feed_tokens import ListedFeedToken, NewFeedToken
from schemas.values.encoding import to_rfc3339

MAX_LIVE = 20


class UnknownTokenError(LookupError):
    """The member has no token of that id."""


def make_token(database: Database, request: Request, name: str) -> tuple[NewFeedToken, int]:
    """A new token, which is shown this once: the answer to a repetition of the request has None in its place. Raises as
    act_once does.
    """
    shown: list[str] = []

    def make(session: Session) -> NewFeedToken:
        actor = request.actor
        # Locked, so that requests that come together do not pass the limit.
        lock_member(session, actor.member_id)
        if count_live_tokens(session, actor.member_id) >= MAX_LIVE:
            raise RefusalError(refuse("too-many-feed-tokens", "name", f"at most {MAX_LIVE}: revoke one first"))
        token_id, token = make_feed_token(session, actor.member_id, name, actor.representative_id, request.now)
        event_id = _record(session, "feed_token_made", actor, {"token_id": token_id, "name": name}, request.now)
        shown[:] = [token]
        return NewFeedToken(token_id=token_id, name=name, token=None, event_id=event_id)

    value, status = act_once(database, request, {"asked": "feed_token"}, make, 201, answer=NewFeedToken)
    return msgspec.structs.replace(value, token=shown[0] if shown else None), status


def revoke_token(database: Database, request: Request, token_id: str) -> tuple[ListedFeedToken, int]:
    """Make a token worthless at once, however often it is asked. Raises UnknownTokenError, and as act_once does."""

    def revoke(session: Session) -> ListedFeedToken:
        token = find_own_token(session, request.actor.member_id, token_id)
        if token is None:
            raise UnknownTokenError
        if token.revoked_at is None:
            token.revoked_at = request.now
            _record(
                session, "feed_token_revoked", request.actor, {"token_id": token_id, "name": token.name}, request.now
            )
        return _listed(token)

    return act_once(
        database, request, {"asked": "feed_token_revocation", "token_id": token_id}, revoke, answer=ListedFeedToken
    )


def own_tokens(session: Session, member_id: str, after: str, limit: int) -> list[ListedFeedToken]:
    """The member's tokens behind an id, revoked ones too, without the secrets."""
    found: Sequence[FeedToken] = list_tokens(session, member_id, after, limit)
    return [_listed(token) for token in found]


def _listed(token: FeedToken) -> ListedFeedToken:
    return ListedFeedToken(
        token_id=token.token_id,
        name=token.name,
        created_by=token.created_by,
        created_at=to_rfc3339(token.created_at),
        revoked_at=None if token.revoked_at is None else to_rfc3339(token.revoked_at),
    )


def _record(session: Session, kind: str, actor: Actor, token: dict[str, str], now: datetime) -> str:
    view = {**token, "representative_id": actor.representative_id}
    return record(session, kind, [View(actor.member_id, view)], now).event_id
