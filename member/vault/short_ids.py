"""Short numbers for what lists showed: a person gives `12`, or the beginning of an id, where an id is asked for.

A number is given when something is first shown in this home, one sequence for each kind (hit, request, query …); it
stays the thing's own, and is never given again.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from member.errors import UsageError, quoted
from member.next_steps import Act, Next
from member.vault.store import Vault
from schemas.values.identifiers import is_uuid7

LISTS = {
    "hit": Act.LIST_HITS,
    "request": Act.LIST_REQUESTS,
    "query": Act.LIST_QUERIES,
    "correction": Act.LIST_CORRECTIONS,
    "notice": Act.LIST_NOTICES,
    "submission": Act.LIST_ROWS,
    "feed token": Act.LIST_FEED_TOKENS,
    "subscription": Act.LIST_SUBSCRIPTIONS,
    "alert": Act.LIST_ALERTS,
}
"""What lists the things of each kind."""

_NUMBER = re.compile(r"[1-9][0-9]{0,5}", re.ASCII)
_BEGINNING = re.compile(r"[0-9a-f][0-9a-f-]{3,35}", re.ASCII)
_SHOWN_CANDIDATES = 5
_RECORD = "short_id"


class ShortIds:
    """The short numbers of one kind of things, in an open vault."""

    def __init__(self, vault: Vault, kind: str) -> None:
        self._vault = vault
        self._kind = kind

    def number(self, ids: Iterable[str]) -> dict[str, int]:
        """The number of each id; one that has none yet is given the next."""
        found: dict[str, int] = {}
        with self._vault.transaction():
            last = self._last()
            for one in ids:
                kept = self._vault.get(_RECORD, self._name(one))
                if kept is None:
                    last += 1
                    self._vault.put(_RECORD, self._name(one), str(last).encode())
                    self._vault.put(_RECORD, self._name(str(last)), one.encode())
                found[one] = last if kept is None else int(kept)
            self._vault.put(_RECORD, self._name("last"), str(last).encode())
        return found

    def find(self, text: str, known: Callable[[], Iterable[str]] = tuple) -> str:
        """The id that is meant by an id, its beginning (four characters or more) or a short number. `known` gives ids
        that may have no number. UsageError for what is none, unknown, or the beginning of several.
        """
        given = text.strip().lower()
        if is_uuid7(given):
            return given
        if _NUMBER.fullmatch(given):
            kept = self._vault.get(_RECORD, self._name(given))
            if kept is None:
                raise UsageError(f"no {self._kind} has the number {given} in this home", then=self._list())
            return kept.decode()
        if not _BEGINNING.fullmatch(given):
            what = f"{quoted(text)} is not the id of a {self._kind}, its beginning or its number"
            raise UsageError(what, then=self._list())
        return self._one_of(given, sorted({one for one in (*self._numbered(), *known()) if one.startswith(given)}))

    def _one_of(self, given: str, found: list[str]) -> str:
        if not found:
            raise UsageError(f"no {self._kind} that was shown here begins with {given}", then=self._list())
        if len(found) > 1:
            more = f" and {len(found) - _SHOWN_CANDIDATES:,} more" if len(found) > _SHOWN_CANDIDATES else ""
            candidates = ", ".join(found[:_SHOWN_CANDIDATES]) + more
            raise UsageError(f"{given} begins the ids of {len(found):,}: {candidates}", "give more of it")
        return found[0]

    def _numbered(self) -> Iterator[str]:
        for number in range(1, self._last() + 1):
            kept = self._vault.get(_RECORD, self._name(str(number)))
            if kept is not None:
                yield kept.decode()

    def _last(self) -> int:
        kept = self._vault.get(_RECORD, self._name("last"))
        return 0 if kept is None else int(kept)

    def _list(self) -> tuple[Next, ...]:
        listed = LISTS.get(self._kind)
        return () if listed is None else (Next(listed),)

    def _name(self, what: str) -> bytes:
        return f"{self._kind}|{what}".encode()
