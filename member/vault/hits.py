"""Hits as they were last shown to this member, so that the log can be held against them."""

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

    def all(self) -> Iterator[dict[str, Any]]:
        """Every hit ever shown, in its latest form."""
        for payload in self._vault.all(_KIND):
            yield msgspec.json.decode(payload)
