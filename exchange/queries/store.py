"""Queries of law enforcement: what was asked on whose authority, about which tokens, which rows the agency learned of,
and which queries of other agencies met it.

No row or hit of a bank is written or locked for any of it. The token leads the keys of the tables that hold tokens.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime

import msgspec
from sqlalchemy import (
    Boolean,
    ColumnElement,
    Date,
    Index,
    Integer,
    LargeBinary,
    PrimaryKeyConstraint,
    String,
    Text,
    delete,
    or_,
    select,
    update,
)
from sqlalchemy.orm import Mapped, Session, aliased, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from exchange.kernel.chunks import in_chunks, in_even_chunks
from exchange.kernel.upsert import insert_ignoring, run_counted
from schemas.queries.messages import ExtensionTerms, QueriesQuery
from schemas.terms import QueryState

_OVER = {QueryState.PENDING: QueryState.LAPSED, QueryState.ANSWERED: QueryState.ENDED}
"""What becomes of a query when its last day has passed."""


class Query(Base):
    """One query. `ends_on` is the last day of its authority and, of a covert one, of its cover; `watch_until` the last
    day of its watch, None without one. `cover_salt` (32 bytes) keeps what is withheld from banks unguessable, and is
    read by the worker when cover ends. `paperwork_sha256` is of the texts, which QueryPaper has sealed. `subjects`
    counts the tokens, `subjects_sha256` is over them and their types.
    """

    __tablename__ = "queries"
    __table_args__ = (
        Index("ix_queries_member_id_query_id", "member_id", "query_id"),
        Index("ix_queries_state_ends_on", "state", "ends_on"),
        Index("ix_queries_watch_until", "watch_until"),
    )

    query_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(64))
    asker_id: Mapped[str] = mapped_column(String(130))
    authoriser_id: Mapped[str] = mapped_column(String(130))
    state: Mapped[str] = mapped_column(String(16))
    legal_gateway: Mapped[str] = mapped_column(String(32))
    paperwork_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    covert: Mapped[bool] = mapped_column(Boolean)
    silent: Mapped[bool] = mapped_column(Boolean)
    ends_on: Mapped[date] = mapped_column(Date)
    watch_until: Mapped[date | None] = mapped_column(Date)
    cover_salt: Mapped[bytes] = mapped_column(LargeBinary(32))
    subjects: Mapped[int] = mapped_column(Integer)
    subjects_sha256: Mapped[bytes] = mapped_column(LargeBinary(32))
    extensions_json: Mapped[str] = mapped_column(Text)
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    decided_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def extensions(self) -> list[ExtensionTerms]:
        """Each extension, oldest first."""
        return msgspec.json.decode(self.extensions_json, type=list[ExtensionTerms])

    def state_on(self, today: date) -> QueryState:
        """How it stands on a day, whether or not the worker has come to it."""
        state = QueryState(self.state)
        return state if self.ends_on >= today else _OVER.get(state, state)

    def is_in_force(self, today: date) -> bool:
        """Whether it was approved and its authority has not passed."""
        return self.state_on(today) is QueryState.ANSWERED

    def is_watching(self, today: date) -> bool:
        """Whether it stands and its watch has not ended."""
        return self.is_in_force(today) and self.watch_until is not None and self.watch_until >= today


class QuerySubject(Base):
    """One token of a query, the `position`-th from 0; `hit_id` names what the agency learns of it."""

    __tablename__ = "query_subjects"
    __table_args__ = (
        PrimaryKeyConstraint("token", "query_id"),
        Index("ix_query_subjects_query_id_position", "query_id", "position"),
    )

    token: Mapped[bytes] = mapped_column(LargeBinary(32))
    query_id: Mapped[str] = mapped_column(String(36))
    position: Mapped[int] = mapped_column(Integer)
    indicator_type: Mapped[str] = mapped_column(String(32))
    hit_id: Mapped[str] = mapped_column(String(36))


class QueryPaper(Base):
    """Texts of a query, sealed to one member that may read them (keys/sealing/query_papers.py): at position 0 its
    grounds, at n the reason of its n-th extension.
    """

    __tablename__ = "query_papers"
    __table_args__ = (PrimaryKeyConstraint("query_id", "position", "member_id"),)

    query_id: Mapped[str] = mapped_column(String(36))
    position: Mapped[int] = mapped_column(Integer)
    member_id: Mapped[str] = mapped_column(String(64))
    sealed: Mapped[bytes] = mapped_column(LargeBinary)


class QueryMatch(Base):
    """That a member's row was disclosed to the agency, by the event `event_id`; and when that member was notified,
    None while the query's cover holds.
    """

    __tablename__ = "query_matches"
    __table_args__ = (
        PrimaryKeyConstraint("token", "query_id", "member_id", "submission_id"),
        Index("ix_query_matches_query_id", "query_id"),
    )

    token: Mapped[bytes] = mapped_column(LargeBinary(32))
    query_id: Mapped[str] = mapped_column(String(36))
    member_id: Mapped[str] = mapped_column(String(64))
    submission_id: Mapped[str] = mapped_column(String(36))
    event_id: Mapped[str] = mapped_column(String(36))
    told_at: Mapped[datetime] = mapped_column(UtcDateTime)
    disclosed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)


class QueryOverlap(Base):
    """That two agencies' queries are about one token; `is_told` says whether the owner of `query_id` may know it."""

    __tablename__ = "query_meetings"
    __table_args__ = (PrimaryKeyConstraint("query_id", "other_id"), Index("ix_query_meetings_other_id", "other_id"))

    query_id: Mapped[str] = mapped_column(String(36))
    other_id: Mapped[str] = mapped_column(String(36))
    is_told: Mapped[bool] = mapped_column(Boolean)
    met_at: Mapped[datetime] = mapped_column(UtcDateTime)


