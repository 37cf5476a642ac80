"""Which entry of the agency's own log states a reading of a query."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from member.log.chain import OwnEntry
from member.log.own_entries import read_on
from member.log.verify import LogSource
from member.vault.store import Vault

_NUMBER, _CURSOR = "query_entry", "query_entry_cursor"
_KINDS = frozenset({"le_query_read", "le_query_approved"})
_WAITS, _WAIT_SECONDS = 6, 0.5
"""How often, and how long each time, an entry is waited for that has no place in the log yet."""


@dataclass(frozen=True)
class QueryEntries:
    """The numbers of entries about queries, by event, for the log of `origin`."""

    vault: Vault
    source: LogSource
    member_id: str
    origin: str
    sleep: Callable[[float], None]

    def number_of(self, event_id: str) -> int | None:
        """The number of the own entry of an event; None while it waits for its place. Raises LogFault."""
        for _ in range(_WAITS):
            waits = read_on(self.vault, self.source, self.member_id, (_CURSOR, self.origin.encode()), self._take_in)
            kept = self.vault.get(_NUMBER, self._name(event_id))
            if kept is not None:
                return int(kept)
            if not waits:
                return None
            self.sleep(_WAIT_SECONDS)
        return None

    def _take_in(self, entry: OwnEntry) -> None:
        if entry.view is not None and entry.view.get("kind") in _KINDS:
            self.vault.put(_NUMBER, self._name(entry.event_id), str(entry.number).encode())

    def _name(self, event_id: str) -> bytes:
        return f"{self.origin}|{event_id}".encode()
