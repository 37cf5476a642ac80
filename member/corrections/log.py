"""What was shown of corrections and outcomes, held against this member's own entries of the log.

1. Each page of them is kept with the digest of what was shown (member.requests.log).
2. A correction that was shown must have been recorded: its reason stands in the log, and it concerned as much as was
   recorded by then. Of one that was read whole, what it concerned is compared too: by its hits, requests and queries,
   and by its digest if it was recorded at once.
3. A listing to its end must have left out no correction that had been recorded well before and that nobody here
   acknowledged. What was acknowledged goes after a time, and what is recorded meanwhile may come too late for a
   listing.
4. An outcome about rows of ours that was shown must have been recorded in just those words.
5. An entry whose content is erased may have been one of those looked for, and stands in for one of them.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Self

import msgspec

from member.log.chain import LogFault, LoggedEntry
from member.requests.log import RequestLog
from member.vault.store import Vault
from member.workplace.workplace import Workplace
from schemas.outcomes import ReceivedOutcome
from schemas.values.canonical import canonical_json, digest
from schemas.values.encoding import to_base64
from schemas.values.identifiers import made_at

_SHOWN, _LISTING = "told_shown", "corrections_listed"
_MEANWHILE = timedelta(minutes=10)
"""No transaction of the exchange lasts so long from the making of its event to its commit. Times are those of the
events' ids: a telling states when the worker's round began.
"""
_OUTCOME = ReceivedOutcome.__struct_fields__


class ShownCorrection(msgspec.Struct, frozen=True, tag="correction"):
    """A correction as it was shown under an event. The digests are of what it concerned, where that was read whole."""

    origin: str
    event_id: str
    correction_id: str
    reason: str
    items: int
    items_sha256: str | None = None
    objects_sha256: str | None = None

    @property
    def about(self) -> str:
        """What it is, for a person."""
        return f"correction {self.correction_id}"


class ShownOutcome(msgspec.Struct, frozen=True, tag="outcome"):
    """An outcome about rows of ours as it was shown under an event, in canonical JSON."""

    origin: str
    event_id: str
    outcome_id: str
    said: bytes

    @property
    def about(self) -> str:
        """What it is, for a person."""
        return f"outcome {self.outcome_id}"


Shown = ShownCorrection | ShownOutcome


class Listing(msgspec.Struct, frozen=True):
    """The corrections that were listed last, to the end, under the events of its pages."""

    origin: str
    event_ids: list[str]
    correction_ids: list[str]


class DisclosureRecord:
    """What was shown of corrections and outcomes, in an open vault, for the log of one origin."""

    def __init__(self, vault: Vault, origin: str) -> None:
        self._vault = vault
        self._origin = origin
        self._readings = RequestLog(vault, origin)

    @classmethod
    def at(cls, workplace: Workplace) -> Self:
        """For the log that this member follows."""
        return cls(workplace.vault, workplace.log_origin(workplace.stated))

    def keep_reading(self, event_id: str, shown_sha256: str) -> None:
        """Keep the digest of what was shown under an event."""
        self._readings.keep(event_id, "shown_sha256", shown_sha256)

    def keep_correction(self, event_id: str, correction_id: str, reason: str, items: int) -> None:
        """Keep a correction as it was listed."""
        self._keep(ShownCorrection(self._origin, event_id, correction_id, reason, items))

    def keep_concerned(
        self, event_id: str, correction_id: str, reason: str, concerned: Sequence[Sequence[str]]
    ) -> None:
        """Keep a correction as it was read whole; `concerned` are token, kind and object, in the order shown."""
        items_sha256 = to_base64(digest(concerned))
        objects_sha256 = _objects_sha256({(kind, object_id) for _, kind, object_id in concerned})
        read = ShownCorrection(
            self._origin, event_id, correction_id, reason, len(concerned), items_sha256, objects_sha256
        )
        self._keep(read)

    def keep_outcome(self, event_id: str, outcome: Mapping[str, Any]) -> None:
        """Keep an outcome about rows of ours as it was listed."""
        said = canonical_json({name: outcome[name] for name in _OUTCOME})
        self._keep(ShownOutcome(self._origin, event_id, outcome["outcome_id"], said))

    def keep_listing(self, event_ids: Iterable[str], correction_ids: Iterable[str]) -> None:
        """Keep which corrections were listed to the end; the listing before is dropped."""
        listing = Listing(self._origin, list(dict.fromkeys(event_ids)), list(correction_ids))
        with self._vault.transaction():
            self._vault.put(_LISTING, b"last", msgspec.msgpack.encode(listing))

    def check(self) -> DisclosureCheck:
        """What is kept, to be held against the log."""
        kept = self._vault.get(_LISTING, b"last")
        listing = None if kept is None else msgspec.msgpack.decode(kept, type=Listing)
        is_ours = listing is not None and listing.origin == self._origin
        return DisclosureCheck(list(self._shown()), listing if is_ours else None)

    def forget(self, shown: Iterable[Shown]) -> None:
        """Drop what was found in the verified log."""
        with self._vault.transaction():
            for one in shown:
                self._vault.delete(_SHOWN, _name(one))

    def _keep(self, shown: Shown) -> None:
        with self._vault.transaction():
            self._vault.put(_SHOWN, _name(shown), msgspec.msgpack.encode(shown))

    def _shown(self) -> Iterator[Shown]:
        for payload in self._vault.all(_SHOWN):
            one: Shown = msgspec.msgpack.decode(payload, type=Shown)
            if one.origin == self._origin:
                yield one


@dataclass(frozen=True)
class _Disclosed:
    """One entry that recorded a correction, or more of it."""

    made_at: datetime
    reason: str
    items: int
    items_sha256: str
    objects: frozenset[tuple[str, str]]
    entry: LoggedEntry


@dataclass
class DisclosureCheck:
    """Holds what was shown against entries as they are verified; give `look_at` every entry, then `finish`."""

    shown: list[Shown]
    listing: Listing | None
    _tellings: dict[str, list[_Disclosed]] = field(default_factory=lambda: defaultdict(list))
    _acknowledged: dict[str, list[datetime]] = field(default_factory=lambda: defaultdict(list))
    _outcomes: set[bytes] = field(default_factory=set)
    _listed_at: list[datetime] = field(default_factory=list)
    _erased: int = 0

    def look_at(self, entry: LoggedEntry) -> None:
        """Raises LogFault for an entry that is not of the form that it should have."""
        if entry.view is None:
            self._erased += 1
            return
        try:
            self._take_in(entry, entry.view)
        except (KeyError, ValueError, TypeError, OverflowError):
            raise entry.fault(
                "what it says of a correction or an outcome has a missing field or one of an invalid format"
            ) from None

    def _take_in(self, entry: LoggedEntry, view: Mapping[str, Any]) -> None:
        if self.listing is not None and entry.event_id in self.listing.event_ids:
            self._listed_at.append(made_at(entry.event_id))
        if view["kind"] == "correction" and "correction_id" in view:  # not what reviewers read of others'
            objects = frozenset((str(one["kind"]), str(one["object_id"])) for one in view["told_by"])
            said = view["reason"], int(view["items"]), view["items_sha256"]
            self._tellings[view["correction_id"]].append(_Disclosed(made_at(entry.event_id), *said, objects, entry))
        elif view["kind"] == "correction_acknowledged":
            self._acknowledged[view["correction_id"]].append(made_at(entry.event_id))
        elif view["kind"] == "outcome" and "tokens" in view:  # not what was recorded here
            self._outcomes.add(canonical_json({name: view[name] for name in _OUTCOME}))

    def finish(self, *, is_complete: bool) -> list[Shown]:
        """What was found as it was shown. Raises LogFault for what was shown and not so recorded, or recorded and not
        shown, though no entry waits.
        """
        lacking = [one for one in self.shown if not self._was_disclosed(one)]
        if is_complete and len({one.about for one in lacking}) > self._erased:
            raise LogFault(
                f"{lacking[0].about} was shown under it, and never recorded so", event_id=lacking[0].event_id
            )
        left_out = self._left_out() if is_complete else []
        if len(left_out) > self._erased:
            raise left_out[0].entry.fault("corrections were later listed without this one, which nobody acknowledged")
        return [one for one in self.shown if one not in lacking]

    def _was_disclosed(self, shown: Shown) -> bool:
        if isinstance(shown, ShownOutcome):
            return shown.said in self._outcomes
        items, objects = 0, set[tuple[str, str]]()
        for number, telling in enumerate(self._tellings[shown.correction_id]):
            items, objects = items + telling.items, objects | telling.objects
            if items == shown.items:
                is_read = shown.items_sha256 is not None
                is_other = is_read and shown.objects_sha256 != _objects_sha256(objects)
                is_other |= is_read and number == 0 and shown.items_sha256 != telling.items_sha256
                return telling.reason == shown.reason and not is_other
        return False

    def _left_out(self) -> list[_Disclosed]:
        """The last telling of each correction that the listing left out."""
        if self.listing is None or len(self._listed_at) < len(self.listing.event_ids):
            return []
        began, ended = min(self._listed_at), max(self._listed_at)
        found = []
        for correction_id in self._tellings.keys() - set(self.listing.correction_ids):
            before = [one for one in self._tellings[correction_id] if one.made_at < began - _MEANWHILE]
            if before and not any(
                before[-1].made_at - _MEANWHILE <= at <= ended + _MEANWHILE for at in self._acknowledged[correction_id]
            ):
                found.append(before[-1])
        return sorted(found, key=lambda one: one.made_at)


def _name(shown: Shown) -> bytes:
    """One record for each thing said, under whichever event."""
    said = msgspec.to_builtins(msgspec.structs.replace(shown, event_id=""))
    return f"{shown.about}|{to_base64(digest(said))}".encode()


def _objects_sha256(objects: Iterable[tuple[str, str]]) -> str:
    return to_base64(digest(sorted(objects)))
