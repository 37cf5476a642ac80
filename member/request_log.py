"""What was shown of information requests, held against this member's own entries of the log.

1. Each reading of a request, or of a page of them, is kept with the digest of what was shown, until `log verify` has
   found its entry, in the verified tree, with that digest.
2. Each answer that was opened here must stand in the log as it was opened: whose it is, its outcome, its fields and the
   digest of what was sealed. Those stay in the vault, and are looked for at every verification.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

import msgspec

from member.log_chain import LogFault, OwnEntry
from member.vault.requests import OpenedAnswer
from member.vault.store import Vault

_READING = "request_reading"
_Stated = tuple[object, ...]


class RequestReading(msgspec.Struct, frozen=True):
    """One answer of the exchange: the event under which it says that it is logged, and the digest (base64) that the
    entry states under `name`.
    """

    origin: str
    event_id: str
    name: str
    sha256: str


class RequestLog:
    """The kept readings in an open vault, for the log of one origin."""

    def __init__(self, vault: Vault, origin: str) -> None:
        self._vault = vault
        self._origin = origin

    def keep(self, event_id: str, name: str, sha256: str) -> None:
        """Keep a reading until the log has been verified."""
        reading = RequestReading(self._origin, event_id, name, sha256)
        with self._vault.transaction():
            self._vault.put(_READING, event_id.encode(), msgspec.msgpack.encode(reading))

    def readings(self) -> dict[str, RequestReading]:
        """Kept readings of this log, by their events."""
        kept = (msgspec.msgpack.decode(payload, type=RequestReading) for payload in self._vault.all(_READING))
        return {reading.event_id: reading for reading in kept if reading.origin == self._origin}

    def forget(self, event_ids: Iterable[str]) -> None:
        """Drop readings that were found in the verified log."""
        with self._vault.transaction():
            for event_id in event_ids:
                self._vault.delete(_READING, event_id.encode())


@dataclass
class RequestsCheck:
    """Holds kept readings and opened answers against entries as they are verified; give `look_at` every entry, then
    `finish`.
    """

    readings: Mapping[str, RequestReading]
    opened: list[OpenedAnswer]
    found: list[str] = field(default_factory=list)
    _answers: set[_Stated] = field(default_factory=set)
    _erased: bool = False

    def look_at(self, entry: OwnEntry) -> None:
        """Raises LogFault for an entry that does not state what was shown under its event."""
        reading = self.readings.get(entry.event_id)
        if entry.view is None:
            self._erased = True
        elif entry.view.get("kind") == "request_answered":
            self._answers.add(_stated(entry.view))
        if reading is None:
            return
        if entry.view is not None and entry.view.get(reading.name) != reading.sha256:
            raise entry.fault("requests were read under this event, and it does not state what was shown")
        self.found.append(entry.event_id)

    def finish(self, *, is_complete: bool) -> list[str]:
        """The events that were found. Raises LogFault if a reading, or the entry of an opened answer, is missing though
        no entry waits.
        """
        missing = sorted(self.readings.keys() - set(self.found))
        if missing and is_complete:
            raise LogFault("requests were read under it, and it is not in the log", event_id=missing[0])
        for answer in self.opened if is_complete and not self._erased else ():
            if _stated(msgspec.to_builtins(answer)) not in self._answers:
                raise LogFault(
                    f"{answer.institution} answered request {answer.request_id}, and the log does not say so"
                )
        return self.found


def _stated(view: Mapping[str, object]) -> _Stated:
    fields = view.get("fields")
    told = tuple(fields) if isinstance(fields, list) else None
    return *(view.get(name) for name in ("request_id", "institution", "outcome", "sealed_sha256")), told
