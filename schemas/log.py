"""The member's own log entries on the wire."""

from __future__ import annotations

import msgspec

from schemas.submissions import SignedReceipt
from schemas.values.message import Message, Uuid


class EntryContent(Message, frozen=True):
    """An entry: its view and salt, null once erased, and the 33 bytes that go into the tree, each as base64."""

    entry_id: Uuid
    event_id: Uuid
    view: str | None
    salt: str | None
    entry: str


class PlacedEntry(EntryContent, frozen=True):
    """An entry with its place: its number among the member's own, index in the log, and the chain's head (base64)."""

    number: int
    index: int
    chain_head: str


class PromisedEntry(EntryContent, frozen=True):
    """An entry that waits for its place, with the receipt that promises one."""

    receipt: SignedReceipt


class EntriesPage(Message, frozen=True):
    """One page of a member's own entries, the ids of those that wait, and the number to go on after. `waiting` is there
    if it was asked for.
    """

    entries: list[PlacedEntry]
    pending: list[str]
    next: int | None
    waiting: list[PromisedEntry] | msgspec.UnsetType = msgspec.UNSET
