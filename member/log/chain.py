"""The member's own entries, one after the other, as the exchange hands them out: each opened, and chained to the
one before.

Rules for each entry, in order; the first broken one is a LogFault that names the entry:
1. its fields have their types and lengths; view and salt are both there or both erased;
2. its number follows the last one, its index lies behind the last one's or is the same (several entries of one member
   may share a leaf): no hole, no repetition;
3. the entry is the commitment to salt and view; the view is canonical JSON, addressed to this member, of the event
   named;
4. the chain head is that of the entry upon the head before; where this member has been before, it is the head it
   saw then;
5. a day's head states the chain as it was, and the days follow one another.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta
from itertools import groupby
from typing import Any, TypeGuard

from member.errors import MemberError
from schemas.hits import Overlap
from schemas.values.canonical import parse_canonical_json
from schemas.values.encoding import from_base64, from_rfc3339
from tlog.entries import CHAIN_START, ENTRY_BYTES, SALT_BYTES, entry_commitment, leaf_entry, next_chain_head
from tlog.hashing import HASH_BYTES

# Not the stage: that is how far this member itself has asked, and its requests' own entries say that.
HitFields = dict[str, Any]
Where = Mapping[str, Any]
"""How a LogFault names an entry: the arguments that say which."""
_FORM = "its view has a missing field or one of an invalid format"


class LogFault(MemberError):  # noqa: N818 - the log's rules speak of faults
    """The log does not stand up: what is wrong, and which entry, by number, event, index or entry id as far as
    known, and the receipts (payload and signature, base64) that prove it.
    """

    slug = "log_fault"

    def __init__(
        self,
        what: str,
        *,
        number: int | None = None,
        event_id: str | None = None,
        index: int | None = None,
        entry_id: str | None = None,
        receipts: Sequence[Mapping[str, str]] = (),
    ) -> None:
        names = {"number": number, "event_id": event_id, "index": index, "entry_id": entry_id}
        self.where = {name: value for name, value in names.items() if value is not None}
        place = ", ".join(f"{name.removesuffix('_id')} {value}" for name, value in self.where.items())
        super().__init__(f"entry ({place}): {what}" if place else what, "tell the reviewer")
        self.receipts = list(receipts)
        self.fields = {**self.where, **({"receipts": self.receipts} if receipts else {})}
        self.what = what


@dataclass(frozen=True)
class OwnEntry:
    """One entry of this member: its place, its 33 bytes, and its view, None once erased."""

    entry_id: str
    event_id: str
    number: int
    index: int
    entry: bytes
    chain_head: bytes
    view: Mapping[str, Any] | None

    def fault(self, what: str) -> LogFault:
        """A fault of this entry."""
        return LogFault(what, number=self.number, event_id=self.event_id, index=self.index, entry_id=self.entry_id)


@dataclass(frozen=True)
class WaitingEntry:
    """One own entry without a place: its 33 bytes, and its view, None once erased."""

    entry_id: str
    event_id: str
    entry: bytes
    view: Mapping[str, Any] | None

    def fault(self, what: str) -> LogFault:
        """A fault of this entry."""
        return LogFault(what, event_id=self.event_id, entry_id=self.entry_id)

    def hit_states(self) -> list[tuple[str, HitFields | None]]:
        """What it says of hits. Raises LogFault."""
        try:
            return list(_hit_states(self.view or {}))
        except (KeyError, TypeError, AttributeError):
            raise self.fault(_FORM) from None


LoggedEntry = OwnEntry | WaitingEntry


@dataclass(frozen=True)
class Place:
    """What is kept of an entry once it has been opened: where it must be in the tree, and its 33 bytes."""

    number: int
    index: int
    event_id: str
    entry_id: str
    entry: bytes

    @property
    def where(self) -> Where:
        """How a LogFault names the entry."""
        return {"number": self.number, "event_id": self.event_id, "index": self.index, "entry_id": self.entry_id}


@dataclass(frozen=True)
class OwnLeaf:
    """One own leaf of the tree: the entries that it holds, in order."""

    places: Sequence[Place]

    @property
    def index(self) -> int:
        """Where it is in the tree."""
        return self.places[0].index

    @property
    def where(self) -> Where:
        """How a LogFault names it: by its last entry."""
        return self.places[-1].where

    @property
    def entry(self) -> bytes:
        """Its 33 bytes."""
        return leaf_entry([place.entry for place in self.places])


def shown_fields(hit: Mapping[str, Any]) -> HitFields:
    """What a hit says, without its token and the time of its disclosure."""
    return {name: hit.get(name) for name in Overlap.__struct_fields__}


def _hit_states(view: Mapping[str, Any]) -> Iterator[tuple[str, HitFields | None]]:
    for hit in view.get("hits", ()):
        yield hit["hit_id"], shown_fields(hit)
    for hit_id in view.get("ended", ()):
        yield hit_id, None


@dataclass
class OwnChain:
    """All entries of one member so far. `hit_states` has each hit's states by number, None where it ended."""

    member_id: str
    seen_number: int = 0
    seen_head: bytes = CHAIN_START
    places: list[Place] = field(default_factory=list)
    heads: list[bytes] = field(default_factory=lambda: [CHAIN_START])
    entry_by_event: dict[str, bytes] = field(default_factory=dict)
    entry_ids: set[str] = field(default_factory=set)
    hit_states: dict[str, list[tuple[int, HitFields | None]]] = field(default_factory=dict)
    erased: list[int] = field(default_factory=list)
    last_day: date | None = None

    @property
    def number(self) -> int:
        """The number of the last entry, 0 before the first."""
        return len(self.places)

    def leaves(self) -> Iterator[OwnLeaf]:
        """The own leaves of the tree, in order. Complete only once all entries have been read."""
        for _, held in groupby(self.places, key=lambda place: place.index):
            yield OwnLeaf(list(held))

    def add(self, row: Mapping[str, Any]) -> OwnEntry:
        """Check the next entry as GET /log/entries gives it, and take it in. Raises LogFault."""
        entry = self._opened(row)
        if entry.chain_head != next_chain_head(self.heads[-1], entry.entry):
            raise entry.fault("its chain head does not follow from the entries before it")
        if entry.number == self.seen_number and entry.chain_head != self.seen_head:
            raise entry.fault("up to here the entries are others than those seen before")
        if entry.event_id in self.entry_by_event:
            raise entry.fault("its event has an entry already")
        self._read_view(entry)
        self.places.append(Place(entry.number, entry.index, entry.event_id, entry.entry_id, entry.entry))
        self.heads.append(entry.chain_head)
        self.entry_by_event[entry.event_id] = entry.entry
        self.entry_ids.add(entry.entry_id)
        return entry

    def _opened(self, row: Mapping[str, Any]) -> OwnEntry:
        expected = self.number + 1
        where = read_place(row, expected)
        if self.places and where["index"] < self.places[-1].index:
            raise LogFault("its index lies before that of the entry before it", **where)
        return open_entry(row, self.member_id, where)

    def _read_view(self, entry: OwnEntry) -> None:
        """Take in what the view states about hits and about the chain itself."""
        if entry.view is None:
            self.erased.append(entry.number)
            return
        try:
            from_rfc3339(entry.view["recorded_at"])
            for hit_id, fields in _hit_states(entry.view):
                self.hit_states.setdefault(hit_id, []).append((entry.number, fields))
            if entry.view["kind"] == "day_head":
                self._read_day_head(entry, entry.view)
        except (KeyError, ValueError, TypeError, AttributeError):
            raise entry.fault(_FORM) from None

    def _read_day_head(self, entry: OwnEntry, view: Mapping[str, Any]) -> None:
        number, day = view["number"], date.fromisoformat(view["day"])
        if not is_index(number) or number >= entry.number:
            raise entry.fault("the day's head counts entries that do not exist")
        if from_base64(view["chain_head"], HASH_BYTES) != self.heads[number]:
            raise entry.fault(f"the day's head is not the chain head after entry {number}")
        if self.last_day is not None and day != self.last_day + timedelta(days=1):
            raise entry.fault(f"the head of the day after {self.last_day.isoformat()} is missing")
        self.last_day = day


