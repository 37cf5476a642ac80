"""Information requests and what each holder does with its part of one.

A request names no holder and a holder's part names no other: the parts say who was asked, and only the exchange reads
them as a whole. What is sealed is bytes that the exchange cannot open.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any

import msgspec
from sqlalchemy import Index, LargeBinary, String, Text, and_, delete, func, or_, select, update
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from exchange.kernel.chunks import in_even_chunks, is_among
from exchange.kernel.upsert import run_counted
from schemas.marking import Marking
from schemas.requests.messages import GivenPrepared, RequestsQuery, RequestTerms
from schemas.terms import Direction, RequestState


class InformationRequest(Base):
    """One request. `public_key` is that of the representative who asked, `encryption_key` the requester's at that
    moment, `terms_json` the canonical JSON that `proof` covers. `state` is what the requester sees; `closed_at` is when
    nothing more can come of it, and is disclosed to nobody.
    """

    __tablename__ = "information_requests"
    __table_args__ = (
        Index("ix_information_requests_member_id", "member_id", "request_id"),
        Index("ix_information_requests_member_id_hit_id", "member_id", "hit_id"),
        Index("ix_information_requests_closed_at_lapses_at", "closed_at", "lapses_at"),
    )

    request_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(64))
    representative_id: Mapped[str] = mapped_column(String(130))
    public_key: Mapped[bytes] = mapped_column(LargeBinary(32))
    encryption_key: Mapped[bytes] = mapped_column(LargeBinary)
    hit_id: Mapped[str] = mapped_column(String(36))
    token: Mapped[bytes] = mapped_column(LargeBinary(32))
    terms_json: Mapped[str] = mapped_column(Text)
    proof: Mapped[bytes] = mapped_column(LargeBinary(32))
    state: Mapped[str] = mapped_column(String(16))
    created_at: Mapped[datetime] = mapped_column(UtcDateTime)
    due_at: Mapped[datetime] = mapped_column(UtcDateTime)
    lapses_at: Mapped[datetime] = mapped_column(UtcDateTime)
    closed_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def terms(self) -> RequestTerms:
        """The request as it was sent, without the proof."""
        return msgspec.json.decode(self.terms_json, type=RequestTerms)


class RequestPart(Base):
    """One holder's part of a request. `representative_id` took it up last; `answered_by` is who answered it, of an
    offer who released it to the holder; `remind_at` is when the holder is reminded next, None for never again.
    `submissions_json` names the submissions whose rows the answer tells of; `prepared_json` says who
    prepared it, as on the wire; `withdrawn_at` is when its recipient was notified that one of these rows is taken back.
    """

    __tablename__ = "request_parts"
    __table_args__ = (
        Index("ix_request_parts_member_id", "member_id", "request_id"),
        Index("ix_request_parts_remind_at", "remind_at"),
    )

    request_id: Mapped[str] = mapped_column(String(36), primary_key=True)
    member_id: Mapped[str] = mapped_column(String(64), primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    representative_id: Mapped[str | None] = mapped_column(String(130))
    taken_up_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    answered_by: Mapped[str | None] = mapped_column(String(130))
    remind_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    outcome: Mapped[str | None] = mapped_column(String(16))
    fields_json: Mapped[str | None] = mapped_column(Text)
    refusal_reason: Mapped[str | None] = mapped_column(String(32))
    sealed: Mapped[bytes | None] = mapped_column(LargeBinary)
    sealed_sha256: Mapped[bytes | None] = mapped_column(LargeBinary(32))
    signature: Mapped[bytes | None] = mapped_column(LargeBinary(64))
    prepared_json: Mapped[str | None] = mapped_column(Text)
    marking_json: Mapped[str | None] = mapped_column(Text)
    answered_at: Mapped[datetime | None] = mapped_column(UtcDateTime)
    submissions_json: Mapped[str | None] = mapped_column(Text)
    withdrawn_at: Mapped[datetime | None] = mapped_column(UtcDateTime)

    @property
    def fields(self) -> list[str]:
        """Those that the answer tells."""
        found: list[str] = json.loads(self.fields_json or "[]")
        return found

    @property
    def marking(self) -> Marking | None:
        """How what the request is about, or what was disclosed, is to be handled."""
        return None if self.marking_json is None else msgspec.json.decode(self.marking_json, type=Marking)

    @property
    def prepared(self) -> GivenPrepared | None:
        """Who prepared the answer."""
        return None if self.prepared_json is None else msgspec.json.decode(self.prepared_json, type=GivenPrepared)

    @property
    def submissions(self) -> set[str]:
        """The submissions whose rows the answer tells of."""
        return set(json.loads(self.submissions_json or "[]"))


ENDED = (RequestState.ANSWERED, RequestState.LAPSED, RequestState.CANCELLED)
"""States of a part in which its holder does nothing more."""


def state_at(info: InformationRequest, part: RequestPart, now: datetime) -> str:
    """The state of a part at a moment, whether or not the worker has come to it."""
    is_over = part.state not in ENDED and info.lapses_at <= now
    return RequestState.LAPSED.value if is_over else part.state


def find_request(session: Session, request_id: str, *, lock: bool = False) -> InformationRequest | None:
    """The request of that id, whoever's; with `lock`, nobody else changes it until the transaction ends. The lock of a
    request is that of its parts too.
    """
    return session.get(InformationRequest, request_id, with_for_update=lock or None)


def find_part(session: Session, request_id: str, member_id: str) -> RequestPart | None:
    """A holder's part of a request."""
    return session.get(RequestPart, (request_id, member_id))


