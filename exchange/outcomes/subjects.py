"""What an outcome is about: something that was disclosed to its recorder, and whose rows that was.

Whoever's row it rested on has contributed, also if the row has expired or was taken back since. What is kept of a
request or a query for long is what was disclosed because of whose row (exchange.indicators.derived): what came of it
can be said when the rest is forgotten.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.orm import Session

from exchange.indicators.derived import DerivedKind, disclosed_sources, find_derived_of
from exchange.indicators.hits import KnownHit, find_hits, find_shown_hit
from exchange.indicators.holders import ways_of_tokens
from exchange.indicators.matching import split_overlap
from exchange.indicators.store import find_past_rows
from exchange.indicators.submissions import arrivals_of, begun_at
from exchange.indicators.withdrawal import Held, LastShown, TakenBack, was_disclosed_by_hit
from exchange.log.acting import UnknownObjectError
from exchange.membership.load_past_authority import load_past_authority
from exchange.membership.store import load_authority
from exchange.outcomes.store import Contribution
from exchange.queries.store import QueryMatch, find_query
from exchange.requests.rules import is_offer
from exchange.requests.store import find_part, find_request, list_parts
from schemas.terms import OutcomeObject, QueryState, RequestOutcome

_ANSWERED = frozenset({QueryState.ANSWERED.value, QueryState.ENDED.value})
_DISCLOSED = frozenset({RequestOutcome.FULL.value, RequestOutcome.PARTIAL.value})


@dataclass(frozen=True, slots=True)
class Subject:
    """What an outcome is about: the recorder's own hit (None for a query), whether it is police work under cover, and
    whose rows contributed.
    """

    hit_id: str | None
    is_covert: bool
    contributions: list[Contribution]


def find_subject(session: Session, member_id: str, about: str, object_id: str, now: datetime) -> Subject:
    """What was disclosed to the member under that id. Raises UnknownObjectError for what is not its own."""
    return _FINDERS[OutcomeObject(about)](session, member_id, object_id, now)


def _of_hit(session: Session, member_id: str, hit_id: str, now: datetime) -> Subject:
    hit = find_shown_hit(session, member_id, hit_id)
    if hit is None:
        raise UnknownObjectError
    way = ways_of_tokens(session, [hit.token], now.date()).get(hit.token, ())
    _, others = split_overlap(member_id, way, load_authority(session, now))
    contributors = {row.member_id for row in others} | disclosed_sources(session, hit.token, member_id)
    contributors |= _contributed_before(session, hit) - {member_id}
    return Subject(hit_id, False, [Contribution(hit.token, other) for other in sorted(contributors)])


def _contributed_before(session: Session, hit: KnownHit) -> set[str]:
    """The members whose rows, retired since, were part of the hit when it was shown."""
    past = find_past_rows(session, [hit.token])
    begun = begun_at(session, {row[3] for row in past})
    arrivals = arrivals_of(session, {row[3] for row in past})
    last = LastShown(hit.view_json is not None, hit.disclosed_at, hit.event_id)
    own = [Held(group, begun[name], until) for _, group, member, name, until in past if member == hit.member_id]
    authority = load_past_authority(session, {one.group_id for one in own}, {row[2] for row in past})
    return {
        member
        for _, group, member, name, until in past
        if until is not None
        and was_disclosed_by_hit(
            TakenBack(group, begun[name], until, arrivals.get(name, frozenset())),
            own,
            last,
            authority.together(group, hit.member_id, member),
        )
    }


def _of_request(session: Session, member_id: str, request_id: str, _now: datetime) -> Subject:
    """The requester's outcome goes to the holders that disclosed to it, a holder's to the requester. Nobody disclosed
    to the sender of an offer anything.
    """
    found = find_request(session, request_id)
    if found is not None and found.member_id == member_id:
        parts = [] if is_offer(found.terms.mode) else list_parts(session, request_id)
        holders = [part.member_id for part in parts if part.outcome in _DISCLOSED]
        return Subject(found.hit_id, False, [Contribution(found.token, holder) for holder in holders])
    if found is None:
        return _of_forgotten(session, member_id, request_id)
    part = find_part(session, request_id, member_id)
    if part is None or part.taken_up_at is None:
        raise UnknownObjectError
    own = find_hits(session, [found.token]).get((found.token, member_id))
    return Subject(None if own is None else own.hit_id, False, [Contribution(found.token, found.member_id)])


def _of_query(session: Session, member_id: str, query_id: str, _now: datetime) -> Subject:
    """Contributors learn of it once they have learned of the query."""
    found = find_query(session, query_id)
    if found is None:
        return _of_forgotten(session, member_id, query_id)
    if found.member_id != member_id or found.state not in _ANSWERED:
        raise UnknownObjectError
    matches = session.execute(
        select(QueryMatch.token, QueryMatch.member_id, QueryMatch.disclosed_at).where(QueryMatch.query_id == query_id)
    )
    withheld: dict[tuple[bytes, str], bool] = {}
    for token, holder, disclosed_at in matches:
        withheld[token, holder] = withheld.get((token, holder), True) and disclosed_at is None
    return Subject(None, found.covert, [Contribution(*key, is_withheld) for key, is_withheld in withheld.items()])


def _of_forgotten(session: Session, member_id: str, object_id: str) -> Subject:
    """Of a request or a query that is itself no longer kept: what its answers derived from. The cover of a query was
    over before it was forgotten. Raises UnknownObjectError for who had no part in an answer.
    """
    answers = [one for one in find_derived_of(session, object_id) if one.kind is not DerivedKind.REQUEST]
    found = {Contribution(one.token, one.source_member_id) for one in answers if one.recipient_member_id == member_id}
    found |= {
        Contribution(one.token, one.recipient_member_id)
        for one in answers
        if one.source_member_id == member_id and one.kind is DerivedKind.RESPONSE
    }
    if not found:
        raise UnknownObjectError
    return Subject(None, any(one.covert_until is not None for one in answers), sorted(found))


_FINDERS: dict[OutcomeObject, Callable[[Session, str, str, datetime], Subject]] = {
    OutcomeObject.HIT: _of_hit,
    OutcomeObject.REQUEST: _of_request,
    OutcomeObject.QUERY: _of_query,
}
