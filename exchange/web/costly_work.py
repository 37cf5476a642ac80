"""Work that costs seconds for one small request, as setting a long alert does: bounded, and not done twice.

1. A member has one piece of it under way at a process, and a process does four at once for all members: its other
   threads stay free. A further request waits for half a second and is then refused (503, come back), before anything is
   read or logged.
2. What was made is kept, so that the same request again costs nothing: at most 16 MiB, the least used goes first.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager

_AT_ONCE = 4
_PATIENCE_SECONDS = 0.5
_MAX_BYTES = 16 * 1024 * 1024


class BusyError(Exception):
    """The same member, or enough others, have such work done at this moment."""


class CostlyWork:
    """What one process does and keeps of it. Safe for threads."""

    def __init__(self, at_once: int = _AT_ONCE, most_bytes: int = _MAX_BYTES) -> None:
        self._lock = threading.Condition()
        self._under_way: set[str] = set()
        self._kept: OrderedDict[bytes, bytes] = OrderedDict()
        self._size = 0
        self._at_once, self._most_bytes = at_once, most_bytes

    @contextmanager
    def turn(self, member_id: str) -> Iterator[None]:
        """A member's turn. BusyError if it has one already, or too many others have."""
        with self._lock:
            if not self._lock.wait_for(lambda: self._is_free(member_id), _PATIENCE_SECONDS):
                raise BusyError
            self._under_way.add(member_id)
        try:
            yield
        finally:
            with self._lock:
                self._under_way.discard(member_id)
                self._lock.notify_all()

    def _is_free(self, member_id: str) -> bool:
        return member_id not in self._under_way and len(self._under_way) < self._at_once

    def made(self, name: bytes, make: Callable[[], bytes]) -> bytes:
        """What was made under a name that says all that it depends on; made now, if it is not kept."""
        with self._lock:
            if name in self._kept:
                self._kept.move_to_end(name)
                return self._kept[name]
        made = make()
        with self._lock:
            if name not in self._kept and len(made) <= self._most_bytes:
                self._kept[name] = made
                self._size += len(made)
            while self._size > self._most_bytes:
                self._size -= len(self._kept.popitem(last=False)[1])
        return made


COSTLY = CostlyWork()
"""This process's."""
