"""Reading who could share with whom at earlier times out of the registrars' statements, which are kept for good.

A statement counts from when it came into force until the next one about its subject does. Of the operator's own stops
only the present ones are known.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from sqlalchemy.orm import Session

from exchange.membership.past_authority import PastAuthority, Span, earlier
from exchange.membership.statements import StoredStatement, effective_by_subject
from exchange.membership.store import stops_of_members
from keys.statements.types import (
    AnyStatement,
    GroupState,
    GroupStatement,
    MemberState,
    MemberStatement,
    parse_statement,
)


def load_past_authority(session: Session, group_ids: Collection[str], member_ids: Collection[str]) -> PastAuthority:
    """What is known of those groups and members."""
    stops = stops_of_members(session, member_ids)
    active = {}
    for member_id, stored in effective_by_subject(session, "member", member_ids).items():
        spans = [Span(span.since, earlier(span.until, stops.get(member_id))) for span, _ in _active(stored)]
        active[member_id] = [span for span in spans if not span.ends_before(span.since)]
    groups = effective_by_subject(session, "group", group_ids)
    return PastAuthority({group_id: list(_open(stored)) for group_id, stored in groups.items()}, active)


def _open(stored: Sequence[StoredStatement]) -> Iterator[tuple[Span, frozenset[str]]]:
    for span, stated in _in_force(stored):
        if isinstance(stated, GroupStatement) and stated.state is GroupState.OPEN:
            opened = Span(span.since, earlier(span.until, stated.sunset))
            if not opened.ends_before(opened.since):
                yield opened, stated.members


def _active(stored: Sequence[StoredStatement]) -> Iterator[tuple[Span, MemberStatement]]:
    for span, stated in _in_force(stored):
        if isinstance(stated, MemberStatement) and stated.state is MemberState.ACTIVE:
            yield span, stated


def _in_force(stored: Sequence[StoredStatement]) -> Iterator[tuple[Span, AnyStatement]]:
    """Statements about one subject, in order, with when each was in force."""
    ends = [one.effective_at for one in stored[1:]]
    for one, until in zip(stored, [*ends, None], strict=True):
        assert one.effective_at is not None  # noqa: S101 - it came into force; for the type checker
        yield Span(one.effective_at, until), parse_statement(one.payload)
