"""Faults of key holders that this member has met: which holder, what it did and when, and what shows it to others."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

import msgspec

from member.quorums import HolderFault
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
    fault_id: str
    evidence: dict[str, Any] | None = None

    def shown(self) -> dict[str, Any]:
        """As status and lists show it: evidence may be a megabyte."""
        named = {name: getattr(self, name) for name in ("fault_id", "epoch", "holder_id", "reason", "met_at")}
        return {**named, "has_evidence": self.evidence is not None}


class HolderFaults:
    """The faults in an open vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def store(self, epoch: int, faults: Iterable[HolderFault], met_at: datetime) -> None:
        """Keep faults."""
        with self._vault.transaction():
            for fault in faults:
                evidence = None if fault.evidence is None else fault.evidence.to_wire()
                kept = KeptFault(epoch, fault.holder_id, fault.reason, to_rfc3339(met_at), uuid7(), evidence)
                self._vault.put(_KIND, kept.fault_id.encode(), msgspec.json.encode(kept))

    def find(self, start: str) -> KeptFault | None:
        """The fault whose id begins so, if it is one alone."""
        found = [fault for fault in self.all() if fault.fault_id.startswith(start)]
        return found[0] if len(found) == 1 else None

    def all(self) -> Iterator[KeptFault]:
        """Every fault ever met, the oldest first."""
        yield from sorted(
            (msgspec.json.decode(payload, type=KeptFault) for payload in self._vault.all(_KIND)),
            key=lambda fault: fault.met_at,
        )
