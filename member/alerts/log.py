"""What was read of alerts, held against this member's own entries of the log.

1. The digest of what was read is computed here, and must be the one that the entries about that version state; each
   entry must open to its commitment. `alert read` looks at what has its place by then, and reads each entry once.
2. Each reading is kept until `log verify` has found its entry, in the verified tree, with that digest.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import msgspec

from member.log.chain import LogFault, LoggedEntry, OwnEntry
from member.log.own_entries import read_on
from member.log.verify import LogSource
from member.vault.store import Vault
from schemas.values.canonical import canonical_json

_CURSOR, _DIGEST, _READING = "alert_cursor", "alert_digest", "alert_reading"


class LoggedDigest(msgspec.Struct, frozen=True):
    """What the log states of one version of an alert: its digest (base64), and the entry that does."""

    content_sha256: str
    number: int
    event_id: str
    index: int


class AlertReading(msgspec.Struct, frozen=True):
    """One reading of an alert: the event under which the exchange says it is logged, and what was read."""

    origin: str
    event_id: str
    alert_id: str
    version: int
    content_sha256: str


class AlertLog:
    """The records about alerts in an open vault, for the log of one origin."""

    def __init__(self, vault: Vault, origin: str, member_id: str) -> None:
        self._vault = vault
        self._origin = origin
        self._member_id = member_id

    def catch_up(self, source: LogSource) -> None:
        """Take in the entries that got their place since the last time. Raises LogFault."""
        read_on(self._vault, source, self._member_id, (_CURSOR, self._origin.encode()), self._take_in)

    def _take_in(self, entry: OwnEntry) -> None:
        for alert_id, version, content_sha256 in _stated(entry):
            known = self.find(alert_id, version)
            if known is not None and known.content_sha256 != content_sha256:
                raise entry.fault(f"it states another content of an alert than entry {known.number} does")
            if known is None:
                made = LoggedDigest(content_sha256, entry.number, entry.event_id, entry.index)
                self._vault.put(_DIGEST, self._name(alert_id, version), msgspec.msgpack.encode(made))

    def find(self, alert_id: str, version: int) -> LoggedDigest | None:
        """What the entries taken in state of a version; None if nothing yet."""
        payload = self._vault.get(_DIGEST, self._name(alert_id, version))
        return None if payload is None else msgspec.msgpack.decode(payload, type=LoggedDigest)

    def check(self, alert_id: str, version: int, content_sha256: str) -> LoggedDigest | None:
        """The entry that states this very content; None if no entry speaks of it yet. Raises LogFault."""
        found = self.find(alert_id, version)
        if found is not None and found.content_sha256 != content_sha256:
            what = "the exchange shows another content of this alert than it logged"
            raise LogFault(what, number=found.number, event_id=found.event_id, index=found.index)
        return found

    def keep(self, event_id: str, alert_id: str, version: int, content_sha256: str) -> None:
        """Keep a reading until the log has been verified."""
        reading = AlertReading(self._origin, event_id, alert_id, version, content_sha256)
        with self._vault.transaction():
            self._vault.put(_READING, _name_of(reading), msgspec.msgpack.encode(reading))

    def readings(self) -> list[AlertReading]:
        """Kept readings of this log."""
        kept = (msgspec.msgpack.decode(payload, type=AlertReading) for payload in self._vault.all(_READING))
        return [reading for reading in kept if reading.origin == self._origin]

    def forget(self, readings: Iterable[AlertReading]) -> None:
        """Drop readings that were found in the verified log."""
        with self._vault.transaction():
            for reading in readings:
                self._vault.delete(_READING, _name_of(reading))

    def _name(self, alert_id: str, version: int) -> bytes:
        return f"{self._origin}|{alert_id}|{version}".encode()


@dataclass
class ReadingsCheck:
    """Holds kept readings against entries as they are verified; give `look_at` every entry, then `finish`."""

    readings: list[AlertReading]
    found: list[AlertReading] = field(default_factory=list)

    @cached_property
    def _by_event(self) -> dict[str, list[AlertReading]]:
        kept: dict[str, list[AlertReading]] = defaultdict(list)
        for reading in self.readings:
            kept[reading.event_id].append(reading)
        return kept

    def look_at(self, entry: LoggedEntry) -> None:
        """Raises LogFault for an entry that does not state what was read under its event."""
        for reading in self._by_event.get(entry.event_id, ()):
            read = (reading.alert_id, reading.version, reading.content_sha256)
            if entry.view is not None and read not in _stated(entry):
                raise entry.fault("an alert was read under this event, and it does not state what was read")
            self.found.append(reading)

    def finish(self, *, is_complete: bool) -> list[AlertReading]:
        """The readings that were found. Raises LogFault if one is missing though no entry waits."""
        missing = sorted({reading.event_id for reading in self.readings} - {one.event_id for one in self.found})
        if missing and is_complete:
            raise LogFault("an alert was read under it, and it is not in the log", event_id=missing[0])
        return self.found


def _name_of(reading: AlertReading) -> bytes:
    """Each thing read is kept, also where the exchange says one event of several."""
    return canonical_json([reading.event_id, reading.alert_id, reading.version, reading.content_sha256])


def describe_alerts(view: Mapping[str, Any]) -> str:
    """What an entry says of alerts, in one line; empty for an entry about something else."""
    several = view.get("alerts")
    if isinstance(several, list):
        through = f" through {view['channel']}" if "channel" in view else ""
        return f"{len(several)} {'alert' if len(several) == 1 else 'alerts'}{through}"
    if "reference" not in view or "alert_id" not in view:
        return ""
    details = ("version", view.get("version")), ("TLP", view.get("tlp")), ("as", view.get("form"))
    return " ".join([str(view["reference"]), *(f"{name} {value}" for name, value in details if value is not None)])


def _stated(entry: LoggedEntry) -> list[tuple[str, int, str]]:
    """The alerts, versions and digests that an entry states."""
    return list(_stated_in(entry.view)) if entry.view is not None else []


def _stated_in(view: Mapping[str, Any]) -> Iterator[tuple[str, int, str]]:
    several = view.get("alerts")
    for one in [view, *(several if isinstance(several, list) else [])]:
        if isinstance(one, Mapping):
            stated = one.get("alert_id"), one.get("version"), one.get("content_sha256")
            if isinstance(stated[0], str) and isinstance(stated[1], int) and isinstance(stated[2], str):
                yield stated[0], stated[1], stated[2]
