"""What was shown of requests, held against what the log says of them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec
import pytest

from member.log.chain import LogFault, OwnEntry
from member.requests.log import RequestReading, RequestsCheck, ShownAnswers
from member.vault.requests import OpenedAnswer
from schemas.requests.messages import NO_DETAILS
from schemas.values.canonical import canonical_json
from schemas.values.identifiers import uuid7


def entry_of(**view: Any) -> OwnEntry:
    event_id = uuid7()
    where: dict[str, Any] = {"number": 1, "index": 1, "event_id": event_id, "entry_id": uuid7()}
    stated = {"recorded_at": "2026-11-22T10:00:00Z", **view, "event_id": event_id}
    return OwnEntry(**where, entry=bytes(33), chain_head=bytes(32), view=stated)


def test_answers_are_shown_as_they_were_logged_no_more_and_no_less() -> None:
    nothing: dict[str, Any] = {
        "institution": None,
        "representative_id": None,
        "fields": [],
        "sealed_sha256": None,
        "signature": None,
        "prepared": None,
        "answered_at": None,
    }
    no_trace = {"outcome": "no_trace", "refusal_reason": None, **nothing}
    partial = {**no_trace, "outcome": "partial", "institution": "b", "fields": ["reason"]}
    logged = [entry_of(kind="request_answered", request_id="r", **answer) for answer in (no_trace, partial)]
    read = entry_of(kind="request_read", request_id="r", recorded_at="2026-11-22T11:00:00Z")
    at_once = entry_of(kind="request_read", request_id="r", recorded_at="2026-11-22T10:00:59Z")

    def check(*answers: dict[str, Any], under: OwnEntry = read) -> None:
        shown = ShownAnswers("log", under.event_id, "r", [canonical_json(answer) for answer in answers])
        made = RequestsCheck([], [], [shown])
        for entry in (*logged, under):
            made.look_at(entry)
        assert made.finish(is_complete=True) == []

    check(no_trace, partial)
    check(no_trace, under=at_once)
    for answers in ((no_trace, no_trace, partial), (no_trace, {**partial, "institution": "c"})):
        with pytest.raises(LogFault, match="never logged"):
            check(*answers)
    for left in ([no_trace], [partial], []):
        with pytest.raises(LogFault, match="later shown without"):
            check(*left)


def erased() -> OwnEntry:
    """An entry whose content is erased."""
    return replace(entry_of(kind="request_answered"), view=None)


def test_an_erased_entry_stands_in_for_one_answer_and_hides_none() -> None:
    nothing: dict[str, Any] = dict.fromkeys(
        ("institution", "representative_id", "refusal_reason", "sealed_sha256", "signature", "prepared", "answered_at")
    )
    no_trace = {**nothing, "outcome": "no_trace", "fields": []}
    full = {**nothing, "outcome": "full", "institution": "b", "fields": ["reason"], "sealed_sha256": "digest"}
    opened = OpenedAnswer("r", "b", "full", ["reason"], "digest", NO_DETAILS, "log")
    logged = entry_of(kind="request_answered", request_id="r", **no_trace)
    read = entry_of(kind="request_read", request_id="r", recorded_at="2026-11-22T11:00:00Z")

    def check(answers: list[dict[str, Any]], opened: list[OpenedAnswer], *entries: OwnEntry) -> None:
        shown = ShownAnswers("log", read.event_id, "r", [canonical_json(answer) for answer in answers])
        made = RequestsCheck([], opened, [shown])
        for entry in (*entries, read):
            made.look_at(entry)
        made.finish(is_complete=True)

    check([no_trace, full], [opened], logged, erased())
    check([no_trace, full], [opened], erased(), erased())
    with pytest.raises(LogFault, match="never logged"):
        check([no_trace, no_trace, full], [opened], logged, erased())
    with pytest.raises(LogFault, match="does not say so"):
        check([no_trace], [opened, msgspec.structs.replace(opened, institution="c")], logged, erased())
    with pytest.raises(LogFault, match="later shown without"):
        check([], [], erased(), logged, erased())


def test_an_opened_answer_and_a_reading_that_the_log_lacks_are_faults() -> None:
    answer = OpenedAnswer("r", "b", "partial", ["reason"], "digest", NO_DETAILS, "log")
    stated = {"request_id": "r", "institution": "b", "outcome": "partial", "fields": ["reason"]}
    honest = entry_of(kind="request_answered", sealed_sha256="digest", **stated)
    check = RequestsCheck([], [answer], [])
    check.look_at(honest)
    assert check.finish(is_complete=True) == []
    others: tuple[dict[str, Any], ...] = (
        {"sealed_sha256": "other"},
        {"institution": "c"},
        {"fields": ["reason", "contact"]},
    )
    for other in (*others, {"institution": []}, {"fields": [["reason"]]}):
        check = RequestsCheck([], [answer], [])
        check.look_at(entry_of(kind="request_answered", **{"sealed_sha256": "digest", **stated, **other}))
        with pytest.raises(LogFault, match="does not say so"):
            check.finish(is_complete=True)
        assert check.finish(is_complete=False) == []
    reading = RequestReading("log", honest.event_id, "shown_sha256", "digest")
    check = RequestsCheck([reading], [], [])
    with pytest.raises(LogFault, match="not in the log"):
        check.finish(is_complete=True)
    with pytest.raises(LogFault, match="what was shown"):
        check.look_at(honest)
