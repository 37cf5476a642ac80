"""Law-enforcement queries on the wire: what is asked, how a query stands, and what it finds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import msgspec

from schemas.terms import (
    Classification,
    Handling,
    IndicatorType,
    InstitutionBand,
    QueryState,
    TrafficLight,
)
from schemas.values.message import (
    Code,
    Count,
    Day,
    DayText,
    Digest,
    DigestText,
    Flag,
    Form,
    IdCursor,
    Message,
    OwnId,
    RepresentativeId,
    ShortText,
    Time,
    Uuid,
    one_of,
)

MAX_TOKENS = 500
MAX_CASE = 64
QUERIES_PAGE = 50
SALT_BYTES = 32

Salt = Annotated[bytes, Form("Base64", SALT_BYTES)]
Sealed = Annotated[
    str, msgspec.Meta(description="texts, sealed to the reader's member (base64); null where it was enrolled later")
]
TypeCode = Annotated[str, one_of(IndicatorType)]
# What is empty is read here and refused by the rules, so that the refusal is recorded.
Case = Annotated[str, Form("Text", MAX_CASE, least=0)]


class QueryGrounds(Message, frozen=True):
    """On what a query stands, in words, as they are sealed to its readers (keys/sealing/query_papers.py). The salt
    (32 random bytes, base64) keeps them from being guessed from their digest.
    """

    case: str
    purpose: str
    necessity: str
    proportionality: str
    salt: str


class ExtensionGrounds(Message, frozen=True):
    """Why a query goes on, sealed likewise."""

    reason: str
    salt: str


class QueryApplication(Message, frozen=True):
    """What an officer applies for, but for what it is about. Dates are the last day of each."""

    case: Case
    legal_gateway: Code
    purpose: ShortText
    necessity: ShortText | None
    proportionality: ShortText | None
    authorised_by: RepresentativeId
    covert: Flag
    until: Day | None
    watch_until: Day | None
    silent: Flag


class AskQuery(QueryApplication, frozen=True):
    """A query as the agency asks it: `types` are those of `tokens`, one for one. Dates are the last day of each."""

    query_id: OwnId
    tokens: Annotated[list[Digest], Count(1, MAX_TOKENS)]
    types: Annotated[list[TypeCode], Count(1, MAX_TOKENS)]
    # Random: what is kept of the texts is their digest with it, and nobody guesses them from that.
    salt: Salt

    def faults(self) -> Iterator[tuple[str, str]]:
        """Each token once, and a type for each."""
        if len(set(self.tokens)) != len(self.tokens):
            yield "tokens", "duplicate token"
        elif len(self.types) != len(self.tokens):
            yield "types", "expected one type for each token"


class ApproveQuery(Message, frozen=True):
    """What the officer agrees to: the digest of the terms as they were read (schemas/queries/terms.py)."""

    terms_sha256: Digest


class ExtendQuery(Message, frozen=True):
    """A later last day, and why; with `watch_until`, a later last day of its watch, and then `until` may be the present
    one.
    """

    until: Day
    reason: ShortText
    salt: Salt
    watch_until: Day | None = None


class QueriesQuery(Message, frozen=True):
    """Which queries, and where to go on."""

    state: Annotated[str, one_of(QueryState)] | None = None
    cursor: IdCursor | None = None
    limit: Annotated[int, Form("QueryInteger", 1, QUERIES_PAGE)] = QUERIES_PAGE


class QueryStatus(Message, frozen=True):
    """How a query stands after a step."""

    query_id: Uuid
    state: Annotated[str, one_of(QueryState)]
    until: DayText
    watch_until: DayText | None


class OtherAgency(Message, frozen=True):
    """An agency that is about the same subject, and its authorising officer."""

    agency: str
    officer: str
    tokens: Annotated[list[str], msgspec.Meta(description="those of ours that both ask about")]


class ExtensionTerms(Message, frozen=True):
    """That a query, or its watch, was let last longer: by whom, and why (as a digest)."""

    by: str
    former_until: DayText
    until: DayText
    watch_until: Annotated[DayText, msgspec.Meta(description="if it went on too")] | None
    reason_sha256: str


class QueryExtension(ExtensionTerms, frozen=True):
    """That a query, or its watch, was let last longer: by whom, and why."""

    sealed: Sealed | None


class QueryHead(QueryStatus, frozen=True):
    """A query without its results. `subjects` counts what it asks about."""

    agency: str
    subjects: int
    legal_gateway: str
    paperwork_sha256: str
    sealed: Sealed | None
    asked_by: str
    authorised_by: str
    covert: bool
    silent: bool
    created_at: Time
    decided_at: Time | None
    deconfliction: bool
    others: list[OtherAgency]


class QueryHandling(Message, frozen=True):
    """The strictest marking of the rows behind a result, and every condition of theirs."""

    classification: Annotated[str, one_of(Classification)]
    tlp: Annotated[str, one_of(TrafficLight)]
    handling: Annotated[str, one_of(Handling)]
    conditions: str


class QueryResult(Message, frozen=True):
    """What is shown of one token. `institutions` are members' ids where the gateway allows names; `band` counts them.
    `protected` says that one of them holds the subject for a victim or an unwitting mule.
    """

    token: DigestText
    indicator_type: TypeCode
    hit: bool
    institutions: list[str]
    band: Annotated[str, one_of(InstitutionBand)] | None
    themes: list[str]
    first_seen: Annotated[str, msgspec.Meta(description="YYYY-MM or other")] | None
    hit_id: Uuid | None
    protected: bool
    handling: QueryHandling | None


class WholeQuery(QueryHead, frozen=True):
    """A query whole: `results` in the order in which it was asked, null unless it stands. `tokens` and `types` are null
    for an independent reviewer.
    """

    extensions: list[QueryExtension]
    subjects_sha256: str
    tokens: list[str] | None
    types: list[TypeCode] | None
    results: list[QueryResult] | None
    event_id: Uuid


class QueriesPage(Message, frozen=True):
    """One page of queries."""

    queries: list[QueryHead]
    next: str | None
    event_id: Uuid
