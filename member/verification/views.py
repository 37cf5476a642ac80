"""The log as a person of this member is shown it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import msgspec
from msgspec import UNSET, UnsetType

from member.alerts.log import describe_alerts
from member.log.chain import LoggedEntry, WaitingEntry
from member.log.verify import OwnEntry
from member.queries.cover import DisclosedCover, WithheldDisclosure
from member.verification.verify import VerifiedDisclosures
from schemas.values.encoding import to_base64

View = Mapping[str, Any]
"""What one party may read of an event: each kind has fields of its own."""


class EntryView(msgspec.Struct, frozen=True):
    """One own entry in the log; `entry` are its 33 bytes in base64, `view` None once erased."""

    number: int
    index: int
    event_id: str
    entry_id: str
    entry: str
    view: View | None

    @classmethod
    def of(cls, entry: OwnEntry) -> Self:
        """An entry as it was opened."""
        return cls(entry.number, entry.index, entry.event_id, entry.entry_id, to_base64(entry.entry), view_of(entry))


class WaitingEntryView(msgspec.Struct, frozen=True):
    """One own entry without a place in the log yet."""

    event_id: str
    entry_id: str
    entry: str
    view: View | None

    @classmethod
    def of(cls, entry: WaitingEntry) -> Self:
        """An entry as it was opened."""
        return cls(entry.event_id, entry.entry_id, to_base64(entry.entry), view_of(entry))


def disclosed_view(disclosed: DisclosedCover) -> View:
    """What was disclosed to a bank when the cover of a query had ended: of how many tokens, not of which. The
    commitment to it is base64.
    """
    stated = {name: value for name, value in msgspec.structs.asdict(disclosed.stated).items() if name != "holder"}
    return {**stated, "tokens": len(disclosed.stated.tokens), "commitment": disclosed.commitment}


class VerifiedView(msgspec.Struct, frozen=True, kw_only=True):
    """A log that stood up. `entries` are our own, counted or listed; `root` is base64; `erased` are numbers of entries
    without content, `waiting` ids of those without a place, `lost` events of a former log without an entry here.
    """

    verified: bool
    entries: int | Sequence[EntryView]
    tree_size: int
    origin: str
    root: str
    receipts: int
    hits: int
    erased: Sequence[int]
    waiting: Sequence[str]
    pending: int
    lost: Sequence[str]
    proofs: str | UnsetType = UNSET
    disclosed: Sequence[View] | UnsetType = UNSET
    waiting_entries: Sequence[WaitingEntryView] | UnsetType = UNSET

    @classmethod
    def of(cls, found: VerifiedDisclosures, proofs: Path | None) -> Self:
        """What was verified, and where the proofs are."""
        verified = found.verified
        return cls(
            verified=True,
            entries=verified.entries,
            tree_size=verified.checkpoint.size,
            origin=verified.checkpoint.origin,
            root=to_base64(verified.checkpoint.root),
            receipts=verified.receipts,
            hits=verified.hits,
            erased=verified.erased,
            waiting=verified.waiting,
            pending=len(verified.pending),
            lost=found.followed.lost_events,
            proofs=UNSET if proofs is None else str(proofs),
        )

    def with_cover(self, found: VerifiedDisclosures) -> Self:
        """The same with what was disclosed to this bank when cover had ended."""
        return msgspec.structs.replace(self, disclosed=[disclosed_view(one) for one in found.cover.disclosed])

    def with_entries(self, found: VerifiedDisclosures) -> Self:
        """The same with own entries listed, and those that wait for their place."""
        waiting = [WaitingEntryView.of(one) for one in found.verified.waiting_entries]
        return msgspec.structs.replace(self, entries=[*map(EntryView.of, found.entries)], waiting_entries=waiting)


class WithheldView(msgspec.Struct, frozen=True):
    """What was fixed for disclosure to banks, what this bank received, and how much of the former is overdue."""

    withheld: Sequence[WithheldDisclosure]
    disclosed: Sequence[View]
    overdue: int


class CosignedView(msgspec.Struct, frozen=True):
    """A head that this member cosigned: the cosignature's line, the witness's key, and the note with that line."""

    origin: str
    tree_size: int
    cosignature: str
    witness_key: str
    checkpoint: str


_SUBJECTS = ("query", "request", "correction", "outcome", "assessment", "submission", "hit")


def view_of(entry: LoggedEntry) -> View | None:
    """What it says; None once erased."""
    return None if entry.view is None else dict(entry.view)


def subject_of(view: View) -> str:
    """What an entry is about in a line: alerts, or the query, request … by its id; empty for something else."""
    named = (f"{name} {view[f'{name}_id']}" for name in _SUBJECTS if view.get(f"{name}_id"))
    return describe_alerts(view) or next(named, "")
