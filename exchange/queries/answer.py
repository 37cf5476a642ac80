"""Working out what an agency may see of the subjects of its query now, and recording the disclosure.

Rules, in order:
1. What may be shown follows present authority, the gateway's parties and live rows. Nothing of a bank is written or
   locked for it, and no submitter waits.
2. Every disclosure is an event for the agency and each reviewer at once, with a commitment to what each bank will get.
3. A row disclosed for the first time is recorded: as derived from its member, so that a withdrawal reaches the agency,
   also one in progress (exchange.corrections.notify looks for what was disclosed late); and for its member's own
   log, at once where the query is overt, else when its cover ends.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import groupby
from operator import attrgetter

import msgspec
from sqlalchemy.orm import Session

from exchange.gateways.legal_gateway import find_rule
from exchange.gateways.rules import QUERY, GatewayRule, Side
from exchange.indicators.derived import Derived, DerivedKind, note_derived
from exchange.indicators.store import StoredRow, read_rows
from exchange.indicators.submissions import read_envelopes
from exchange.kernel import outbox
from exchange.kernel.actor import Actor
from exchange.log.entries import RecordedEvent
from exchange.membership.authority import Authority
from exchange.membership.store import list_members, load_authority
from exchange.queries.decide import QueryLimits
from exchange.queries.rules import end_of, rows_shown, see_subject, withhold
from exchange.queries.store import (
    Disclosed,
    Match,
    QueriedToken,
    Query,
    add_matches,
    mark_disclosed,
    matches_of,
    subjects_of,
    withheld_matches,
)
from exchange.queries.views import authorisation_record, notify_overseers
from exchange.requests.rows import with_onward
from schemas.marking import marking_of_envelope, strictest
from schemas.queries.cover import QueryDisclosure
from schemas.queries.messages import QueryHandling, QueryResult
from schemas.terms import MemberKind, TrafficLight
from schemas.values.canonical import digest
from schemas.values.encoding import to_base64, to_rfc3339
from schemas.values.message import narrowed


@dataclass(frozen=True, slots=True)
class QueryAnswer:
    """The results, in the order asked, and the event by which they were disclosed."""

    results: list[QueryResult]
    event_id: str


def rows_for(
    session: Session, query: Query, subjects: Sequence[QueriedToken], limits: QueryLimits, now: datetime
) -> dict[bytes, list[StoredRow]]:
    """The live rows that may be disclosed to the query's agency now, by token. Only reads."""
    authority, today = load_authority(session, now), now.date()
    rule, agency = find_rule(query.legal_gateway, limits.rules), Side(query.member_id, MemberKind.LAW_ENFORCEMENT)
    open_to = {
        member.member_id
        for member in list_members(session)
        if rule is not None and QUERY in rule.modes and rule.is_open(Side(member.member_id, member.kind), agency)
    }
    found: dict[bytes, list[StoredRow]] = defaultdict(list)
    for row in read_rows(session, [subject.token for subject in subjects]):
        is_shown = rows_shown(query.member_id, [row.holding], authority) and row.holding.member_id in open_to
        if is_shown and row.expires_on >= today:
            found[row.holding.token].append(row)
    return found


def matches_in(rows: Mapping[bytes, Iterable[StoredRow]]) -> set[Match]:
    """What of the rows is disclosed."""
    return {
        Match(row.holding.token, row.holding.member_id, row.submission_id) for some in rows.values() for row in some
    }


def answer_query(
    session: Session, kind: str, query: Query, limits: QueryLimits, *, actor: Actor, now: datetime
) -> QueryAnswer:
    """What is disclosed to the agency now, recorded as an event of that kind. Raises LogUnavailableError."""
    subjects = subjects_of(session, query.query_id)
    rows = rows_for(session, query, subjects, limits, now)
    rule = find_rule(query.legal_gateway, limits.rules)
    results = _results(session, rule, subjects, rows, load_authority(session, now))
    said = {
        "representative_id": actor.representative_id,
        "hit_ids": [result.hit_id for result in results if result.hit],
        "results_sha256": to_base64(digest(msgspec.to_builtins(results))),
    }
    fresh = matches_in(rows) - matches_of(session, query.query_id)
    event = record_disclosed_rows(session, kind, query, fresh, said, now=now, actor=actor)
    return QueryAnswer(results, event.event_id)