def read_place(row: Mapping[str, Any], expected: int) -> Where:
    """Where a row of GET /log/entries says it stands, as a LogFault names it. Raises LogFault unless its number is the
    expected one.
    """
    entry_id, event_id = row.get("entry_id"), row.get("event_id")
    number, index = row.get("number"), row.get("index")
    if not (isinstance(entry_id, str) and isinstance(event_id, str) and is_index(number) and is_index(index)):
        raise LogFault("the exchange gives an entry without id, event, number or index", number=expected)
    if number != expected:
        what = f"it is missing; the exchange goes on with number {number} (event {event_id})"
        raise LogFault(what, number=expected)
    return {"number": expected, "event_id": event_id, "index": index, "entry_id": entry_id}


def open_entry(row: Mapping[str, Any], member_id: str, where: Where) -> OwnEntry:
    """The entry of a row, by itself: the commitment to a view of this member. Raises LogFault."""
    try:
        entry = from_base64(row["entry"], ENTRY_BYTES)
        chain_head = from_base64(row["chain_head"], HASH_BYTES)
        view = None if row["view"] is None else from_base64(row["view"])
        salt = None if row["salt"] is None else from_base64(row["salt"], SALT_BYTES)
    except (KeyError, ValueError, AttributeError, TypeError):
        raise LogFault("its entry, chain head, view or salt is malformed or has another length", **where) from None
    body = open_view(view, salt, entry, member_id, where)
    return OwnEntry(**where, entry=entry, chain_head=chain_head, view=body)


def open_view(
    view: bytes | None, salt: bytes | None, entry: bytes, member_id: str, where: Where
) -> Mapping[str, Any] | None:
    """What a view says, None for an erased one, if the entry commits to it and it is this member's. Raises LogFault."""
    if view is None and salt is None:
        return None
    if view is None or salt is None:
        raise LogFault("its view or its salt is missing, but not both", **where)
    if len(salt) != SALT_BYTES or entry_commitment(salt, view) != entry:
        raise LogFault("its view and salt are not what the entry commits to", **where)
    try:
        body = parse_canonical_json(view)
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise LogFault("its view is not canonical JSON", **where)
    if body.get("member_id") != member_id:
        raise LogFault("its view is addressed to another member", **where)
    if body.get("event_id") != where["event_id"]:
        raise LogFault("its view is of another event", **where)
    return body


def is_index(value: Any) -> TypeGuard[int]:
    """Whether a value off the wire is a whole number that an index or a running number can be."""
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 2**63
