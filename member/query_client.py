"""Law-enforcement queries at the exchange, as an agency sees them: one method a request, every answer checked for its
form.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

import msgspec

from member import wire
from member.channel import Channel, decode
from member.errors import AnswerError
from member.outgoing import Outgoing
from member.vault.store import Vault
from schemas.canonical import NotCanonicalError, digest
from schemas.encoding import from_base64, to_base64

_PAGE = 100
_Form = TypeVar("_Form")


class QueryStanding(msgspec.Struct, frozen=True):
    """How a query stands after a step. Days are the last of its authority and of its watch."""

    query_id: str
    state: str
    until: str
    watch_until: str | None


class OtherAgency(msgspec.Struct, frozen=True):
    """An agency that is about the same subject, and its authorising officer."""

    agency: str
    officer: str


class QueryHead(QueryStanding, frozen=True, kw_only=True):
    """A query without its results."""

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
    """A query whole. `results` is None unless it stands; `results_sha256` (base64) is computed here from what came."""

    results: list[QueryResult] | None
    event_id: str
    results_sha256: str = ""


class _Page(msgspec.Struct, frozen=True):
    queries: list[QueryHead]
    next: str | None


class QueryClient:
    """The requests of one representative about queries."""

    def __init__(self, channel: Channel, vault: Vault) -> None:
        self._channel = channel
        self._outgoing = Outgoing(vault, channel)
        self._server = channel.base_url

    def ask(self, question: Mapping[str, Any], make: Callable[[], Mapping[str, Any]]) -> QueryStanding:
        """Hand in the query that `make` gives, to be authorised; `question` is what it is made of, without its id."""
        return decode(self._outgoing.post(wire.QUERIES, question, make).body, QueryStanding, self._server)

    def approve(self, query_id: str) -> ReadQuery:
        """Authorise a query; it is answered."""
        return self._read(query_id, self._channel.post(f"{wire.QUERIES}/{query_id}/approve", b"{}").body)

    def read(self, query_id: str) -> ReadQuery:
        """A query with what it finds now."""
        return self._read(query_id, self._channel.get(f"{wire.QUERIES}/{query_id}").body)

    def step(self, query_id: str, step: str, value: Mapping[str, Any]) -> QueryStanding:
        """Refuse or extend a query, or end its watch."""
        return self._post(f"{wire.QUERIES}/{query_id}/{step}", value, QueryStanding)

    def queries(self, state: str | None = None) -> Iterator[QueryHead]:
        """Every query that the representative may read, page by page."""
        cursor: str | None = None
        while True:
            parameters: dict[str, str | int] = {"limit": _PAGE}
            parameters |= {} if state is None else {"state": state}
            parameters |= {} if cursor is None else {"cursor": cursor}
            page = decode(self._channel.get(wire.QUERIES, parameters).body, _Page, self._server)
            yield from page.queries
            if page.next is None:
                return
            if page.next == cursor:
                raise AnswerError("the exchange repeats a page cursor")
            cursor = page.next

    def _read(self, query_id: str, body: bytes) -> ReadQuery:
        read = decode(body, ReadQuery, self._server)
        if read.query_id != query_id:
            raise AnswerError("the exchange showed another query than was asked for")
        try:
            computed = to_base64(digest(msgspec.json.decode(body)["results"]))
        except NotCanonicalError as error:
            raise AnswerError("the exchange showed results without a canonical form") from error
        return msgspec.structs.replace(read, results_sha256=computed)

    def _post(self, path: str, value: Mapping[str, Any], form: type[_Form]) -> _Form:
        return decode(self._channel.post(path, msgspec.json.encode(value)).body, form, self._server)
