"""What must be done once, whatever happens on the way. A POST with an id of our own making stays in the vault from
before it leaves until the exchange has decided on it. The same command, given again after a kill or a lost answer,
sends the very same bytes under the same key, and is answered as it was the first time. An act on something that has
its id already needs no keeping: its key follows from what it is.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from member.channel import Answer, Channel
from member.errors import RefusedError
from member.vault.store import Vault
from schemas.canonical import canonical_json

_KIND = "outgoing"


class Outgoing:
    """The POSTs of one representative that are on their way."""

    def __init__(self, vault: Vault, channel: Channel) -> None:
        self._vault = vault
        self._channel = channel

    def post(
        self,
        path: str,
        content: Mapping[str, Any],
        make: Callable[[], Mapping[str, Any]],
        keep: Callable[[], None] = lambda: None,
    ) -> Answer:
        """POST what `make` gives, or what it gave when the same `content` (what a person said and what it concerns,
        without the id) was sent before and not decided on. `make` may keep more in the vault, and so may `keep` once
        the exchange has taken it. Raises as Channel.post does.
        """
        name = canonical_json([self._channel.signer, path, dict(content)])
        body = self._vault.get(_KIND, name)
        if body is None:
            with self._vault.transaction():
                body = msgspec.json.encode(make())
                self._vault.put(_KIND, name, body)
        try:
            answer = self._channel.post(path, body, idempotency_key=self._key(path, body))
        except RefusedError as error:
            if error.is_final:
                self._end(name, lambda: None)
            raise
        self._end(name, keep)
        return answer

    def is_on_its_way(self, path: str, content: Mapping[str, Any]) -> bool:
        """Whether a POST of this content was sent, or was about to be, and not decided on."""
        return self._vault.get(_KIND, canonical_json([self._channel.signer, path, dict(content)])) is not None

    def act(self, path: str, value: Mapping[str, Any]) -> Answer:
        """POST what is an act of itself, on an object that the path names: the same act again is answered as it was.
        Raises as Channel.post does.
        """
        body = canonical_json(dict(value))
        return self._channel.post(path, body, idempotency_key=self._key(path, body))

    def _key(self, path: str, body: bytes) -> str:
        """The same for the same act, under a secret of the vault."""
        return self._vault.cipher.mac("idempotency", _KIND.encode(), path.encode(), body).hex()

    def _end(self, name: bytes, keep: Callable[[], None]) -> None:
        with self._vault.transaction():
            keep()
            self._vault.delete(_KIND, name)
