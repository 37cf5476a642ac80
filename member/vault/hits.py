"""Hits as they were last shown to this member: a hit's id leads to its token, and so to one's own row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from member.vault.store import Vault

_KIND = "hit"


class ShownHits:
    """The hit records of an open vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def store(self, hits: Iterable[tuple[str, dict[str, Any]]]) -> None:
        """Keep each hit by its id, in place of what was shown before."""
        with self._vault.transaction():
            for hit_id, shown in hits:
                self._vault.put(_KIND, hit_id.encode(), msgspec.json.encode(shown))

    def find(self, hit_id: str) -> dict[str, Any] | None:
        """A hit as last shown, its token in base64; None if it never was."""
        payload = self._vault.get(_KIND, hit_id.encode())
        found: dict[str, Any] | None = None if payload is None else msgspec.json.decode(payload)
        return found

    def all(self) -> Iterator[dict[str, Any]]:
        """Every hit ever shown, in its latest form."""
        for payload in self._vault.all(_KIND):
            yield msgspec.json.decode(payload)
