"""Information requests as a member sends, takes up and answers them: one method a request to the exchange."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Self

import msgspec

from member.errors import AnswerError
from member.transport import wire
from member.transport.channel import Channel, decode, shown_digest
from member.transport.outgoing import Outgoing, reading
from member.transport.pages import ListBound, walk
from member.vault.store import Vault
from member.workplace.workplace import Workplace
from schemas.requests.gateways import Gateway, Gateways
from schemas.requests.messages import REQUESTS_PAGE, NewRequest, RequestsPage, RequestStatus, WholeRequest
from schemas.values.encoding import from_base64


class ReadRequest(WholeRequest, frozen=True):
    """A request as this member read it; `shown_sha256` is computed here, of all that was shown (base64)."""

    shown_sha256: str = ""


class ReadPage(RequestsPage, frozen=True):
    """One page of requests; `shown_sha256` is computed here."""

    shown_sha256: str = ""


class RequestClient:
    """The requests of one representative about information requests."""

    def __init__(self, channel: Channel, vault: Vault) -> None:
        self._channel = channel
        self._outgoing = Outgoing(vault, channel)
        self._server = channel.base_url

    @classmethod
    def at(cls, workplace: Workplace) -> Self:
        """As the acting representative."""
        return cls(workplace.exchange_channel, workplace.vault)

    def gateways(self) -> dict[str, Gateway]:
        """Every legal gateway, by its code."""
        found = decode(self._channel.get(wire.GATEWAYS).body, Gateways, self._server).gateways
        return {gateway.code: gateway for gateway in found}

    def ask(self, terms: Mapping[str, object], make: Callable[[], NewRequest]) -> RequestStatus:
        """Send what `make` gives to all who hold what a hit is about; `terms` are what it is made of."""
        return self._outgoing.post(wire.REQUESTS, terms, make, reading(RequestStatus, "request_id", self._server))

    def pages(self, **wanted: str | None) -> Iterator[ReadPage]:
        """Every request of ours and to us; `wanted` names a `direction` or a `state`."""
        parameters: dict[str, str | int] = {name: value for name, value in wanted.items() if value is not None}
        parameters |= {"limit": REQUESTS_PAGE}
        for page, body in walk(self._channel, wire.REQUESTS, parameters, ReadPage, ListBound("requests")):
            yield msgspec.structs.replace(page, shown_sha256=shown_digest(msgspec.json.decode(body)["requests"]))

    def read(self, request_id: str) -> ReadRequest:
        """One request."""
        return self._as_asked_for(request_id, self._channel.get(f"{wire.REQUESTS}/{request_id}").body)

    def take_up(self, request_id: str) -> ReadRequest:
        """Take up a request to us; only then is it shown whose it is."""
        return self._as_asked_for(request_id, self._channel.post(f"{wire.REQUESTS}/{request_id}/take-up", b"{}").body)

    def answer(self, request_id: str, body: bytes, idempotency_key: str) -> RequestStatus:
        """Answer a request that was taken up."""
        path = f"{wire.REQUESTS}/{request_id}/answer"
        sent = self._channel.post(path, body, idempotency_key=idempotency_key)
        return decode(sent.body, RequestStatus, self._server)

    def cancel(self, request_id: str) -> RequestStatus:
        """Take back a request of our own."""
        body = self._outgoing.act(f"{wire.REQUESTS}/{request_id}/cancel", {}).body
        return decode(body, RequestStatus, self._server)

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
        raise AnswerError(f"the exchange showed {what} of an invalid format") from error
