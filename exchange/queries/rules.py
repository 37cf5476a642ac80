"""The rules of law-enforcement queries: who may ask whom, for how long, what is answered, and what is withheld from the
banks until the cover ends.

In order:
1. An agency asks, for a case, by an officer who investigates; another officer with another key authorises it.
2. Covert work has a mandatory last day, and an independent reviewer who reads of it at once; without one it is refused.
3. A watch ends with the query at the latest, for its matches are covered by the same authority.
4. Names of institutions are disclosed where the gateway allows it and no row of theirs is marked TLP:RED, else the band
   alone; what a band may say beside itself is what any member's hit may (exchange.indicators.matching).
5. What a bank learns when cover ends was fixed when the agency learned it: its digest is in the log from then on.
"""

from __future__ import annotations

import hmac
from collections.abc import Container, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta

from exchange.indicators.matching import OTHER, Holding, band_of
from exchange.kernel.decision import ALLOWED, Decision, refuse
from exchange.membership.authority import Authority
from schemas.queries.cover import commit_to_disclosure
from schemas.terms import MemberKind, Role
from schemas.values.canonical import canonical_json

OVERT_DAYS = 90
"""How long an overt query that names no last day stands."""

NO_AGENCY = "law-enforcement"


@dataclass(frozen=True, slots=True)
class QueryTerms:
    """What a query is asked for. Days are the last on which it, and its watch, stand."""

    covert: bool
    until: date | None
    watch_until: date | None


@dataclass(frozen=True, slots=True)
class Officer:
    """A representative of an agency as it stands now."""

    representative_id: str
    public_key: bytes
    roles: frozenset[str]
    is_active: bool


@dataclass(frozen=True, slots=True)
class SubjectFinding:
    """What an agency may see of one token: institutions by their ids, those that may be named; `first_seen`
    is `YYYY-MM` or `other`.
    """

    institutions: tuple[str, ...]
    band: str
    themes: tuple[str, ...]
    first_seen: str


def decide_agency(member_id: str, kind: str, authority: Authority) -> Decision:
    """Only law enforcement queries, and only in open groups that it is in."""
    if kind != MemberKind.LAW_ENFORCEMENT:
        return refuse(NO_AGENCY, "query_id", "only a member of law enforcement queries")
    if not any(authority.is_in(group_id, member_id) for group_id in authority.groups):
        return refuse("group", "query_id", "you are in no open group")
    return ALLOWED


def decide_officers(asker: Officer | None, authoriser: Officer | None) -> Decision:
    """Two people of one agency, each with a key and a role of its own; None for one who is not of it."""
    decision = ALLOWED
    if asker is None or not asker.is_active or Role.INVESTIGATOR not in asker.roles:
        decision &= refuse("investigator", "query_id", "the one who asked may not ask: an investigator asks anew")
    if authoriser is None or not authoriser.is_active or Role.AUTHORISER not in authoriser.roles:
        required = "name an active representative of yours with the role authoriser"
        return decision & refuse("authoriser", "authorised_by", required)
    if asker is not None and (
        asker.representative_id == authoriser.representative_id or asker.public_key == authoriser.public_key
    ):
        decision &= refuse("same-person", "authorised_by", "another person, with another key, authorises")
    return decision


def decide_case(case: str) -> Decision:
    """Whether a case is named."""
    return ALLOWED if case.strip() else refuse("no-case", "case", "name the case")


def decide_terms(terms: QueryTerms, *, has_reviewer: bool, today: date, longest_days: int) -> Decision:
    """Whether days and cover are as they must be."""
    decision = ALLOWED
    if terms.covert and terms.until is None:
        decision &= refuse("no-end", "until", "a covert query names its last day")
    if terms.covert and not has_reviewer:
        decision &= refuse("no-reviewer", "covert", "no independent reviewer is enrolled, who would read of it")
    if terms.until is not None:
        decision &= decide_end(terms.until, today, longest_days)
    if terms.watch_until is None:
        return decision
    if terms.watch_until < today:
        decision &= refuse("watch-passed", "watch_until", "the last day of the watch has passed")
    if terms.watch_until > (terms.until or today + timedelta(days=longest_days)):
        decision &= refuse("watch-too-late", "watch_until", "a watch ends with its query at the latest")
    return decision