@dataclass(frozen=True, slots=True)
class QueriedToken:
    """One thing that is asked about."""

    token: bytes
    indicator_type: str
    hit_id: str


@dataclass(frozen=True, slots=True)
class Match:
    """A row of a member that a query meets."""

    token: bytes
    member_id: str
    submission_id: str


def add_query(session: Session, query: Query, subjects: Sequence[QueriedToken]) -> None:
    """Store a query. Its id is free (see find_query)."""
    session.add(query)
    session.flush()
    rows = [
        {"query_id": query.query_id, "position": position, **asdict(subject)}
        for position, subject in enumerate(subjects)
    ]
    for some in in_chunks(rows, 1000):
        insert_ignoring(session, QuerySubject, some)


def add_papers(session: Session, query_id: str, position: int, sealed: Mapping[str, bytes]) -> None:
    """Keep texts of a query, sealed to each of their readers."""
    rows = [
        {"query_id": query_id, "position": position, "member_id": member_id, "sealed": content}
        for member_id, content in sorted(sealed.items())
    ]
    insert_ignoring(session, QueryPaper, rows)


def papers_for(session: Session, query_ids: Collection[str], member_id: str) -> dict[str, dict[int, bytes]]:
    """Of each query what is sealed to a member, by position."""
    found: dict[str, dict[int, bytes]] = {query_id: {} for query_id in query_ids}
    for some in in_even_chunks(sorted(found), 1024):
        selection = select(QueryPaper.query_id, QueryPaper.position, QueryPaper.sealed)
        sealed = selection.where(QueryPaper.query_id.in_(some), QueryPaper.member_id == member_id)
        for query_id, position, content in session.execute(sealed):
            found[query_id][position] = content
    return found


def find_query(session: Session, query_id: str) -> Query | None:
    """The query of that id, anyone's."""
    return session.get(Query, query_id)


def lock_query(session: Session, query_id: str) -> Query | None:
    """The same, its row locked until the transaction ends."""
    selection = select(Query).where(Query.query_id == query_id).with_for_update()
    return session.execute(selection, execution_options={"populate_existing": True}).scalar_one_or_none()


def subjects_of(session: Session, query_id: str) -> list[QueriedToken]:
    """What a query asks about, in its order."""
    selection = select(QuerySubject.token, QuerySubject.indicator_type, QuerySubject.hit_id)
    ordered = selection.where(QuerySubject.query_id == query_id).order_by(QuerySubject.position)
    return [QueriedToken(*row) for row in session.execute(ordered)]


def page_of_queries(
    session: Session, member_id: str, asked: QueriesQuery, *, person_id: str | None, today: date
) -> Sequence[Query]:
    """A member's queries behind a cursor, in order of the id; with `person_id`, those it asked or is to authorise."""
    selection = select(Query).where(Query.member_id == member_id, Query.query_id > (asked.cursor or ""))
    if person_id is not None:
        selection = selection.where(or_(Query.asker_id == person_id, Query.authoriser_id == person_id))
    if asked.state is not None:
        selection = selection.where(_is_in_state(QueryState(asked.state), today))
    return session.scalars(selection.order_by(Query.query_id).limit(asked.limit)).all()


def _is_in_state(state: QueryState, today: date) -> ColumnElement[bool]:
    """As `state_on` has it."""
    is_over = Query.ends_on < today
    if state in _OVER:
        return (Query.state == state.value) & ~is_over
    former = [one.value for one, over in _OVER.items() if over is state]
    return (Query.state == state.value) | (Query.state.in_(former) & is_over)


def list_over(session: Session, today: date, limit: int) -> list[str]:
    """Ids of queries that are waiting or answered, and whose last day has passed."""
    states = (QueryState.PENDING.value, QueryState.ANSWERED.value)
    over = select(Query.query_id).where(Query.state.in_(states), Query.ends_on < today)
    return list(session.scalars(over.order_by(Query.query_id).limit(limit)))


def list_watching(session: Session, today: date) -> Sequence[Query]:
    """The queries whose watch is on."""
    watching = select(Query).where(Query.watch_until >= today, Query.state == QueryState.ANSWERED.value)
    return session.scalars(watching.where(Query.ends_on >= today).order_by(Query.query_id)).all()


