"""Answers kept in memory for a while, so that one asked for again, after a lost connection, costs no arithmetic.

Bounded in bytes, and in number for each member: one member cannot push out what is kept for the others by more than
that. Of this process alone, and gone when it ends; then a request is computed again a bounded number of times
(keys/holder/service.py).
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from dataclasses import dataclass, field

MAX_BYTES = 32 * 1024 * 1024
MAX_PER_MEMBER = 4


@dataclass(frozen=True, slots=True)
class Evaluated:
    """The answer: n * 32 bytes, the commitment to the share that it was made with (32 bytes), and 64 bytes of proof if
    it was requested.
    """

    elements: bytes = field(repr=False)
    commitment: bytes
    proof: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """An answer, and SHA-256 of the request that it belongs to."""

    request_digest: bytes
    evaluated: Evaluated


class KeptAnswers:
    """The answers of this process, by member and idempotency key. Safe for threads."""

    def __init__(self, most_bytes: int = MAX_BYTES, most_of_a_member: int = MAX_PER_MEMBER) -> None:
        self._most_bytes = most_bytes
        self._most_of_a_member = most_of_a_member
        self._lock = threading.Lock()
        self._kept: OrderedDict[tuple[str, str], KeptAnswer] = OrderedDict()
        self._bytes = 0

    def find(self, member_id: str, idempotency_key: str) -> KeptAnswer | None:
        """What is kept under this key."""
        with self._lock:
            return self._kept.get((member_id, idempotency_key))

    def keep(self, member_id: str, idempotency_key: str, answer: KeptAnswer) -> None:
        """Keep an answer, in place of older ones if there are too many."""
        with self._lock:
            self._drop((member_id, idempotency_key))
            own = [key for key in self._kept if key[0] == member_id]
            for key in own[: max(0, len(own) + 1 - self._most_of_a_member)]:
                self._drop(key)
            self._kept[member_id, idempotency_key] = answer
            self._bytes += len(answer.evaluated.elements)
            while self._bytes > self._most_bytes:
                self._drop(next(iter(self._kept)))

    def _drop(self, key: tuple[str, str]) -> None:
        dropped = self._kept.pop(key, None)
        if dropped is not None:
            self._bytes -= len(dropped.evaluated.elements)
