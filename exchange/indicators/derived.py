"""What was disclosed to whom because of whose row, beyond hits: a withdrawal follows the rows to every recipient.

A hit says itself who was shown it (`hits.view_json`). What else is derived from a row is noted here in the transaction
of the disclosure: a request that was shown to a holder, a holder's answer, the answer to a query, a match of a watch.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass, fields
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Index, LargeBinary, PrimaryKeyConstraint, RowMapping, String, delete, or_, select
from sqlalchemy.orm import Mapped, Session, mapped_column

from edge.columns import UtcDateTime
from exchange.kernel.base import Base
from exchange.kernel.chunks import in_chunks, in_even_chunks
from exchange.kernel.upsert import insert_ignoring, run_counted


class DerivedKind(StrEnum):
    """What disclosed it to the recipient: the object is a request, a request, a query, a query."""

    REQUEST = "request"
    RESPONSE = "response"
    QUERY = "query"
    WATCH = "watch"


class DerivedDisclosure(Base):
    """That something that derives from another member's row was disclosed to a member."""

    __tablename__ = "derived_disclosures"
    __table_args__ = (
        PrimaryKeyConstraint("token", "recipient_member_id", "kind", "object_id", "submission_id"),
        Index("ix_derived_disclosures_disclosed_at", "disclosed_at"),
        Index("ix_derived_disclosures_object_id", "object_id"),
        {"sqlite_with_rowid": False},
    )

    token: Mapped[bytes] = mapped_column(LargeBinary(32))
    recipient_member_id: Mapped[str] = mapped_column(String(64))
    kind: Mapped[str] = mapped_column(String(16))
    object_id: Mapped[str] = mapped_column(String(36))
    source_member_id: Mapped[str] = mapped_column(String(64))
    submission_id: Mapped[str] = mapped_column(String(36))
    event_id: Mapped[str] = mapped_column(String(36))
    disclosed_at: Mapped[datetime] = mapped_column(UtcDateTime)
    covert_until: Mapped[datetime | None] = mapped_column(UtcDateTime)


@dataclass(frozen=True, slots=True)
class Derived:
    """A disclosure to `recipient_member_id` that derives from the row of `source_member_id` with that token, of that
    submission: the member may have others, in other groups and at other times, of which the recipient learned nothing.

    `object_id` is the request's or the query's id, `event_id` the log's event that disclosed it. `covert_until` is the
    end of the cover, as it was then, of police work that its source must not learn of, None where it is overt.
    """

    token: bytes
    recipient_member_id: str
    kind: DerivedKind
    object_id: str
    source_member_id: str
    submission_id: str
    event_id: str
    disclosed_at: datetime
    covert_until: datetime | None = None


def note_derived(session: Session, rows: Iterable[Derived]) -> None:
    """Keep what was just disclosed, in the disclosure's own transaction; what is known already stays as it is."""
    noted = [asdict(row) for row in sorted(rows, key=_key)]
    for some in in_chunks(noted, 1000):
        insert_ignoring(session, DerivedDisclosure, some)


def _key(row: Derived) -> tuple[bytes, str, str, str, str]:
    """In the order of the primary key, so that two who note the same rows wait for one another and never crosswise."""
    return row.token, row.recipient_member_id, row.kind, row.object_id, row.submission_id


_NOTED = select(*(DerivedDisclosure.__table__.c[field.name] for field in fields(Derived)))


def find_derived(session: Session, sources: Collection[tuple[bytes, str]]) -> list[Derived]:
    """What derives from those rows, each given as (token, submission)."""
    found, asked_for = [], frozenset(sources)
    for some in in_even_chunks(sorted({token for token, _ in sources}), 1024):
        for row in session.execute(_NOTED.where(DerivedDisclosure.token.in_(some))).mappings():
            derived = _derived(row)
            if (derived.token, derived.submission_id) in asked_for:
                found.append(derived)
    return found


def find_derived_of(session: Session, object_id: str) -> list[Derived]:
    """What derives from rows by a request or a query."""
    noted = _NOTED.where(DerivedDisclosure.object_id == object_id)
    return [_derived(row) for row in session.execute(noted).mappings()]


def disclosed_sources(session: Session, token: bytes, member_id: str) -> set[str]:
    """The members that have answered requests of a member about a token."""
    noted = DerivedDisclosure
    own = noted.token == token, noted.recipient_member_id == member_id, noted.kind == DerivedKind.RESPONSE.value
    return set(session.scalars(select(noted.source_member_id).where(*own)))


def derived_since(session: Session, moment: datetime) -> list[Derived]:
    """What was disclosed from a moment on."""
    rows = session.execute(_NOTED.where(DerivedDisclosure.disclosed_at >= moment)).mappings()
    return [_derived(row) for row in rows]


def _derived(row: RowMapping) -> Derived:
    return Derived(**{**row, "kind": DerivedKind(row["kind"])})


def known_by_name(session: Session, tokens: Collection[bytes], member_id: str) -> set[str]:
    """The members that exchanged an answered request about any of the tokens with a member: each knows the other."""
    noted, found = DerivedDisclosure, set()
    parties = select(noted.source_member_id, noted.recipient_member_id).where(noted.kind == DerivedKind.RESPONSE.value)
    own = or_(noted.source_member_id == member_id, noted.recipient_member_id == member_id)
    for some in in_even_chunks(sorted(set(tokens)), 1024):
        for row in session.execute(parties.where(own, noted.token.in_(some))):
            found |= {row.source_member_id, row.recipient_member_id}
    return found - {member_id}


def disclosed_by_name(session: Session, sources: Collection[tuple[bytes, str]], member_id: str) -> set[str]:
    """The members that a member knows by name and that learned of its rows, given as (token, submission), by requests
    and answers. Queries are not looked at.
    """
    noted, recipients, asked_for = DerivedDisclosure, set(), frozenset(sources)
    named = noted.kind.in_([DerivedKind.REQUEST.value, DerivedKind.RESPONSE.value])
    columns = select(noted.token, noted.submission_id, noted.recipient_member_id)
    tokens = sorted({token for token, _ in sources})
    for some in in_even_chunks(tokens, 1024):
        own = noted.token.in_(some), named, noted.source_member_id == member_id
        found = session.execute(columns.where(*own))
        recipients |= {recipient for token, submission_id, recipient in found if (token, submission_id) in asked_for}
    return recipients & known_by_name(session, tokens, member_id)


def purge_derived(session: Session, before: datetime) -> int:
    """Delete what was disclosed before a time; how many rows."""
    return run_counted(session, delete(DerivedDisclosure).where(DerivedDisclosure.disclosed_at < before))
