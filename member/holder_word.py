"""What the key holders say of the registrars' statements, asked all at once and for a bounded time.

A snapshot is believed for the holder's signature on it, a statement for the registrars': it does not matter who is
between. Nobody is waited for longer than some seconds, and no list is read for ever.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import msgspec

from keys.keyring import Holder
from keys.snapshots import Snapshot, SnapshotError, verify_snapshot
from member import wire
from member.channel import Channel, Identity, Surroundings, decode
from member.errors import AnswerError, MemberError, UnreachableError

_SECONDS = 15.0
"""For all holders together: one that sends a byte now and then is not waited for."""
_MOST_PAGES = 500

T = TypeVar("T")
Envelopes = list[dict[str, Any]]


class HolderWord:
    """What one key holder says of the registrars' statements. Its list is given to a member only."""

    def __init__(self, holder: Holder, surroundings: Surroundings, identity: Identity | None) -> None:
        self.holder = holder
        self._clock = surroundings.clock
        self._plain = Channel(holder.url, None, surroundings)
        self._signed = Channel(holder.url, identity, surroundings)

    def snapshot(self) -> tuple[dict[str, str], Snapshot]:
        """Its snapshot, as it came and as verified. Raises MemberError, SnapshotError."""
        received = decode(self._plain.get(wire.SNAPSHOT).body, dict[str, str], self.holder.url)
        return received, verify_snapshot(received, self.holder, self._clock())

    def statements(self) -> Envelopes:
        """All that it has accepted; each believed for the registrars' signatures alone. Raises MemberError."""
        found: Envelopes = []
        cursor: str | None = None
        for _ in range(_MOST_PAGES):
            answer = self._signed.get(wire.STATEMENTS, {} if cursor is None else {"cursor": cursor})
            page = decode(answer.body, _Page, self.holder.url)
            found += page.statements
            if page.next is None:
                return found
            if page.next == cursor or not page.statements:
                raise AnswerError(f"{self.holder.holder_id} repeats a page of its statements")
            cursor = page.next
        raise AnswerError(f"{self.holder.holder_id} shows statements without end")

    def hand_over(self, envelope: dict[str, Any]) -> None:
        """Give it a statement. Raises MemberError."""
        self._plain.post(wire.STATEMENTS, msgspec.json.encode(envelope))

    def close(self) -> None:
        """Close the connections."""
        self._plain.close()
        self._signed.close()


class _Page(msgspec.Struct, frozen=True):
    statements: Envelopes
    next: str | None


def ask_all(asks: Mapping[str, Callable[[], T]]) -> dict[str, T | Exception]:
    """Ask at once, for so many seconds in all. What was not answered by then is told as such."""
    answers: SimpleQueue[tuple[str, T | Exception]] = SimpleQueue()

    def ask(name: str, question: Callable[[], T]) -> None:
        try:
            answers.put((name, question()))
        except (MemberError, SnapshotError) as error:
            answers.put((name, error))

    for name, question in asks.items():
        threading.Thread(target=ask, args=(name, question), daemon=True).start()
    found: dict[str, T | Exception] = {}
    ends_at = time.monotonic() + _SECONDS
    while len(found) < len(asks):
        try:
            name, answer = answers.get(timeout=max(0.0, ends_at - time.monotonic()))
        except Empty:
            break
        found[name] = answer
    silent = UnreachableError(f"it did not answer within {_SECONDS:.0f} seconds")
    return {name: found.get(name, silent) for name in asks}
