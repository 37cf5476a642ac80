"""Which entry of the agency's own log states a reading of a query."""

from __future__ import annotations

from member.log.chain import OwnEntry
from member.log.own_entries import OwnLog

_NUMBER, _CURSOR = "query_entry", "query_entry_cursor"
_KINDS = frozenset({"le_query_read", "le_query_approved"})
_WAITS = 6
"""How often an entry is waited for that has no place in the log yet."""


class QueryEntries:
    """The numbers of entries about queries, by event."""

    def __init__(self, log: OwnLog) -> None:
        self._log = log

    def number_of(self, event_id: str) -> int | None:
        """The number of the own entry of an event; None while it waits for its place. Raises LogFault."""
        self._log.catch_up(_CURSOR, self._take_in, waits=_WAITS, is_there=lambda: self._kept(event_id) is not None)
        return self._kept(event_id)

    def _kept(self, event_id: str) -> int | None:
        kept = self._log.vault.get(_NUMBER, self._log.name(event_id))
        return None if kept is None else int(kept)

    def _take_in(self, entry: OwnEntry) -> None:
        if entry.view is not None and entry.view.get("kind") in _KINDS:
            self._log.vault.put(_NUMBER, self._log.name(entry.event_id), str(entry.number).encode())
