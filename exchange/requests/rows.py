"""The rows behind an information request, under present authority: the requester's own, and those of the holders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime

import msgspec
from sqlalchemy.orm import Session

from exchange.gateways.legal_gateway import DisclosureCase
from exchange.gateways.rules import GatewayRule
from exchange.indicators.derived import Derived, DerivedKind, note_derived
from exchange.indicators.matching import split_overlap
from exchange.indicators.store import StoredRow, find_rows
from exchange.indicators.submissions import read_envelopes
from exchange.membership.authority import Authority
from exchange.membership.store import load_authority
from exchange.requests.store import InformationRequest
from schemas.marking import Marking, marking_of_envelope, strictest


@dataclass(frozen=True, slots=True)
class RequestRows:
    """`live`: the requester's rows whose last day has not passed, in whichever group. `own`: its rows in open
    groups, also in those in which nobody holds the token with it. `others`: rows of others that overlap with these.
    """

    authority: Authority
    live: list[StoredRow]
    own: list[StoredRow]
    others: list[StoredRow]

    def of_holder(self, member_id: str) -> list[StoredRow]:
        """One holder's rows."""
        return [row for row in self.others if row.holding.member_id == member_id]

    def own_beside(self, member_id: str) -> list[StoredRow]:
        """The requester's rows in the groups in which that holder has one."""
        groups = {row.holding.group_id for row in self.of_holder(member_id)}
        return [row for row in self.own if row.holding.group_id in groups]

    @property
    def holders(self) -> set[str]:
        """The members that hold the token with the requester."""
        return {row.holding.member_id for row in self.others}


def find_request_rows(session: Session, requester: str, token: bytes, now: datetime) -> RequestRows:
    """The rows of a token as they are now. Of one that is taken back meanwhile, the worker notifies late recipients
    (exchange.corrections.notify).
    """
    authority = load_authority(session, now)
    rows = {row.key: row for row in find_rows(session, [token]) if row.expires_on >= now.date()}
    own, others = split_overlap(requester, [row.holding for row in rows.values()], authority)
    overlapping = {(row.token, row.group_id, row.member_id) for row in (*own, *others)}
    kept = [row for key, row in rows.items() if key in overlapping]
    return RequestRows(
        authority=authority,
        live=[row for row in rows.values() if row.holding.member_id == requester],
        own=[row for row in kept if row.holding.member_id == requester],
        others=[row for row in kept if row.holding.member_id != requester],
    )


def submissions_of(rows: Iterable[StoredRow]) -> list[str]:
    """The submissions that the rows belong to, each once, in order."""
    return sorted({row.submission_id for row in rows})


def note_asked(
    session: Session,
    info: InformationRequest,
    rows: RequestRows,
    *,
    holders: Iterable[str],
    event_id: str,
    now: datetime,
) -> None:
    """Note that holders were shown the request, which rests on the requester's rows beside theirs."""
    note_derived(
        session,
        (
            Derived(
                token=info.token,
                recipient_member_id=holder,
                kind=DerivedKind.REQUEST,
                object_id=info.request_id,
                source_member_id=info.member_id,
                submission_id=submission_id,
                event_id=event_id,
                disclosed_at=now,
            )
            for holder in holders
            for submission_id in submissions_of(rows.own_beside(holder))
        ),
    )


def with_grounds(session: Session, case: DisclosureCase, rows: Iterable[StoredRow]) -> DisclosureCase:
    """The case with the themes and evidence standards of the rows that it rests on."""
    envelopes = read_envelopes(session, {row.submission_id for row in rows}).values()
    return replace(
        case,
        themes=frozenset(envelope.theme for envelope in envelopes),
        standards=frozenset(envelope.evidence_standard for envelope in envelopes),
    )


def marking_of(session: Session, rows: Iterable[StoredRow], rule: GatewayRule | None) -> Marking:
    """The marking of what rests on the rows, at least one, and is disclosed under that rule: the most restrictive of
    all, and whether the subject is to be protected.
    """
    envelopes = read_envelopes(session, {row.submission_id for row in rows}).values()
    return with_onward(strictest(map(marking_of_envelope, envelopes)), rule)


def with_onward(marking: Marking, rule: GatewayRule | None) -> Marking:
    """The marking with the conditions of the gateway itself."""
    onward = () if rule is None else rule.onward
    return msgspec.structs.replace(marking, conditions="\n".join(filter(None, [marking.conditions, *onward])))