def decide_end(until: date, today: date, longest_days: int) -> Decision:
    """Whether a query may end on that day."""
    if until < today:
        return refuse("end-passed", "until", "the last day has passed")
    if until > today + timedelta(days=longest_days):
        return refuse("end-too-late", "until", f"at most {longest_days} days from today; extend it later")
    return ALLOWED


def decide_extension(
    present: date, until: date, reason: str, today: date, longest_days: int, *, only_watch: bool = False
) -> Decision:
    """Whether a query that stands until `present` may stand until a later day; with `only_watch`, its last day may
    stay as it is.
    """
    decision = decide_end(until, today, longest_days)
    if until < present or (until == present and not only_watch):
        decision &= refuse("no-extension", "until", f"it is in force until {present.isoformat()} already")
    if not reason.strip():
        decision &= refuse("no-reason", "reason", "say why it must go on")
    return decision


def decide_longer_watch(present: date | None, requested: date, until: date, today: date) -> Decision:
    """Whether a watch whose last day is `present` may go on until `requested`, in a query that stands until `until`."""
    if present is None or present < today:
        return refuse("no-watch", "watch_until", "no watch of it is on")
    if requested <= present:
        return refuse("no-extension", "watch_until", f"it watches until {present.isoformat()} already")
    if requested > until:
        return refuse("watch-too-late", "watch_until", "a watch ends with its query at the latest")
    return ALLOWED


def last_day_of(terms: QueryTerms, today: date) -> date:
    """The last day of a query's authority."""
    return terms.until or max(today + timedelta(days=OVERT_DAYS), terms.watch_until or today)


def end_of(day: date) -> datetime:
    """The first moment after a day, in UTC."""
    return datetime.combine(day + timedelta(days=1), time(), UTC)


def rows_shown(member_id: str, rows: Sequence[Holding], authority: Authority) -> list[Holding]:
    """The rows of others, in groups that they and the agency are both in now."""
    return [
        row
        for row in rows
        if row.member_id != member_id
        and authority.is_in(row.group_id, row.member_id)
        and authority.is_in(row.group_id, member_id)
    ]


def see_subject(rows: Sequence[Holding], authority: Authority, named: Container[str]) -> SubjectFinding | None:
    """What may be seen of one token's rows (rows_shown), `named` being the members that may be; None for no row."""
    if not rows:
        return None
    institutions = {row.member_id for row in rows}
    shown = [row for row in rows if row.member_id in named or authority.is_sector_shown(row.group_id, row.member_id)]
    hidden = {OTHER} if len(shown) < len(rows) else set()
    months = [row.first_seen[:7] for row in shown if row.first_seen is not None]
    return SubjectFinding(
        institutions=tuple(sorted(one for one in institutions if one in named)),
        band=band_of(len(institutions)),
        themes=tuple(sorted({row.theme for row in shown} | hidden)),
        first_seen=min(months, default=OTHER),
    )


def decide_mutual_disclosure(is_silent: bool, is_other_silent: bool) -> tuple[bool, bool]:
    """Of two agencies' queries on one subject: whether the first one's officer learns of the other, and the other way
    round. A silent case is learnt of by nobody.
    """
    return not is_other_silent, not is_silent


def withhold(cover_salt: bytes, body: Mapping[str, object]) -> tuple[bytes, bytes]:
    """Salt and commitment, 32 bytes each, of what a bank will learn (schemas.queries.cover). The salt follows from
    the query's secret and the body, so that it need not be kept for each bank.
    """
    salt = hmac.digest(cover_salt, canonical_json(dict(body)), "sha256")
    return salt, commit_to_disclosure(salt, body)