def list_parts(session: Session, request_id: str) -> Sequence[RequestPart]:
    """All parts of a request, by the ids of their holders."""
    selection = select(RequestPart).where(RequestPart.request_id == request_id).order_by(RequestPart.member_id)
    return session.scalars(selection).all()


def page_of_requests(
    session: Session, member_id: str, asked: RequestsQuery
) -> list[tuple[InformationRequest, RequestPart | None]]:
    """The member's own requests, and those of others that it holds a part of (then with the part), behind a cursor, in
    order of the id.
    """
    own: Any = InformationRequest.member_id == member_id
    held: Any = RequestPart.member_id.is_not(None)
    if asked.state is not None:
        own, held = and_(own, InformationRequest.state == asked.state), RequestPart.state == asked.state
    kept = {None: or_(own, held), Direction.OUTGOING.value: own, Direction.INCOMING.value: held}[asked.direction]
    part = and_(RequestPart.request_id == InformationRequest.request_id, RequestPart.member_id == member_id)
    selection = select(InformationRequest, RequestPart).outerjoin(RequestPart, part)
    selection = selection.where(kept, InformationRequest.request_id > (asked.cursor or ""))
    found = session.execute(selection.order_by(InformationRequest.request_id).limit(asked.limit))
    return [(row[0], row[1]) for row in found]


def count_open(session: Session, member_id: str) -> dict[Direction, int]:
    """How many requests the member still waits for an answer to, and how many wait for its own."""
    own = select(func.count()).where(InformationRequest.member_id == member_id, InformationRequest.state.not_in(ENDED))
    held = select(func.count()).where(RequestPart.member_id == member_id, RequestPart.state.not_in(ENDED))
    return {Direction.INCOMING: session.scalar(held) or 0, Direction.OUTGOING: session.scalar(own) or 0}


def states_by_hit(session: Session, member_id: str, hit_ids: Iterable[str]) -> dict[str, set[str]]:
    """The states of the requests that a member made about each of its hits."""
    found: dict[str, set[str]] = {}
    selection = select(InformationRequest.hit_id, InformationRequest.state).where(
        InformationRequest.member_id == member_id
    )
    for some in in_even_chunks(sorted(set(hit_ids)), 1024):
        for hit_id, state in session.execute(selection.where(InformationRequest.hit_id.in_(some))):
            found.setdefault(hit_id, set()).add(state)
    return found


def list_to_remind(session: Session, now: datetime, limit: int) -> list[tuple[str, str]]:
    """(request, holder) of the parts whose holder is to be reminded by now."""
    selection = select(RequestPart.request_id, RequestPart.member_id).where(RequestPart.remind_at <= now)
    return [(row[0], row[1]) for row in session.execute(selection.order_by(RequestPart.remind_at).limit(limit))]


def list_lapsed(session: Session, now: datetime, limit: int) -> Sequence[str]:
    """The requests that are not closed and whose time is over."""
    open_ones = InformationRequest.closed_at.is_(None), InformationRequest.lapses_at <= now
    selection = select(InformationRequest.request_id).where(*open_ones).order_by(InformationRequest.lapses_at)
    return session.scalars(selection.limit(limit)).all()


def mark_withdrawn(session: Session, parts: Iterable[tuple[str, str]], now: datetime) -> None:
    """Note of the answers of those (request, holder) that what they tell is taken back."""
    key = RequestPart.request_id, RequestPart.member_id
    for some in in_even_chunks(sorted(set(parts)), 512):
        first = is_among(key, some), RequestPart.withdrawn_at.is_(None)
        session.execute(
            update(RequestPart).where(*first).values(withdrawn_at=now),
            execution_options={"synchronize_session": False},
        )


def purge_sealed(session: Session, before: datetime) -> int:
    """Delete what was sealed for requests that were closed before a time; how many answers."""
    closed = select(InformationRequest.request_id).where(InformationRequest.closed_at < before)
    kept = RequestPart.sealed.is_not(None), RequestPart.request_id.in_(closed)
    return run_counted(session, update(RequestPart).where(*kept).values(sealed=None))


def purge_requests(session: Session, before: datetime) -> int:
    """Delete the requests that were closed before a time, and their parts; how many requests."""
    closed = select(InformationRequest.request_id).where(InformationRequest.closed_at < before)
    session.execute(delete(RequestPart).where(RequestPart.request_id.in_(closed)))
    return run_counted(session, delete(InformationRequest).where(InformationRequest.closed_at < before))
