"""What must be done once, whatever happens on the way. A POST with an id of our own making stays in the vault from
before it leaves until the exchange has decided on it: it has refused for good, or given an answer that can be read and
is about what was sent. The same command, given again after a kill or a lost answer, sends the very same bytes under the
same key, and is answered as it was the first time. An act on something that has its id already needs no keeping: its
key follows from what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import msgspec

from member.errors import AnswerError, RefusedError
from member.transport.channel import Answer, Channel, decode
from member.vault.store import Vault
from schemas.values.canonical import canonical_json
from schemas.values.message import Message

_KIND = "outgoing"
T = TypeVar("T")


class _StoredRequest(msgspec.Struct, frozen=True):
    """What is on its way, and what its sender keeps with it."""

    body: bytes
    beside: Any


def reading(form: type[T], id_name: str, server: str) -> Callable[[Mapping[str, Any], bytes], T]:
    """Reads an answer of a form that repeats the id which was sent. AnswerError for any other."""

    def read(sent: Mapping[str, Any], body: bytes) -> T:
        answered = decode(body, form, server)
        if getattr(answered, id_name) != sent[id_name]:
            raise AnswerError(f"{server} answered about another {id_name} than was sent")
        return answered

    return read


class Outgoing:
    """The POSTs of one representative that are on their way."""

    def __init__(self, vault: Vault, channel: Channel) -> None:
        self._vault = vault
        self._channel = channel

    def post(
        self,
        path: str,
        content: Mapping[str, Any],
        make: Callable[[], Mapping[str, Any] | Message],
        read: Callable[[Mapping[str, Any], bytes], T],
        *,
        beside: Any = None,
        keep: Callable[[Any], None] = lambda beside: None,
    ) -> T:
        """POST what `make` gives, or what it gave when the same `content` (what a person said, without the id and
        without what follows from the day) was sent before and not decided on. `read` makes of what was sent and
        answered what is given back; while it raises AnswerError, nothing is decided. `make` may keep more in the vault,
        and so may `keep` once the exchange has taken it: it is given the `beside` of the first time. Raises as
        Channel.post and `read` do.
        """
        name = self._name(path, content)
        payload = self._vault.get(_KIND, name)
        if payload is None:
            with self._vault.transaction():
                payload = msgspec.msgpack.encode(_StoredRequest(msgspec.json.encode(make()), beside))
                self._vault.put(_KIND, name, payload)
        kept = msgspec.msgpack.decode(payload, type=_StoredRequest)
        try:
            answer = self._channel.post(path, kept.body, idempotency_key=self._key(path, kept.body))
        except RefusedError as error:
            if error.is_final:
                self._end(name, lambda: None)
            raise
        answered = read(msgspec.json.decode(kept.body), answer.body)
        self._end(name, lambda: keep(kept.beside))
        return answered

    def is_on_its_way(self, path: str, content: Mapping[str, Any]) -> bool:
        """Whether a POST of this content was sent, or was about to be, and not decided on."""
        return self._vault.get(_KIND, self._name(path, content)) is not None

    def act(self, path: str, value: Mapping[str, Any]) -> Answer:
        """POST what is an act of itself, on an object that the path names: the same act again is answered as it was.
        Raises as Channel.post does.
        """
        body = canonical_json(dict(value))
        return self._channel.post(path, body, idempotency_key=self._key(path, body))

    def _name(self, path: str, content: Mapping[str, Any]) -> bytes:
        return canonical_json([self._channel.signer, path, dict(content)])

    def _key(self, path: str, body: bytes) -> str:
        """The same for the same act, under a secret of the vault."""
        return self._vault.cipher.mac("idempotency", _KIND.encode(), path.encode(), body).hex()

    def _end(self, name: bytes, keep: Callable[[], None]) -> None:
        with self._vault.transaction():
            keep()
            self._vault.delete(_KIND, name)
