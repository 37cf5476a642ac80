"""Faults of key holders that this member has met, kept as evidence: which holder, what it did, and when."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from member.vault.store import Vault
from schemas.encoding import to_rfc3339
from schemas.identifiers import uuid7

_KIND = "holder_fault"


class KeptFault(msgspec.Struct, frozen=True):
    """A fault as it is kept."""

    epoch: int
    holder_id: str
    reason: str
    met_at: str


class HolderFaults:
    """The faults in an open vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def store(self, epoch: int, faults: Iterable[tuple[str, str]], met_at: datetime) -> None:
        """Keep faults, as pairs of holder's id and reason."""
        with self._vault.transaction():
            for holder_id, reason in faults:
                kept = KeptFault(epoch, holder_id, reason, to_rfc3339(met_at))
                self._vault.put(_KIND, uuid7().encode(), msgspec.json.encode(kept))

    def all(self) -> Iterator[KeptFault]:
        """Every fault ever met, the oldest first."""
        yield from sorted(
            (msgspec.json.decode(payload, type=KeptFault) for payload in self._vault.all(_KIND)),
            key=lambda fault: fault.met_at,
        )
