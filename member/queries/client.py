"""Law-enforcement queries at the exchange, as an agency sees them: one method a request, every answer checked for its
form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Self

import msgspec

from member.errors import AnswerError
from member.queries.papers import QueryPapers
from member.transport import wire
from member.transport.channel import Channel, Identity, decode
from member.transport.outgoing import Outgoing, reading
from member.transport.pages import ListBound, walk
from member.vault.store import Vault
from member.workplace.workplace import Workplace
from schemas.queries.messages import (
    QUERIES_PAGE,
    SALT_BYTES,
    ApproveQuery,
    AskQuery,
    ExtendQuery,
    QueriesPage,
    QueryGrounds,
    QueryHead,
    QueryStatus,
    WholeQuery,
)
from schemas.queries.terms import subjects_digest, terms_digest
from schemas.values.canonical import canonical_json, digest
from schemas.values.encoding import from_base64, to_base64


@dataclass(frozen=True)
class OpenedHead:
    """A query as a list shows it, and its texts."""

    query: QueryHead
    grounds: QueryGrounds


@dataclass(frozen=True)
class OpenedQuery:
    """A query whole, and its texts: `reasons` are those of its extensions. Both digests (base64) are computed here from
    what came.
    """

    query: WholeQuery
    grounds: QueryGrounds
    reasons: list[str]
    results_sha256: str
    terms_sha256: str


class QueryClient:
    """The requests of one representative about queries."""

    def __init__(self, channel: Channel, vault: Vault, member_id: str) -> None:
        self._channel = channel
        self._vault = vault
        self._papers = QueryPapers(vault, member_id)
        self._outgoing = Outgoing(vault, channel)
        self._server = channel.base_url

    @classmethod
    def at(cls, workplace: Workplace, officer: Identity | None = None) -> Self:
        """As the acting representative, or as an officer of the same home."""
        if officer is None:
            channel = workplace.exchange_channel
        else:
            channel = workplace.channel(workplace.home.exchange_url, officer)
        return cls(channel, workplace.vault, workplace.home.member_id)

    def ask(self, said: Mapping[str, object], make: Callable[[], AskQuery]) -> QueryStatus:
        """Hand in the query that `make` gives, to be authorised; `said` is what a person said of it."""
        return self._outgoing.post(wire.QUERIES, said, make, reading(QueryStatus, "query_id", self._server))

    def is_asking(self, said: Mapping[str, object]) -> bool:
        """Whether a query was sent whose arrival is not certain yet."""
        return self._outgoing.is_on_its_way(wire.QUERIES, said)

    @property
    def signer(self) -> str:
        """Who asks."""
        return self._channel.signer or ""

    def approve(self, query_id: str, terms_sha256: str) -> OpenedQuery:
        """Authorise a query on the terms that were read; it is answered. Once sent, the same terms are sent until the
        exchange has decided.
        """
        path = f"{wire.QUERIES}/{query_id}/approve"
        sent = ApproveQuery(terms_sha256=from_base64(terms_sha256, 32))
        return self._outgoing.post(path, {}, lambda: sent, lambda _, body: self._read(query_id, body))

    def is_approving(self, query_id: str) -> bool:
        """Whether an approval was sent whose arrival is not certain yet."""
        return self._outgoing.is_on_its_way(f"{wire.QUERIES}/{query_id}/approve", {})

    def read(self, query_id: str) -> OpenedQuery:
        """A query with what it finds now."""
        return self._read(query_id, self._channel.get(f"{wire.QUERIES}/{query_id}").body)

    def extend(self, query_id: str, until: date, watch_until: date | None, reason: str) -> QueryStatus:
        """Let a query, or its watch, last longer. The salt of its reason follows from the act under a secret of the
        vault, so that the same act again is the same.
        """
        watch = None if watch_until is None else watch_until.isoformat()
        said = canonical_json({"until": until.isoformat(), "watch_until": watch, "reason": reason})
        salt = self._vault.cipher.mac("extension_salt", query_id.encode(), said)
        made = ExtendQuery(until=until, reason=reason, salt=salt[:SALT_BYTES], watch_until=watch_until)
        return self._step(query_id, "extend", msgspec.to_builtins(made))

    def step(self, query_id: str, step: str) -> QueryStatus:
        """Refuse a query, or end its watch."""
        return self._step(query_id, step, {})

    def _step(self, query_id: str, step: str, value: Mapping[str, object]) -> QueryStatus:
        body = self._outgoing.act(f"{wire.QUERIES}/{query_id}/{step}", value).body
        return decode(body, QueryStatus, self._server)

    def queries(self, state: str | None = None) -> Iterator[OpenedHead]:
        """Every query that the representative may read, page by page."""
        parameters: dict[str, str | int] = {"limit": QUERIES_PAGE} | ({} if state is None else {"state": state})
        for page, _ in walk(self._channel, wire.QUERIES, parameters, QueriesPage, ListBound("queries")):
            for query in page.queries:
                yield OpenedHead(query, self._papers.grounds(query))

    def _read(self, query_id: str, body: bytes) -> OpenedQuery:
        query = decode(body, WholeQuery, self._server)
        if query.query_id != query_id:
            raise AnswerError("the exchange showed another query than was asked for")
        grounds, reasons = self._papers.grounds(query), self._papers.reasons(query)
        try:
            if query.tokens is not None and subjects_digest(query.tokens, query.types or []) != query.subjects_sha256:
                raise AnswerError("the exchange showed other subjects than its digest of them says")
            results = to_base64(digest(msgspec.json.decode(body)["results"]))
            return OpenedQuery(query, grounds, reasons, results, terms_digest(query))
        except ValueError as error:  # no canonical form, or not a type for each token
            raise AnswerError("the exchange showed a query without a canonical form") from error