def record_disclosed_rows(
    session: Session,
    kind: str,
    query: Query,
    fresh: Iterable[Match],
    said: Mapping[str, object],
    *,
    now: datetime,
    actor: Actor | None = None,
    derived: DerivedKind = DerivedKind.QUERY,
) -> RecordedEvent:
    """Record the disclosure of new rows to the agency; their banks are notified too unless the query is covert."""
    new = sorted(fresh, key=lambda match: (match.member_id, match.token, match.submission_id))
    bodies = {
        member_id: _bank_body(query, member_id, {match.token for match in some}, now)
        for member_id, some in groupby(new, attrgetter("member_id"))
    }
    commitments = {name: to_base64(withhold(query.cover_salt, body)[1]) for name, body in bodies.items()}
    event = notify_overseers(
        session,
        kind,
        query,
        {**authorisation_record(query), **said, "withheld_sha256": to_base64(digest(commitments))},
        now,
        to_reviewers={"withheld": commitments},
        actor=actor,
    )
    add_matches(session, query.query_id, new, Disclosed(event.event_id, now, None))
    covert_until = end_of(query.ends_on) if query.covert else None
    note_derived(
        session,
        [
            Derived(
                match.token,
                query.member_id,
                derived,
                query.query_id,
                match.member_id,
                match.submission_id,
                event.event_id,
                now,
                covert_until,
            )
            for match in new
        ],
    )
    if new and not query.covert:
        notify_banks(session, query, now)
    return event


def notify_banks(session: Session, query: Query, now: datetime) -> None:
    """Notify each member whose rows were disclosed to the agency, in its own log and by a notice: who asked, under
    which gateway, when, and about which tokens of its own. The case is not disclosed. Raises LogUnavailableError.
    """
    by_bank: dict[str, list[Mapping[str, object]]] = defaultdict(list)
    disclosed: dict[str, list[str]] = defaultdict(list)
    ordered = sorted(withheld_matches(session, query.query_id), key=attrgetter("member_id", "told_at", "event_id"))
    for (member_id, told_at, _), some in groupby(ordered, attrgetter("member_id", "told_at", "event_id")):
        body = _bank_body(query, member_id, {match.token for match in some}, told_at)
        salt, commitment = withhold(query.cover_salt, body)
        by_bank[member_id].append({**body, "salt": to_base64(salt)})
        disclosed[member_id].append(to_base64(commitment))
    event = notify_overseers(
        session,
        "le_query_disclosed",
        query,
        authorisation_record(query),
        now,
        to_reviewers={"told": sorted(by_bank), "disclosed": disclosed},
        to_banks={member_id: {"query_id": query.query_id, "told": bodies} for member_id, bodies in by_bank.items()},
    )
    mark_disclosed(session, query.query_id, now)
    outbox.send(session, "le_query_disclosed", event.event_id, by_bank, now)


def _bank_body(query: Query, member_id: str, tokens: Iterable[bytes], told_at: datetime) -> dict[str, object]:
    """What a bank will learn of one disclosure; fixed by a commitment from then on."""
    disclosure = QueryDisclosure(
        query_id=query.query_id,
        agency=query.member_id,
        legal_gateway=query.legal_gateway,
        holder=member_id,
        told_at=to_rfc3339(told_at),
        tokens=sorted(to_base64(token) for token in tokens),
    )
    body: dict[str, object] = msgspec.to_builtins(disclosure)
    return body


def _results(
    session: Session,
    rule: GatewayRule | None,
    subjects: Sequence[QueriedToken],
    rows: Mapping[bytes, Sequence[StoredRow]],
    authority: Authority,
) -> list[QueryResult]:
    envelopes = read_envelopes(session, {row.submission_id for some in rows.values() for row in some})
    results = []
    for subject in subjects:
        some = rows.get(subject.token, ())
        red = {row.holding.member_id for row in some if envelopes[row.submission_id].tlp == TrafficLight.RED}
        named = {row.holding.member_id for row in some} - red if rule is not None and rule.names else set()
        finding = see_subject([row.holding for row in some], authority, named)
        found = _no_hit(subject)
        if finding is not None:
            marking = with_onward(strictest(marking_of_envelope(envelopes[row.submission_id]) for row in some), rule)
            found = msgspec.structs.replace(
                found,
                hit=True,
                hit_id=subject.hit_id,
                institutions=list(finding.institutions),
                band=finding.band,
                themes=list(finding.themes),
                first_seen=finding.first_seen,
                protected=marking.protected_subject,
                handling=narrowed(marking, QueryHandling),
            )
        results.append(found)
    return results


def _no_hit(subject: QueriedToken) -> QueryResult:
    return QueryResult(
        token=to_base64(subject.token),
        indicator_type=subject.indicator_type,
        hit=False,
        institutions=[],
        band=None,
        themes=[],
        first_seen=None,
        hit_id=None,
        protected=False,
        handling=None,
    )
