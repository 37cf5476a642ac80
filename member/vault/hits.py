"""Hits as they were last shown to this member: a hit's id leads to its token, and so to one's own row."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from member.vault.store import Vault
from schemas.hits import DisclosedHit

_KIND, _SEEN = "hit", "hit_seen"


class ShownHits:
    """The hit records of an open vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def store(self, hits: Iterable[DisclosedHit]) -> None:
        """Keep each hit by its id, in place of what was shown before."""
        with self._vault.transaction():
            for hit in hits:
                self._vault.put(_KIND, hit.hit_id.encode(), msgspec.json.encode(hit))

    def seen_by(self, reader: str, hit_id: str) -> str | None:
        """When the hit was disclosed, RFC 3339, as that representative was last shown it; None if it never was."""
        payload = self._vault.get(_SEEN, _seen_name(reader, hit_id))
        return None if payload is None else payload.decode()

    def mark_seen(self, reader: str, hits: Iterable[tuple[str, str]]) -> None:
        """Keep that a representative was shown hits: the id of each, and when it was disclosed."""
        with self._vault.transaction():
            for hit_id, disclosed_at in hits:
                self._vault.put(_SEEN, _seen_name(reader, hit_id), disclosed_at.encode())

    def find(self, hit_id: str) -> DisclosedHit | None:
        """A hit as last shown; None if it never was."""
        payload = self._vault.get(_KIND, hit_id.encode())
        return None if payload is None else msgspec.json.decode(payload, type=DisclosedHit)

    def ids(self) -> Iterator[str]:
        """The id of every hit ever shown."""
        return (hit.hit_id for hit in self.all())

    def all(self) -> Iterator[DisclosedHit]:
        """Every hit ever shown, in its latest form."""
        for payload in self._vault.all(_KIND):
            yield msgspec.json.decode(payload, type=DisclosedHit)


def _seen_name(reader: str, hit_id: str) -> bytes:
    return f"{reader}|{hit_id}".encode()
