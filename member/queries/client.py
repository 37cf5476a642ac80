"""Law-enforcement queries at the exchange, as an agency sees them: one method a request, every answer checked for its
form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from keys.sealing.query_papers import SALT_BYTES
from member.errors import AnswerError
from member.queries.papers import QueryPapers
from member.transport import wire
from member.transport.channel import Channel, decode
from member.transport.outgoing import Outgoing, reading
from member.transport.pages import ListBound, walk
from member.vault.store import Vault
from schemas.query_terms import subjects_digest, terms_digest
from schemas.values.canonical import canonical_json, digest
from schemas.values.encoding import from_base64, to_base64

_PAGE = 50
T = TypeVar("T")


class QueryStanding(msgspec.Struct, frozen=True):
    """How a query stands after a step. Days are the last of its authority and of its watch."""

    query_id: str
    state: str
    until: str
    watch_until: str | None


class OtherAgency(msgspec.Struct, frozen=True):
    """An agency that is about the same subjects, its authorising officer, and those of our tokens (base64)."""

    agency: str
    officer: str
    tokens: list[str]


class Extension(msgspec.Struct, frozen=True):
    """That a query was let last longer: by whom, and why."""

    by: str
    former_until: str
    until: str
    watch_until: str | None
    reason: str


class QueryHead(QueryStanding, frozen=True, kw_only=True):
    """A query without its results."""

    agency: str
    subjects: int
    case: str
    legal_gateway: str
    purpose: str
    necessity: str
    proportionality: str
    asked_by: str
    authorised_by: str
    covert: bool
    silent: bool
    created_at: str
    decided_at: str | None
    deconfliction: bool
    others: list[OtherAgency]


class Handling(msgspec.Struct, frozen=True):
    """The strictest marking of the rows behind a result, and their conditions."""

    classification: str
    tlp: str
    handling: str
    conditions: str


class QueryResult(msgspec.Struct, frozen=True):
    """What is told of one token (base64)."""

    token: str
    indicator_type: str
    hit: bool
    institutions: list[str]
    band: str | None
    themes: list[str]
    first_seen: str | None
    hit_id: str | None
    protected: bool
    handling: Handling | None

    def token_bytes(self) -> bytes:
        """The token, 32 bytes; AnswerError if it is none."""
        try:
            return from_base64(self.token, 32)
        except ValueError as error:
            raise AnswerError("the exchange showed a result without a proper token") from error


class ReadQuery(QueryHead, frozen=True, kw_only=True):
    """A query whole. `results` is None unless it stands, `tokens` and `types` for an independent reviewer. Both digests
    (base64) are computed here from what came.
    """

    extensions: list[Extension]
    subjects_sha256: str
    salt: str
    tokens: list[str] | None
    types: list[str] | None
    results: list[QueryResult] | None
    event_id: str
    results_sha256: str = ""
    terms_sha256: str = ""


class _Page(msgspec.Struct, frozen=True):
    queries: list[dict[str, Any]]
    next: str | None


class QueryClient:
    """The requests of one representative about queries."""

    def __init__(self, channel: Channel, vault: Vault, member_id: str) -> None:
        self._channel = channel
        self._vault = vault
        self._papers = QueryPapers(vault, member_id)
        self._outgoing = Outgoing(vault, channel)
        self._server = channel.base_url

    def ask(self, said: Mapping[str, Any], make: Callable[[], Mapping[str, Any]]) -> QueryStanding:
        """Hand in the query that `make` gives, to be authorised; `said` is what a person said of it."""
        return self._outgoing.post(wire.QUERIES, said, make, reading(QueryStanding, "query_id", self._server))

    def is_asking(self, said: Mapping[str, Any]) -> bool:
        """Whether a query was sent whose arrival is not certain yet."""
        return self._outgoing.is_on_its_way(wire.QUERIES, said)

    @property
    def signer(self) -> str:
        """Who asks."""
        return self._channel.signer or ""

    def approve(self, query_id: str, terms_sha256: str) -> ReadQuery:
        """Authorise a query on the terms that were read; it is answered. Once sent, the same terms are sent until the
        exchange has decided.
        """
        path = f"{wire.QUERIES}/{query_id}/approve"
        sent = {"terms_sha256": terms_sha256}
        return self._outgoing.post(path, {}, lambda: sent, lambda _, body: self._read(query_id, body))

    def is_approving(self, query_id: str) -> bool:
        """Whether an approval was sent whose arrival is not certain yet."""
        return self._outgoing.is_on_its_way(f"{wire.QUERIES}/{query_id}/approve", {})

    def read(self, query_id: str) -> ReadQuery:
        """A query with what it finds now."""
        return self._read(query_id, self._channel.get(f"{wire.QUERIES}/{query_id}").body)

    def extend(self, query_id: str, value: Mapping[str, Any]) -> QueryStanding:
        """Let a query, or its watch, last longer. The salt of its reason follows from the act under a secret of the
        vault, so that the same act again is the same.
        """
        salt = self._vault.cipher.mac("extension_salt", query_id.encode(), canonical_json(dict(value)))
        return self.step(query_id, "extend", {**value, "salt": to_base64(salt[:SALT_BYTES])})

    def step(self, query_id: str, step: str, value: Mapping[str, Any]) -> QueryStanding:
        """Refuse or extend a query, or end its watch."""
        body = self._outgoing.act(f"{wire.QUERIES}/{query_id}/{step}", value).body
        return decode(body, QueryStanding, self._server)

    def queries(self, state: str | None = None) -> Iterator[QueryHead]:
        """Every query that the representative may read, page by page."""
        parameters: dict[str, str | int] = {"limit": _PAGE} | ({} if state is None else {"state": state})
        for page, _ in walk(self._channel, wire.QUERIES, parameters, _Page, ListBound("queries")):
            for query in page.queries:
                yield self._formed(self._papers.open_query(query), QueryHead)

    def _read(self, query_id: str, body: bytes) -> ReadQuery:
        whole = decode(body, dict[str, Any], self._server)
        if whole.get("query_id") != query_id:
            raise AnswerError("the exchange showed another query than was asked for")
        read = self._formed(self._papers.open_query(whole), ReadQuery)
        try:
            if read.tokens is not None and subjects_digest(read.tokens, read.types or []) != read.subjects_sha256:
                raise AnswerError("the exchange showed other subjects than its digest of them says")
            terms, results = terms_digest(whole), to_base64(digest(whole["results"]))
        except ValueError as error:  # no canonical form, or not a type for each token
            raise AnswerError("the exchange showed a query without a canonical form") from error
        return msgspec.structs.replace(read, results_sha256=results, terms_sha256=terms)

    def _formed(self, document: Mapping[str, Any], form: type[T]) -> T:
        """What was shown, in its form. AnswerError if it has another."""
        try:
            return msgspec.convert(document, form)
        except msgspec.ValidationError as error:
            raise AnswerError(f"{self._server} answered something else than was asked for: {error}") from error
