"""How a query is shown: to its agency and the independent reviewers at once, to banks when its cover has ended, and to
those of the agency who may read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import msgspec
from sqlalchemy.orm import Session

from exchange.kernel.actor import Actor
from exchange.log.acting import UnknownObjectError
from exchange.log.entries import RecordedEvent, View
from exchange.log.events import record
from exchange.membership.store import list_reviewers
from exchange.queries.store import OverlappingQuery, QueriedToken, Query, find_query, lock_query, papers_for
from schemas.queries.messages import OtherAgency, QueryExtension, QueryHead, QueryResult, QueryStatus, WholeQuery
from schemas.queries.terms import TERMS, terms_digest
from schemas.terms import Role
from schemas.values.encoding import to_base64, to_rfc3339

Papers = Mapping[int, bytes]
"""What is sealed to one reader of a query's texts, by position (exchange.queries.store.QueryPaper)."""


def find_own(session: Session, actor: Actor, query_id: str) -> Query:
    """A query of the actor's agency, locked until the transaction ends. Raises UnknownObjectError."""
    found = lock_query(session, query_id)
    if found is None or found.member_id != actor.member_id:
        raise UnknownObjectError
    return found


def find_readable(session: Session, actor: Actor, query_id: str) -> Query:
    """A query of the actor's agency that the actor asked, is to authorise, or reviews, or anyone's for an independent
    reviewer; locked. Raises UnknownObjectError, after the same work.
    """
    is_overseer = Role.REVIEWER in actor.roles and actor.member_id in list_reviewers(session)
    found = lock_query(session, query_id)
    if found is not None and (_is_concerned(found, actor) or (is_overseer and found.member_id != actor.member_id)):
        return found
    raise UnknownObjectError


def _is_concerned(query: Query, actor: Actor) -> bool:
    is_named = Role.REVIEWER in actor.roles or actor.representative_id in (query.asker_id, query.authoriser_id)
    return query.member_id == actor.member_id and is_named


def is_free(session: Session, query_id: str) -> bool:
    """Whether no query has the id."""
    return find_query(session, query_id) is None


def status_of(query: Query, today: date) -> QueryStatus:
    """What a step answers."""
    return QueryStatus(
        query_id=query.query_id,
        state=query.state_on(today).value,
        until=query.ends_on.isoformat(),
        watch_until=None if query.watch_until is None else query.watch_until.isoformat(),
    )


def head_of(query: Query, others: Sequence[OverlappingQuery], today: date, papers: Papers) -> QueryHead:
    """The query on the wire without its results; `others` are those of other agencies that its officers may know,
    `papers` what is sealed to the reader.
    """
    agencies = _agencies(others)
    return QueryHead(
        **msgspec.structs.asdict(status_of(query, today)),
        agency=query.member_id,
        subjects=query.subjects,
        legal_gateway=query.legal_gateway,
        paperwork_sha256=to_base64(query.paperwork_sha256),
        sealed=_sealed(papers, 0),
        asked_by=query.asker_id,
        authorised_by=query.authoriser_id,
        covert=query.covert,
        silent=query.silent,
        created_at=to_rfc3339(query.created_at),
        decided_at=None if query.decided_at is None else to_rfc3339(query.decided_at),
        deconfliction=bool(agencies),
        others=agencies,
    )


def _agencies(others: Sequence[OverlappingQuery]) -> list[OtherAgency]:
    met: dict[tuple[str, str], dict[str, None]] = {}
    for other in others:
        met.setdefault((other.agency, other.officer), {})[to_base64(other.token)] = None
    return [
        OtherAgency(agency=agency, officer=officer, tokens=list(tokens))
        for (agency, officer), tokens in sorted(met.items())
    ]


def whole_of(
    head: QueryHead,
    query: Query,
    papers: Papers,
    event_id: str,
    *,
    subjects: Sequence[QueriedToken] | None = None,
    results: list[QueryResult] | None = None,
) -> WholeQuery:
    """The query on the wire with all its terms, as it is read by that event; `subjects` are for its agency alone."""
    return WholeQuery(
        **msgspec.structs.asdict(head),
        extensions=[
            QueryExtension(**msgspec.structs.asdict(extension), sealed=_sealed(papers, position))
            for position, extension in enumerate(query.extensions, 1)
        ],
        subjects_sha256=to_base64(query.subjects_sha256),
        tokens=None if subjects is None else [to_base64(subject.token) for subject in subjects],
        types=None if subjects is None else [subject.indicator_type for subject in subjects],
        results=results,
        event_id=event_id,
    )


def papers_of(session: Session, query: Query, actor: Actor) -> Papers:
    """What of a query's texts is sealed to the actor's member."""
    return papers_for(session, [query.query_id], actor.member_id)[query.query_id]


def _sealed(papers: Papers, position: int) -> str | None:
    return to_base64(papers[position]) if position in papers else None


def terms_sha256_of(query: Query) -> str:
    """The digest of the query's terms as they stand (base64)."""
    return terms_digest(_without_results(query))


def authorisation_record(query: Query) -> dict[str, object]:
    """What the log says of a query to its agency and to the reviewers. Case and texts are in the digest of the terms
    alone: every representative of a member reads its log, and the log outlives the query.
    """
    whole = _without_results(query)
    stated = {name: getattr(whole, name) for name in TERMS if name != "paperwork_sha256"}
    return {**stated, "terms_sha256": terms_digest(whole)}


def _without_results(query: Query) -> WholeQuery:
    return whole_of(head_of(query, (), date.max, {}), query, {}, "")


def notify_overseers(
    session: Session,
    kind: str,
    query: Query,
    body: Mapping[str, object],
    now: datetime,
    *,
    to_reviewers: Mapping[str, object] | None = None,
    to_banks: Mapping[str, Mapping[str, object]] | None = None,
    actor: Actor | None = None,
) -> RecordedEvent:
    """Record an event about a query for its agency and each reviewer, and for banks if its cover allows. `to_reviewers`
    is shown to them beside `body`. Raises LogUnavailableError.
    """
    views: dict[str, Mapping[str, object]] = {query.member_id: dict(body)}
    for member_id in list_reviewers(session):
        views[member_id] = {**body, **(to_reviewers or {})}
    for member_id, disclosed in sorted((to_banks or {}).items()):
        views[member_id] = {**views.get(member_id, {}), **disclosed}
    core = {"query_id": query.query_id, "signature": None if actor is None else actor.signature}
    return record(session, kind, [View(member_id, view) for member_id, view in views.items()], now, core)
