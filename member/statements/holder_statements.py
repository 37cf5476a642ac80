"""What the key holders say of the registrars' statements, asked all at once and for a bounded time.

A snapshot is believed for the holder's signature on it, a statement for the registrars': it does not matter who is
between. Nobody is waited for longer than some seconds, and no list is read for ever: pages, bytes and time of one are
bounded, no statement comes twice, and whoever is not waited for any more stops after the call that it is at.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import TypeVar

import msgspec

from keys.statements.snapshots import Snapshot, SnapshotError, verify_snapshot
from member.errors import AnswerError, MemberError, RefusedError, UnreachableError
from member.transport import wire
from member.transport.channel import Channel, Identity, RuntimeEnvironment, decode
from schemas.holders import Holder, SignedSnapshot
from schemas.statements import StatementEnvelope, StatementsPage

_SECONDS = 15.0
"""For all holders together: one that sends a byte now and then is not waited for."""
_MAX_PAGES = 500
_MAX_PAGE_BYTES = 8 * 1024 * 1024
"""More than a holder puts on a page of statements; to read 64 MiB of JSON takes a minute in which nothing else runs."""
_MAX_BYTES = 64 * 1024 * 1024
"""Of one holder's list: some tens of thousands of statements."""
_MAX_SHORT_BYTES = 64 * 1024
"""Of a snapshot, and of what is said to a statement that is handed over."""

_UNAUTHENTICATED = 401
_UNKNOWN = "it does not know this representative's key: have the registrars bring it up to date"

T = TypeVar("T")
Envelopes = list[StatementEnvelope]


@dataclass(frozen=True)
class Listed:
    """A holder's list, each statement to be believed for the registrars' signatures alone; and its snapshot, as it came
    and as verified, if what we gave it has changed that.
    """

    envelopes: Envelopes
    renewed: tuple[SignedSnapshot, Snapshot] | None = None


class HolderStatements:
    """What one key holder says of the registrars' statements. Its list is given to a member only."""

    def __init__(self, holder: Holder, surroundings: RuntimeEnvironment, identity: Identity | None) -> None:
        self.holder = holder
        self._clock = surroundings.clock
        self._plain = Channel(holder.url, None, surroundings, most_bytes=_MAX_SHORT_BYTES)
        self._signed = Channel(holder.url, identity, surroundings, most_bytes=_MAX_PAGE_BYTES)

    def snapshot(self) -> tuple[SignedSnapshot, Snapshot]:
        """Its snapshot, as it came and as verified. Raises MemberError, SnapshotError."""
        received = decode(self._plain.get(wire.SNAPSHOT).body, SignedSnapshot, self.holder.url)
        return received, verify_snapshot(received, self.holder, self._clock())

    def statements(self, until: Deadline, own: StatementEnvelope | None = None) -> Listed:
        """All that it has accepted. A holder that does not know yet who asks is first given `own`, the statement that
        says so, and asked for another snapshot. Raises MemberError, SnapshotError.
        """
        try:
            return Listed(self._read_list(until))
        except RefusedError as error:
            if own is None or not _is_unknown(error):
                raise
        self.hand_over(own)
        try:
            return Listed(self._read_list(until), self.snapshot())
        except RefusedError as error:
            if _is_unknown(error):
                raise RefusedError(_UNKNOWN, slug=error.slug, status=error.status) from error
            raise

    def _read_list(self, until: Deadline) -> Envelopes:
        found: Envelopes = []
        payloads: set[str] = set()
        cursor: str | None = None
        size = 0
        for _ in range(_MAX_PAGES):
            until.check()
            answer = self._signed.get(wire.STATEMENTS, {} if cursor is None else {"cursor": cursor})
            page = decode(answer.body, StatementsPage, self.holder.url)
            found += page.statements
            payloads |= {each.payload for each in page.statements}
            if len(payloads) < len(found):  # to verify one again for as long as a list may be takes minutes
                raise AnswerError(f"{self.holder.holder_id} repeats a statement")
            size += len(answer.body)
            if page.next is None:
                return found
            if page.next == cursor or not page.statements:
                raise AnswerError(f"{self.holder.holder_id} repeats a page of its statements")
            if size > _MAX_BYTES:
                break
            cursor = page.next
        raise AnswerError(f"{self.holder.holder_id} shows statements without end")

    def hand_over(self, envelope: StatementEnvelope) -> None:
        """Give it a statement. Raises MemberError."""
        self._plain.post(wire.STATEMENTS, msgspec.json.encode(envelope))

    def hand_over_all(self, envelopes: Envelopes, until: Deadline) -> None:
        """Give it statements, as far as it takes them in time: that it lags behind harms nobody who asks t holders."""
        for envelope in envelopes:
            until.check()
            try:
                self.hand_over(envelope)
            except RefusedError as error:
                if not error.is_final:
                    return

    def close(self) -> None:
        """Close the connections."""
        self._plain.close()
        self._signed.close()


def _is_unknown(error: RefusedError) -> bool:
    """Whether the holder does not know who asks, and its statements may merely be too old for it."""
    return error.status == _UNAUTHENTICATED or error.slug == wire.UNKNOWN_KEY


class Deadline:
    """When several calls together are to have ended."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._ends_at = time.monotonic() + seconds

    @property
    def left(self) -> float:
        """Seconds, 0 once it has passed."""
        return max(0.0, self._ends_at - time.monotonic())

    def check(self) -> None:
        """Raise UnreachableError once it has passed."""
        if not self.left:
            raise UnreachableError(f"it did not answer within {self._seconds:.0f} seconds")


def ask_all(asks: Mapping[str, Callable[[Deadline], T]]) -> dict[str, T | Exception]:
    """Ask at once, for so many seconds in all. What was not answered by then is reported, and asked no further."""
    answers: SimpleQueue[tuple[str, T | Exception]] = SimpleQueue()
    until = Deadline(_SECONDS)

    def ask(name: str, question: Callable[[Deadline], T]) -> None:
        try:
            answers.put((name, question(until)))
        except (MemberError, SnapshotError) as error:
            answers.put((name, error))

    for name, question in asks.items():
        threading.Thread(target=ask, args=(name, question), daemon=True).start()
    found: dict[str, T | Exception] = {}
    while len(found) < len(asks):
        try:
            name, answer = answers.get(timeout=until.left)
        except Empty:
            break
        found[name] = answer
    silent = UnreachableError(f"it did not answer within {_SECONDS:.0f} seconds")
    return {name: found.get(name, silent) for name in asks}
