"""What was shown of requests, held against what the log says of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from member.log.chain import LogFault, OwnEntry
from member.requests.log import RequestReading, RequestsCheck, ShownAnswers
from member.vault.requests import OpenedAnswer
from schemas.requests.messages import NO_DETAILS, StatedAnswer
from schemas.values.canonical import canonical_json
from schemas.values.identifiers import uuid7


def entry_of(**view: Any) -> OwnEntry:
    event_id = uuid7()
    stated = {"recorded_at": "2026-11-22T10:00:00Z", **view, "event_id": event_id}
    return OwnEntry(uuid7(), event_id, 1, 1, bytes(33), bytes(32), stated)


NO_TRACE = StatedAnswer(
    outcome="no_trace",
    institution=None,
    recipient=None,
    representative_id=None,
    fields=[],
    refusal_reason=None,
    sealed_sha256=None,
    signature=None,
    prepared=None,
    answered_at=None,
)


def answered(answer: StatedAnswer) -> OwnEntry:
    """The entry of an answer to request r."""
    return entry_of(kind="request_answered", request_id="r", **msgspec.to_builtins(answer))


def shown_under(reading: OwnEntry, answers: Iterable[StatedAnswer]) -> ShownAnswers:
    """What a reading of request r showed; whom an answer went to is not kept."""
    kept = [{name: said for name, said in msgspec.to_builtins(one).items() if name != "recipient"} for one in answers]
    return ShownAnswers("log", reading.event_id, "r", [canonical_json(one) for one in kept])


def test_answers_are_shown_as_they_were_logged_no_more_and_no_less() -> None:
    partial = msgspec.structs.replace(NO_TRACE, outcome="partial", institution="b", fields=["reason"])
    logged = [answered(NO_TRACE), answered(partial)]
    read = entry_of(kind="request_read", request_id="r", recorded_at="2026-11-22T11:00:00Z")
    at_once = entry_of(kind="request_read", request_id="r", recorded_at="2026-11-22T10:00:59Z")

    def check(*answers: StatedAnswer, under: OwnEntry = read) -> None:
        shown = shown_under(under, answers)
        made = RequestsCheck([], [], [shown])
        for entry in (*logged, under):
            made.look_at(entry)
        assert made.finish(is_complete=True) == []

    check(NO_TRACE, partial)
    check(NO_TRACE, under=at_once)
    for answers in ((NO_TRACE, NO_TRACE, partial), (NO_TRACE, msgspec.structs.replace(partial, institution="c"))):
        with pytest.raises(LogFault, match="never logged"):
            check(*answers)
    for left in ([NO_TRACE], [partial], []):
        with pytest.raises(LogFault, match="later shown without"):
            check(*left)


def erased() -> OwnEntry:
    """An entry whose content is erased."""
    return replace(entry_of(kind="request_answered"), view=None)


def test_an_erased_entry_stands_in_for_one_answer_and_hides_none() -> None:
    full = msgspec.structs.replace(NO_TRACE, outcome="full", institution="b", fields=["reason"], sealed_sha256="digest")
    opened = OpenedAnswer("r", "b", "full", ["reason"], "digest", NO_DETAILS, "log")
    logged = answered(NO_TRACE)
    read = entry_of(kind="request_read", request_id="r", recorded_at="2026-11-22T11:00:00Z")

    def check(answers: list[StatedAnswer], opened: list[OpenedAnswer], *entries: OwnEntry) -> None:
        made = RequestsCheck([], opened, [shown_under(read, answers)])
        for entry in (*entries, read):
            made.look_at(entry)
        made.finish(is_complete=True)

    check([NO_TRACE, full], [opened], logged, erased())
    check([NO_TRACE, full], [opened], erased(), erased())
    with pytest.raises(LogFault, match="never logged"):
        check([NO_TRACE, NO_TRACE, full], [opened], logged, erased())
    with pytest.raises(LogFault, match="does not say so"):
        check([NO_TRACE], [opened, msgspec.structs.replace(opened, institution="c")], logged, erased())
    with pytest.raises(LogFault, match="later shown without"):
        check([], [], erased(), logged, erased())


def test_an_opened_answer_and_a_reading_that_the_log_lacks_are_faults() -> None:
    answer = OpenedAnswer("r", "b", "partial", ["reason"], "digest", NO_DETAILS, "log")
    stated = {"request_id": "r", "institution": "b", "outcome": "partial", "fields": ["reason"]}
    honest = entry_of(kind="request_answered", sealed_sha256="digest", **stated)
    check = RequestsCheck([], [answer], [])
    check.look_at(honest)
    assert check.finish(is_complete=True) == []
    others: tuple[Mapping[str, object], ...] = (
        {"sealed_sha256": "other"},
        {"institution": "c"},
        {"fields": ["reason", "contact"]},
        {"institution": []},
        {"fields": [["reason"]]},
    )
    for other in others:
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
