"""Entries kept in memory, the longest unused dropped first."""

from __future__ import annotations

import threading
from collections import OrderedDict


class Kept:
    """Entries by form, alert and version, `most` bytes of them. A version never changes, so none is ever stale; who
    may read it is not decided here.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._size = 0
        self._lock = threading.Lock()
        self._entries: OrderedDict[tuple[str, str, int], bytes] = OrderedDict()

    def find(self, key: tuple[str, str, int]) -> bytes | None:
        """The entry, if it is kept."""
        with self._lock:
            if key in self._entries:
                self._entries.move_to_end(key)
            return self._entries.get(key)

    def keep(self, key: tuple[str, str, int], entry: bytes) -> None:
        """Keep an entry, and drop others for it."""
        with self._lock:
            self._size += len(entry) - len(self._entries.pop(key, b""))
            self._entries[key] = entry
            while self._size > self._most:
                self._size -= len(self._entries.popitem(last=False)[1])
