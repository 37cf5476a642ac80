"""Information requests as a member sends, takes up and answers them: one method a request to the exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from member.errors import AnswerError
from member.transport import wire
from member.transport.channel import Channel, decode, shown_digest
from member.transport.outgoing import Outgoing, reading
from member.transport.pages import ListBound, walk
from member.vault.store import Vault
from schemas.terms import Classification, Handling, TrafficLight
from schemas.values.encoding import from_base64

_PAGE = 100


class RequestStanding(msgspec.Struct, frozen=True):
    """How a request stands after a step."""

    request_id: str
    state: str
    due_at: str


class ListedRequest(msgspec.Struct, frozen=True, kw_only=True):
    """One request of a list: all that a holder sees of one that it has not taken up. `token` is in base64."""

    request_id: str
    state: str
    due_at: str
    direction: str
    token: str
    requester_kind: str
    mode: str
    legal_gateway: str
    urgency: str

    def token_bytes(self) -> bytes:
        """The token, 32 bytes; AnswerError if it is none."""
        return read_bytes(self.token, "a token", 32)


class Marking(msgspec.Struct, frozen=True):
    """The most restrictive marking of the rows that something rests on; `conditions` has a line each."""

    classification: Classification
    tlp: TrafficLight
    handling: Handling
    conditions: str
    protected_subject: bool


class GivenPrepared(msgspec.Struct, frozen=True):
    """Who prepared an answer that another person sent, and when (base64 but for the id and the time)."""

    representative_id: str
    signature: str
    details_commitment: str | None
    prepared_at: str


class GivenAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What `institution` told `recipient`. `sealed` is None where nothing is told, once the exchange has purged it, and
    to whoever told it; `withdrawn` says that what it tells was taken back.
    """

    outcome: str
    institution: str | None
    recipient: str | None
    representative_id: str | None
    fields: list[str]
    refusal_reason: str | None
    sealed: str | None
    sealed_sha256: str | None
    signature: str | None
    marking: Marking | None
    prepared: GivenPrepared | None
    answered_at: str | None
    withdrawn: bool


class Waiting(msgspec.Struct, frozen=True):
    """A holder that took up an offer of ours, and our submissions that it may be told of."""

    institution: str
    submissions: list[str]


class ReadRequest(ListedRequest, frozen=True, kw_only=True):
    """A request as this member may read it: whose it is, its terms and its proof only once it has been taken up.
    `submissions` are our own that a request to us is about; `waiting` took up an offer of ours. `shown_sha256` is
    computed here, of all that was shown (base64).
    """

    requester: str | None
    requested_by: str | None
    encryption_key: str | None
    terms: dict[str, Any] | None
    proof: str | None
    marking: Marking | None
    taken_up: bool
    waiting: list[Waiting]
    answers: list[GivenAnswer]
    submissions: list[str] | None
    event_id: str
    shown_sha256: str = ""


class RequestsPage(msgspec.Struct, frozen=True):
    """One page of requests; `shown_sha256` is computed here."""

    requests: list[ListedRequest]
    next: str | None
    event_id: str
    shown_sha256: str = ""


class Statement(msgspec.Struct, frozen=True):
    """A text that a gateway wants, and the question that it answers."""

    field: str
    question: str


class ModeCondition(msgspec.Struct, frozen=True):
    """The condition that a gateway wants for a mode."""

    mode: str
    condition: str


class PriorNotice(msgspec.Struct, frozen=True):
    """A notice that comes first; `template` has `{placeholders}`."""

    addressee: str
    within_days: int
    report_days: int
    template: str
    placeholders: list[str]


class Confirmation(msgspec.Struct, frozen=True):
    """What whoever discloses confirms: one of the codes. `condition` None: whichever is claimed."""

    codes: list[str]
    question: str
    condition: str | None


class Gateway(msgspec.Struct, frozen=True):
    """One legal gateway: what it takes."""

    code: str
    citation: str
    modes: list[str]
    conditions: list[ModeCondition]
    statements: list[Statement]
    confirmations: list[Confirmation]
    recipients: list[str] | None
    onward: list[str]
    prior_notice: PriorNotice | None


class _Gateways(msgspec.Struct, frozen=True):
    gateways: list[Gateway]


class RequestClient:
    """The requests of one representative about information requests."""

    def __init__(self, channel: Channel, vault: Vault) -> None:
        self._channel = channel
        self._outgoing = Outgoing(vault, channel)
        self._server = channel.base_url

    def gateways(self) -> dict[str, Gateway]:
        """Every legal gateway, by its code."""
        found = decode(self._channel.get(wire.GATEWAYS).body, _Gateways, self._server).gateways
        return {gateway.code: gateway for gateway in found}

    def ask(self, terms: Mapping[str, Any], make: Callable[[], Mapping[str, Any]]) -> RequestStanding:
        """Send what `make` gives to all who hold what a hit is about; `terms` are what it is made of."""
        return self._outgoing.post(wire.REQUESTS, terms, make, reading(RequestStanding, "request_id", self._server))

    def pages(self, **wanted: str | None) -> Iterator[RequestsPage]:
        """Every request of ours and to us; `wanted` names a `direction` or a `state`."""
        parameters: dict[str, str | int] = {name: value for name, value in wanted.items() if value is not None}
        parameters |= {"limit": _PAGE}
        for page, body in walk(self._channel, wire.REQUESTS, parameters, RequestsPage, ListBound("requests")):
            yield msgspec.structs.replace(page, shown_sha256=shown_digest(msgspec.json.decode(body)["requests"]))

    def read(self, request_id: str) -> ReadRequest:
        """One request."""
        return self._as_asked_for(request_id, self._channel.get(f"{wire.REQUESTS}/{request_id}").body)

    def take_up(self, request_id: str) -> ReadRequest:
        """Take up a request to us; only then is it shown whose it is."""
        return self._as_asked_for(request_id, self._channel.post(f"{wire.REQUESTS}/{request_id}/take-up", b"{}").body)

    def answer(self, request_id: str, body: bytes, idempotency_key: str) -> RequestStanding:
        """Answer a request that was taken up."""
        path = f"{wire.REQUESTS}/{request_id}/answer"
        sent = self._channel.post(path, body, idempotency_key=idempotency_key)
        return decode(sent.body, RequestStanding, self._server)

    def cancel(self, request_id: str) -> RequestStanding:
        """Take back a request of our own."""
        body = self._outgoing.act(f"{wire.REQUESTS}/{request_id}/cancel", {}).body
        return decode(body, RequestStanding, self._server)

    def _as_asked_for(self, request_id: str, body: bytes) -> ReadRequest:
        read = decode(body, ReadRequest, self._server)
        if read.request_id != request_id:
            raise AnswerError("the exchange showed another request than was asked for")
        shown = msgspec.json.decode(body)
        del shown["event_id"]
        return msgspec.structs.replace(read, shown_sha256=shown_digest(shown))


def read_bytes(text: str | None, what: str, length: int | None = None) -> bytes:
    """Bytes that the exchange shows in base64. AnswerError if it shows none of that form."""
    try:
        return from_base64(text or "", length)
    except ValueError as error:
        raise AnswerError(f"the exchange showed {what} of another form") from error
