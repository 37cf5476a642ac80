"""Whether a query may be asked, approved and read: the rules (rules.py, exchange.gateways), given what is known now."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.orm import Session

from exchange.gateways.legal_gateway import DisclosureCase, Signatory, decide_asking, decide_disclosure, is_open_to
from exchange.gateways.rules import QUERY, RULES, GatewayRules, Side
from exchange.gateways.safeguards import decide_texts
from exchange.kernel.decision import Decision
from exchange.kernel.limits import LONGEST_QUERY_DAYS
from exchange.membership.store import find_member, find_representative, list_reviewers, load_authority
from exchange.queries.rules import (
    NO_AGENCY,
    Officer,
    QueryTerms,
    decide_agency,
    decide_case,
    decide_officers,
    decide_terms,
)
from exchange.queries.store import Query
from schemas.queries.messages import QueryGrounds
from schemas.terms import MemberKind


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """The gateways' rules, and how many days ahead a query may end at most."""

    rules: GatewayRules
    longest_days: int


DEFAULT_LIMITS = QueryLimits(RULES, LONGEST_QUERY_DAYS)


def decide_asking_query(
    session: Session, query: Query, grounds: QueryGrounds, terms: QueryTerms, limits: QueryLimits, *, now: datetime
) -> Decision:
    """Whether the query may wait for its authoriser, with every reason against."""
    paper = {name: getattr(grounds, name) for name in QueryGrounds.__struct_fields__ if name != "salt"}
    texts = decide_case(grounds.case) & decide_texts(paper)
    gateway = decide_asking(_case_of(session, query, now, grounds=grounds), limits.rules)
    return _decide_query(session, query, terms, limits, now, gateway=texts & gateway)


def decide_ground(session: Session, query: Query, limits: QueryLimits, now: datetime) -> Decision:
    """Whether its gateway carries the query now, whoever may disclose. Its texts were judged when it was asked."""
    return decide_asking(_case_of(session, query, now), limits.rules)


def decide_answering(session: Session, query: Query, limits: QueryLimits, now: datetime) -> Decision:
    """Whether the query may be answered now that its authoriser agrees, with every reason against. The texts were
    judged when it was asked: its terms hold their digest, and only their readers can open them.
    """
    terms = QueryTerms(query.covert, query.ends_on, query.watch_until)
    case = _case_of(session, query, now, limits)
    return _decide_query(session, query, terms, limits, now, gateway=decide_disclosure(case, limits.rules))


def decide_reading(session: Session, query: Query, now: datetime) -> Decision:
    """Whether what its query finds may still be disclosed to an agency."""
    member = find_member(session, query.member_id)
    return decide_agency(query.member_id, "" if member is None else member.kind, load_authority(session, now))


def _decide_query(
    session: Session, query: Query, terms: QueryTerms, limits: QueryLimits, now: datetime, *, gateway: Decision
) -> Decision:
    """All rules, that of the gateway with them. A member that is not an agency gets that reason alone: no other would
    help it.
    """
    agency = decide_reading(session, query, now)
    if any(reason.code == NO_AGENCY for reason in agency.reasons):
        return agency
    has_reviewer = bool(list_reviewers(session))
    officers = [_officer_of(session, query, name) for name in (query.asker_id, query.authoriser_id)]
    return (
        agency
        & decide_officers(*officers)
        & decide_terms(terms, has_reviewer=has_reviewer, today=now.date(), longest_days=limits.longest_days)
        & gateway
    )


def _officer_of(session: Session, query: Query, representative_id: str) -> Officer | None:
    """The representative, if it is one of the query's agency."""
    found = find_representative(session, representative_id)
    if found is None or found.member_id != query.member_id:
        return None
    return Officer(found.representative_id, found.public_key, found.roles, found.is_active)


def _case_of(
    session: Session,
    query: Query,
    now: datetime,
    limits: QueryLimits | None = None,
    grounds: QueryGrounds | None = None,
) -> DisclosureCase:
    """What the gateway looks at; with `limits`, also who agrees and who discloses: any kind to which it is open. Texts
    that are not given were judged before.
    """
    asker, authoriser = (_officer_of(session, query, name) for name in (query.asker_id, query.authoriser_id))
    agency = Side(query.member_id, MemberKind.LAW_ENFORCEMENT)
    every_kind = () if limits is None else (Side("", kind) for kind in MemberKind)
    disclosers = (side for side in every_kind if limits and is_open_to(query.legal_gateway, side, agency, limits.rules))
    return DisclosureCase(
        gateway=query.legal_gateway,
        mode=QUERY,
        purpose="" if grounds is None else grounds.purpose,
        necessity="" if grounds is None else grounds.necessity,
        proportionality="" if grounds is None else grounds.proportionality,
        is_stated_before=grounds is None,
        asker=Signatory(query.asker_id, b"" if asker is None else asker.public_key),
        now=now,
        recipient=agency,
        discloser=next(disclosers, None),
        authoriser=None
        if limits is None or authoriser is None
        else Signatory(query.authoriser_id, authoriser.public_key),
    )
