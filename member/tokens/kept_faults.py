"""Faults of key holders that this member has met, or was shown by others: which holder, what it did and when, and what
shows it to anyone. Evidence may be megabytes: it lies apart, and is read when it is asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from datetime import datetime

import msgspec

from keys.faults.report import ShownFault, read_claim
from member.tokens.quorums import HolderFault
from member.vault.store import Vault
from schemas.holder_faults import Evidence, FaultReport
from schemas.values.encoding import to_base64, to_rfc3339
from schemas.values.identifiers import uuid7

_KIND, _REPORT = "holder_fault", "holder_fault_report"
MET, SHOWN = "met", "shown"
WAITING, REPORTED, REFUSED = "waiting", "reported", "refused"


class KeptFault(msgspec.Struct, frozen=True):
    """A fault as it is kept. `verify_key` (base64) is the key of the holder's answers, where there is evidence;
    `source` says whether it was met here or shown by others, `state` how far its report has come.
    """

    epoch: int
    holder_id: str
    reason: str
    met_at: str
    fault_id: str
    verify_key: str | None = None
    source: str = MET
    state: str | None = None
    problem: str | None = None

    @property
    def has_evidence(self) -> bool:
        """Whether it can be shown to others."""
        return self.verify_key is not None

    def listed(self) -> ListedFault:
        """As status and lists show it."""
        names = [name for name in ListedFault.__struct_fields__ if name != "has_evidence"]
        return ListedFault(**{name: getattr(self, name) for name in names}, has_evidence=self.has_evidence)


class ListedFault(msgspec.Struct, frozen=True):
    """A kept fault as it is shown: without the key, and whether it can be shown to others."""

    fault_id: str
    epoch: int
    holder_id: str
    reason: str
    met_at: str
    source: str
    state: str | None
    problem: str | None
    has_evidence: bool


class HolderFaults:
    """The faults in an open vault."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault

    def store(
        self,
        epoch: int,
        faults: Iterable[HolderFault],
        met_at: datetime,
        complete: Callable[[Evidence], FaultReport | None],
    ) -> None:
        """Keep faults just met; `complete` gives evidence the statements that it rests on, if they are at hand."""
        with self._vault.transaction():
            for fault in faults:
                report = None if fault.evidence is None else complete(fault.evidence)
                kept = KeptFault(epoch, fault.holder_id, fault.reason, to_rfc3339(met_at), uuid7())
                if report is not None:
                    key = to_base64(read_claim(report).holder.verify_key)
                    kept = msgspec.structs.replace(kept, verify_key=key, state=WAITING)
                self._put(kept, report)

    def store_shown(self, report: FaultReport, shown: ShownFault, at: datetime) -> None:
        """Keep a fault that another member met, once it is verified."""
        key, holder_id = to_base64(shown.holder.verify_key), shown.holder.holder_id
        kept = KeptFault(*(shown.epoch, holder_id, shown.reason, to_rfc3339(at), uuid7()), verify_key=key, source=SHOWN)
        with self._vault.transaction():
            self._put(kept, report)

    def note_state(self, fault: KeptFault, state: str, problem: str | None = None) -> None:
        """Keep what became of the report of a fault."""
        with self._vault.transaction():
            self._put(msgspec.structs.replace(fault, state=state, problem=problem), None)

    def report_of(self, fault: KeptFault) -> object:
        """The report (JSON object, None if there is none) that shows the fault."""
        payload = self._vault.get(_REPORT, fault.fault_id.encode())
        return None if payload is None else msgspec.json.decode(payload)

    def find(self, start: str) -> KeptFault | None:
        """The fault whose id begins so, if it is one alone."""
        found = [fault for fault in self.all() if fault.fault_id.startswith(start)]
        return found[0] if len(found) == 1 else None

    def all(self) -> Iterator[KeptFault]:
        """Every fault ever met or shown, the oldest first."""
        yield from sorted(
            (msgspec.json.decode(payload, type=KeptFault) for payload in self._vault.all(_KIND)),
            key=lambda fault: fault.met_at,
        )

    def _put(self, kept: KeptFault, report: FaultReport | None) -> None:
        self._vault.put(_KIND, kept.fault_id.encode(), msgspec.json.encode(kept))
        if report is not None:
            self._vault.put(_REPORT, kept.fault_id.encode(), msgspec.json.encode(report))
