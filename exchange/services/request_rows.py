"""The rows behind an information request, under present authority: the requester's own, and those of the holders."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from sqlalchemy.orm import Session

from exchange.domain.authority import Authority
from exchange.domain.legal_gateway import DisclosureCase
from exchange.domain.matching import split_overlap
from exchange.domain.safeguards import is_protected, strictest_handling
from exchange.store.indicators import StoredRow, find_rows
from exchange.store.membership import load_authority
from exchange.store.queries import read_envelopes


@dataclass(frozen=True, slots=True)
class RequestRows:
    """`live`: the requester's rows whose last day has not passed, in whichever group. `own` and `others`: its rows, and
    those of others, that overlap in open groups.
    """

    authority: Authority
    live: list[StoredRow]
    own: list[StoredRow]
    others: list[StoredRow]

    def of_holder(self, member_id: str) -> list[StoredRow]:
        """One holder's rows."""
        return [row for row in self.others if row.holding.member_id == member_id]

    @property
    def holders(self) -> set[str]:
        """The members that hold the token with the requester."""
        return {row.holding.member_id for row in self.others}


def find_request_rows(session: Session, requester: str, token: bytes, now: datetime) -> RequestRows:
    """The rows of a token as they are now. Of one that is taken back meanwhile, the worker tells whoever was told late
    (exchange.services.tell_corrections).
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


def with_grounds(session: Session, case: DisclosureCase, rows: Iterable[StoredRow]) -> DisclosureCase:
    """The case with the themes and evidence standards of the rows that it rests on."""
    envelopes = read_envelopes(session, {row.submission_id for row in rows}).values()
    return replace(
        case,
        themes=frozenset(envelope["theme"] for envelope in envelopes),
        standards=frozenset(envelope["evidence_standard"] for envelope in envelopes),
    )


def marking_of(session: Session, rows: Iterable[StoredRow]) -> dict[str, Any]:
    """The marking of what rests on the rows, at least one: the most restrictive of all, and whether the subject is to
    be protected.
    """
    envelopes = list(read_envelopes(session, {row.submission_id for row in rows}).values())
    protected = any(is_protected(envelope["subject_role"]) for envelope in envelopes)
    return {**strictest_handling(envelopes), "protected_subject": protected}
