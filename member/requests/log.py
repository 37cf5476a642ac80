"""What was shown of information requests, held against this member's own entries of the log.

1. Each reading of a request, of a page of them, of a query, a correction or outcomes is kept with the digests of what
   was shown, until `log verify` has found its entry, in the verified tree, with those digests.
2. The answers that a request of ours was last shown with, those without a name too, must stand in the log, each as
   often as it was shown; and none that stood there well before may have been left out.
3. Each answer that was opened here must stand in the log as it was opened: whose it is, its outcome, its fields and the
   digest of what was sealed. Those stay in the vault, and are looked for at every verification.
4. An entry whose content is erased may have been one answer, and stands in for one that is looked for, not for more.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

import msgspec

from member.log.chain import LogFault, LoggedEntry
from member.vault.requests import OpenedAnswer
from member.vault.store import Vault
from schemas.requests.messages import StatedAnswer
from schemas.values.canonical import canonical_json, parse_canonical_json
from schemas.values.encoding import from_rfc3339

_READING, _SHOWN = "request_reading", "request_shown"
_ANSWERED = "request_answered"
_MEANWHILE = timedelta(seconds=60)
"""An answer recorded so shortly before a reading may not have been there for it."""
_SAID = tuple(name for name in StatedAnswer.__struct_fields__ if name != "recipient")
_OPENED = ("request_id", "institution", "outcome", "sealed_sha256", "fields")


class RequestReading(msgspec.Struct, frozen=True):
    """One answer of the exchange: the event under which it says that it is logged, and the digest (base64) that the
    entry states under `name`.
    """

    origin: str
    event_id: str
    name: str
    sha256: str


class ShownAnswers(msgspec.Struct, frozen=True):
    """The answers that the exchange showed for a request of ours under an event, each in canonical JSON."""

    origin: str
    event_id: str
    request_id: str
    answers: list[bytes]


class RequestLog:
    """The kept readings in an open vault, for the log of one origin."""

    def __init__(self, vault: Vault, origin: str) -> None:
        self._vault = vault
        self._origin = origin

    def keep(self, event_id: str, name: str, sha256: str) -> None:
        """Keep a reading until the log has been verified."""
        reading = RequestReading(self._origin, event_id, name, sha256)
        with self._vault.transaction():
            self._vault.put(_READING, _name(reading), msgspec.msgpack.encode(reading))

    def keep_answers(self, event_id: str, request_id: str, answers: Iterable[Mapping[str, Any]]) -> None:
        """Keep the answers that a request of ours was shown with; those of an earlier reading are dropped."""
        shown = ShownAnswers(self._origin, event_id, request_id, [_said(answer) for answer in answers])
        with self._vault.transaction():
            self._vault.put(_SHOWN, request_id.encode(), msgspec.msgpack.encode(shown))

    def answers(self) -> list[ShownAnswers]:
        """The answers last shown for each request under this log."""
        kept = (msgspec.msgpack.decode(payload, type=ShownAnswers) for payload in self._vault.all(_SHOWN))
        return [shown for shown in kept if shown.origin == self._origin]

    def readings(self) -> list[RequestReading]:
        """Kept readings of this log."""
        kept = (msgspec.msgpack.decode(payload, type=RequestReading) for payload in self._vault.all(_READING))
        return [reading for reading in kept if reading.origin == self._origin]

    def forget(self, readings: Iterable[RequestReading]) -> None:
        """Drop readings that were found in the verified log."""
        with self._vault.transaction():
            for reading in readings:
                self._vault.delete(_READING, _name(reading))


@dataclass
class RequestsCheck:
    """Holds kept readings and opened answers against entries as they are verified; give `look_at` every entry, then
    `finish`.
    """

    readings: list[RequestReading]
    opened: list[OpenedAnswer]
    shown: list[ShownAnswers]
    found: list[RequestReading] = field(default_factory=list)
    _answers: set[bytes] = field(default_factory=set)
    _logged: dict[str, list[tuple[datetime, bytes, LoggedEntry]]] = field(default_factory=lambda: defaultdict(list))
    _read_at: dict[str, datetime] = field(default_factory=dict)
    _erased: int = 0

    @cached_property
    def _shown_under(self) -> set[str]:
        return {shown.event_id for shown in self.shown}

    @cached_property
    def _by_event(self) -> dict[str, list[RequestReading]]:
        kept: dict[str, list[RequestReading]] = defaultdict(list)
        for reading in self.readings:
            kept[reading.event_id].append(reading)
        return kept

    def look_at(self, entry: LoggedEntry) -> None:
        """Raises LogFault for an entry that does not state what was shown under its event."""
        if entry.view is None:
            self._erased += 1
        else:
            self._take_in(entry, entry.view)
        for reading in self._by_event.get(entry.event_id, ()):
            if entry.view is not None and entry.view.get(reading.name) != reading.sha256:
                raise entry.fault("something was read under this event, and it does not state what was shown")
            self.found.append(reading)

    def _take_in(self, entry: LoggedEntry, view: Mapping[str, Any]) -> None:
        if entry.event_id in self._shown_under:
            self._read_at[entry.event_id] = from_rfc3339(view["recorded_at"])
        if view.get("kind") == _ANSWERED:
            self._answers.add(_stated(view))
            if "requester" not in view:  # a request of ours: what we answer ourselves says whom
                self._logged[str(view.get("request_id"))].append(
                    (from_rfc3339(view["recorded_at"]), _said(view), entry)
                )

    def finish(self, *, is_complete: bool) -> list[RequestReading]:
        """The readings that were found. Raises LogFault if a reading, or the entry of an answer that was shown, is
        missing though no entry waits, or if an answer is not shown that was logged before.
        """
        missing = sorted({reading.event_id for reading in self.readings} - {one.event_id for one in self.found})
        if missing and is_complete:
            raise LogFault("something was read under it, and it is not in the log", event_id=missing[0])
        if is_complete:
            lacking = self._shown_without_entry() | self._opened_without_entry()
            if lacking.total() > self._erased:
                raise self._fault_of(next(iter(lacking)))
            self._check_left_out()
        return self.found

    def _shown_without_entry(self) -> Counter[bytes]:
        """What was shown more often than it is logged."""
        lacking: Counter[bytes] = Counter()
        for shown in self.shown:
            left = Counter(shown.answers) - Counter(said for _, said, _ in self._logged[shown.request_id])
            for said, times in left.items():
                answer = parse_canonical_json(said)
                lacking[_stated({**answer, "request_id": shown.request_id})] += times
        return lacking

    def _opened_without_entry(self) -> Counter[bytes]:
        stated = {_stated(msgspec.to_builtins(answer)) for answer in self.opened}
        return Counter(stated - self._answers)

    def _fault_of(self, stated: bytes) -> LogFault:
        """What is wrong where nothing logged says what an answer stated."""
        answer = parse_canonical_json(stated)
        request_id = answer["request_id"]
        if any(stated == _stated(msgspec.to_builtins(opened)) for opened in self.opened):
            return LogFault(f"{answer['institution']} answered request {request_id}, and the log does not say so")
        event_id = next(shown.event_id for shown in self.shown if shown.request_id == request_id)
        what = f"request {request_id} was shown with an answer that was never logged as given"
        return LogFault(what, event_id=event_id)

    def _check_left_out(self) -> None:
        for shown in self.shown:
            until = self._read_at.get(shown.event_id)
            left = Counter(shown.answers)
            for recorded_at, said, entry in self._logged[shown.request_id]:
                left[said] -= 1
                if left[said] < 0 and until is not None and recorded_at < until - _MEANWHILE:
                    raise entry.fault(f"request {shown.request_id} was later shown without this answer")


def _name(reading: RequestReading) -> bytes:
    return f"{reading.event_id}|{reading.name}|{reading.sha256}".encode()


def _said(answer: Mapping[str, Any]) -> bytes:
    """What an answer says, as it is shown and as it is logged."""
    return canonical_json({name: answer.get(name) for name in _SAID})


def _stated(view: Mapping[str, Any]) -> bytes:
    """What is compared of an answer that was opened."""
    return canonical_json({name: view.get(name) for name in _OPENED})
