"""What recording an event stores, and who may read what of it."""

from __future__ import annotations

import json
from typing import Any

import pytest
from sqlalchemy import select

from exchange.log.entries import View, core_digest, record_event
from exchange.log.tables import LogEntry, LogPending
from schemas.values.canonical import parse_canonical_json
from schemas.values.encoding import from_base64
from tests.exchange.log.laboratory import NOW, Laboratory, erase_event
from tlog.entries import entry_commitment


def own_view(laboratory: Laboratory, member_id: str) -> dict[str, Any]:
    view = laboratory.entries(member_id)["entries"][-1]["view"]
    found: dict[str, Any] = parse_canonical_json(from_base64(view))
    return found


def test_each_member_gets_its_own_view_of_one_event(laboratory: Laboratory) -> None:
    event = laboratory.record({"a": {"hits": [1]}, "b": {"hits": [2]}})
    laboratory.settle()
    a, b = own_view(laboratory, "a"), own_view(laboratory, "b")
    assert (a["hits"], b["hits"]) == ([1], [2])
    assert a["event_id"] == b["event_id"] == event.event_id
    assert a["core_digest"] == b["core_digest"]
    assert (a["member_id"], a["kind"], a["recorded_at"]) == ("a", "match", "2026-11-22T10:00:01.000Z")


def test_the_entry_returned_for_the_receipt_opens_to_the_view(laboratory: Laboratory) -> None:
    event = laboratory.record({"a": {}})
    laboratory.settle()
    row = laboratory.entries("a")["entries"][0]
    assert from_base64(row["entry"]) == event.entries["a"]
    assert entry_commitment(from_base64(row["salt"]), from_base64(row["view"])) == event.entries["a"]


def test_attacker_cannot_read_another_member_s_entries(laboratory: Laboratory) -> None:
    laboratory.record({"a": {"secret": "of a"}, "b": {}})
    laboratory.settle()
    assert "of a" not in json.dumps(laboratory.entries("b"))
    assert laboratory.entries("c") == {"entries": [], "pending": [], "next": None}


def test_attacker_cannot_guess_the_core_from_its_digest(laboratory: Laboratory) -> None:
    digests = set()
    for _ in range(2):
        with laboratory.database.transaction() as session:
            event = record_event(session, "match", [View("a", {})], NOW, {"submitter": "b"})
        laboratory.settle()
        digest = own_view(laboratory, "a")["core_digest"]
        digests.add(digest)
        with laboratory.database.reading() as session:
            salt = session.scalars(select(LogEntry.core_salt).where(LogEntry.event_id == event.event_id)).one()
        core = {"event_id": event.event_id, "kind": "match", "core": {"submitter": "b"}}
        assert salt is not None
        assert core_digest(salt, core).hex() == digest
        assert salt.hex() not in json.dumps(laboratory.entries("a"))
    assert len(digests) == 2


def test_a_transaction_that_fails_leaves_neither_entry_nor_pending_row(laboratory: Laboratory) -> None:
    with pytest.raises(ZeroDivisionError), laboratory.database.transaction() as session:
        record_event(session, "match", [View("a", {})], NOW)
        _ = 1 // 0
    assert (laboratory.count(LogEntry), laboratory.count(LogPending)) == (0, 0)


@pytest.mark.parametrize(
    "views",
    [[], [View("a", {}), View("a", {})], [View("a", {"kind": "other"})], [View("a", {"x": 1.5})]],
)
def test_events_that_cannot_be_recorded_are_refused(views: list[View], laboratory: Laboratory) -> None:
    with pytest.raises(ValueError, match=r"."), laboratory.database.transaction() as session:
        record_event(session, "match", views, NOW)
    assert laboratory.count(LogEntry) == 0


def test_an_erased_entry_is_shown_by_its_bytes_and_the_tree_stays(laboratory: Laboratory) -> None:
    laboratory.add_members(14)
    event = laboratory.record({"a": {"x": 1}, "b": {"x": 2}})
    laboratory.settle()
    before = laboratory.tile("tile/entries/000.p/16")
    with laboratory.tampering() as session:
        erase_event(session, event.event_id)
    laboratory.settle()
    (erased,) = laboratory.entries("a")["entries"]
    assert (erased["view"], erased["salt"]) == (None, None)
    assert from_base64(erased["entry"]) == event.entries["a"]
    assert laboratory.tile("tile/entries/000.p/16") == before
