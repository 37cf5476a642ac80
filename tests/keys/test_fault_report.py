"""A report of a holder's fault is judged by the registrars' root alone, and what it shows counts while its keys do."""

from __future__ import annotations

import dataclasses
import json
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.fault_report import FaultReport
from keys.holder_fault import EvidenceError
from keys.roots import Roots
from keys.statement_types import EpochState
from tests.any_input import JSON, changed_fields
from tests.keys.taskforce import ISSUED, holder_key, make_root, sign
from tests.keys.test_holder_fault import CHECK, EPOCH, MEMBER, OTHER, SPOILT, Answering, malformed, wrong_answer

ROOTS = Roots(make_root())
REPORT = FaultReport(wrong_answer(), sign(EPOCH), sign(MEMBER.statement))
SMALL = FaultReport(
    malformed(Answering(elements=SPOILT.elements[:64], spoil=lambda body: body[:32])),
    sign(EPOCH),
    sign(MEMBER.statement),
).to_wire()


def as_received(report: FaultReport) -> FaultReport:
    return FaultReport.parse(json.loads(json.dumps(report.to_wire())))


def test_it_shows_the_fault_to_whoever_has_the_root() -> None:
    read = as_received(REPORT)
    shown = read.verify(ROOTS)
    assert (shown.holder, shown.epoch, shown.kind) == (EPOCH.holders[0], 1, "wrong_answer")
    assert "differ from what it proved" in shown.reason
    assert read.report_id == REPORT.report_id


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"epoch": sign(EPOCH, by=("necc",))}, "not the registrars'"),
        ({"epoch": sign(EPOCH, by=("necc", "stranger"))}, "not the registrars'"),
        ({"member": sign(MEMBER.statement, by=("stranger",))}, "not the registrars'"),
        ({"member": sign(OTHER.statement)}, "not a stated representative's"),
        ({"member": sign(EPOCH)}, "that of a member"),
        ({"epoch": sign(MEMBER.statement)}, "statement of an epoch"),
        ({"epoch": sign(dataclasses.replace(EPOCH, epoch=2))}, "of epoch 2"),
        ({"epoch": sign(dataclasses.replace(EPOCH, holders=EPOCH.holders[1:]))}, "does not name"),
        ({"epoch": sign(dataclasses.replace(EPOCH, issued_at=ISSUED + timedelta(days=60)))}, "before the statement"),
    ],
)
def test_statements_that_are_not_the_right_ones_show_nothing(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(EvidenceError, match=why):
        as_received(dataclasses.replace(REPORT, **changes)).verify(ROOTS)


def test_an_honest_holder_is_not_framed() -> None:
    honest = dataclasses.replace(REPORT, evidence=wrong_answer(Answering(), CHECK))
    with pytest.raises(EvidenceError, match="the answers agree"):
        as_received(honest).verify(ROOTS)


def test_it_counts_while_the_epoch_names_the_holder_with_the_same_keys() -> None:
    shown = REPORT.verify(ROOTS)
    liar, *others = EPOCH.holders
    moved = dataclasses.replace(liar, url="https://elsewhere.example")
    rekeyed = dataclasses.replace(liar, verify_key=holder_key(9).public_bytes)
    assert shown.has_force(EPOCH)
    assert shown.has_force(dataclasses.replace(EPOCH, sequence=2, holders=(moved, *others)))
    assert not shown.has_force(dataclasses.replace(EPOCH, sequence=2, holders=(rekeyed, *others)))
    assert not shown.has_force(dataclasses.replace(EPOCH, sequence=2, holders=tuple(others)))
    assert not shown.has_force(dataclasses.replace(EPOCH, sequence=2, state=EpochState.RETIRED))
    assert not shown.has_force(dataclasses.replace(EPOCH, epoch=2))
    assert not shown.has_force(None)


@given(JSON)
def test_any_json_is_refused(value: Any) -> None:
    with pytest.raises(EvidenceError):
        FaultReport.parse(value)


@given(st.data())
def test_a_report_changed_anywhere_shows_nothing_new(data: st.DataObject) -> None:
    """Header fields aside that no signature covers and nobody reads, whatever is changed is refused."""
    changed = data.draw(changed_fields(SMALL))
    try:
        shown = FaultReport.parse(changed).verify(ROOTS)
    except EvidenceError:
        return
    assert (shown.holder, shown.epoch, shown.kind) == (EPOCH.holders[0], 1, "malformed")