def matches_of(session: Session, query_id: str) -> set[Match]:
    """The rows that were disclosed to a query's agency."""
    selection = select(QueryMatch.token, QueryMatch.member_id, QueryMatch.submission_id)
    return {Match(*row) for row in session.execute(selection.where(QueryMatch.query_id == query_id))}


@dataclass(frozen=True, slots=True)
class Disclosed:
    """When, and by which event, an agency learned of rows; and when their members did, None while cover holds."""

    event_id: str
    told_at: datetime
    disclosed_at: datetime | None


def add_matches(session: Session, query_id: str, matches: Iterable[Match], disclosed: Disclosed) -> None:
    """Keep which rows were disclosed to the agency."""
    ordered = sorted(matches, key=lambda match: (match.token, match.member_id, match.submission_id))
    rows = [asdict(match) | {"query_id": query_id} | asdict(disclosed) for match in ordered]
    for some in in_chunks(rows, 1000):
        insert_ignoring(session, QueryMatch, some)


def withheld_matches(session: Session, query_id: str) -> Sequence[QueryMatch]:
    """The matches of which their members have not been notified, in order."""
    withheld = select(QueryMatch).where(QueryMatch.query_id == query_id, QueryMatch.disclosed_at.is_(None))
    return session.scalars(withheld.order_by(QueryMatch.told_at, QueryMatch.event_id, QueryMatch.token)).all()


def mark_disclosed(session: Session, query_id: str, now: datetime) -> None:
    """Record that the members of all matches have been notified."""
    withheld = (QueryMatch.query_id == query_id) & QueryMatch.disclosed_at.is_(None)
    session.execute(
        update(QueryMatch).where(withheld).values(disclosed_at=now),
        execution_options={"synchronize_session": False},
    )


def find_overlapping_queries(session: Session, query: Query, tokens: Sequence[bytes], today: date) -> list[Query]:
    """Other agencies' queries that stand and ask about any of the tokens, in order of their ids."""
    found: dict[str, Query] = {}
    for some in in_even_chunks(tokens, 1024):
        meeting = (
            select(Query)
            .join(QuerySubject, QuerySubject.query_id == Query.query_id)
            .where(QuerySubject.token.in_(some), Query.member_id != query.member_id)
            .where(Query.state == QueryState.ANSWERED.value, Query.ends_on >= today)
        )
        found |= {other.query_id: other for other in session.scalars(meeting)}
    return [found[query_id] for query_id in sorted(found)]


def add_query_overlaps(session: Session, meetings: Iterable[tuple[str, str, bool]], now: datetime) -> None:
    """Keep meetings, each as (query, other, whether the first one's owner may know)."""
    rows = [
        {"query_id": query_id, "other_id": other_id, "is_told": is_told, "met_at": now}
        for query_id, other_id, is_told in meetings
    ]
    insert_ignoring(session, QueryOverlap, rows)


@dataclass(frozen=True, slots=True)
class OverlappingQuery:
    """A query of another agency that met one of ours, and a token that both are about."""

    agency: str
    officer: str
    token: bytes


def disclosed_overlaps(session: Session, query_ids: Collection[str], today: date) -> dict[str, list[OverlappingQuery]]:
    """For each query, the standing ones of other agencies that its owner may know of, by each of its own tokens that
    they are about, in the order of its tokens.
    """
    other, own, theirs = aliased(Query), aliased(QuerySubject), aliased(QuerySubject)
    selection = (
        select(QueryOverlap.query_id, other.member_id, other.authoriser_id, own.token)
        .join(other, other.query_id == QueryOverlap.other_id)
        .join(own, own.query_id == QueryOverlap.query_id)
        .join(theirs, (theirs.token == own.token) & (theirs.query_id == other.query_id))
        .where(QueryOverlap.is_told.is_(True), other.state == QueryState.ANSWERED.value, other.ends_on >= today)
        .order_by(own.position, other.query_id)
    )
    found: dict[str, list[OverlappingQuery]] = {query_id: [] for query_id in query_ids}
    for some in in_even_chunks(sorted(found), 1024):
        for query_id, agency, officer, token in session.execute(selection.where(QueryOverlap.query_id.in_(some))):
            found[query_id].append(OverlappingQuery(agency, officer, token))
    return found


def purge_queries(session: Session, before: date, limit: int) -> int:
    """Delete up to `limit` queries that are over since before a day, with their tokens; how many queries."""
    over = (QueryState.REFUSED.value, QueryState.LAPSED.value, QueryState.ENDED.value)
    selection = select(Query.query_id).where(Query.state.in_(over), Query.ends_on < before).limit(limit)
    query_ids = list(session.scalars(selection))
    for some in in_even_chunks(query_ids, 1024):
        for model in (QuerySubject, QueryPaper, QueryMatch, QueryOverlap):
            run_counted(session, delete(model).where(model.query_id.in_(some)))
        run_counted(session, delete(QueryOverlap).where(QueryOverlap.other_id.in_(some)))
        run_counted(session, delete(Query).where(Query.query_id.in_(some)))
    return len(query_ids)
