"""Holding a member's own log against what the member was told."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from tests.torture.commands import Commands
from tests.torture.records import DOUBLED, UNLOGGED, Records
from tests.torture.shown import Shown, fingerprint

_View = dict[str, Any]
_ONCE = {
    "match": ("submission_id", "part", "slice"),
    "request_made": ("request_id", "direction"),
    "withdrawal": ("withdrawal_id",),
    "le_query_asked": ("query_id",),
    "le_query_approved": ("query_id",),
}
"""Of each of these kinds of entries there is one at most with the same fields."""


def check_own_log(commands: Commands, records: Records) -> None:
    """`log verify` holds, and each receipt, reading and hit that was told is in an entry of this member, once."""
    member = commands.member
    verified, _ = commands.run("log", "verify")
    listed, _ = commands.run("log", "entries")
    if verified.status != 0 or listed.status != 0 or listed.document is None:
        records.fault(UNLOGGED, f"{member}: the log does not verify: {verified.document}")
        return
    entries = listed.document["entries"]
    shown = records.shown().get(member, Shown())
    for what, count in _unlogged(entries, shown):
        records.fault(UNLOGGED, f"{what} {member}", count)
    views: list[_View] = [entry["view"] for entry in entries]
    records.fault(DOUBLED, f"events of {member} have two entries", len(entries) - len({e["event_id"] for e in entries}))
    for kind, count in _doubled(views):
        records.fault(DOUBLED, f"entries of the kind {kind} of {member} stand twice", count)
    records.count(entries_verified=len(entries), hits_shown=len(shown.hits))


def _unlogged(entries: list[dict[str, Any]], shown: Shown) -> Iterable[tuple[str, int]]:
    by_event = {entry["event_id"]: entry["entry"] for entry in entries}
    disclosed = {fingerprint(hit) for entry in entries for hit in entry["view"].get("hits", ())}
    yield "a receipt of", sum(by_event.get(event) != entry for event, entry in shown.receipts.items())
    yield "a reading by", len(shown.readings - by_event.keys())
    yield "a hit shown to", len(shown.hits - disclosed)


def _doubled(views: Iterable[_View]) -> Iterable[tuple[str, int]]:
    seen: Counter[tuple[object, ...]] = Counter()
    for view in views:
        fields = _ONCE.get(view["kind"], ())
        if fields and all(name in view for name in fields):
            seen[view["kind"], *(view[name] for name in fields)] += 1
    kinds = Counter(dict.fromkeys(_ONCE, 0))
    for (kind, *_), count in seen.items():
        kinds[str(kind)] += count - 1
    return kinds.items()
