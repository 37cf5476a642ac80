"""A report of a holder's fault is judged by the registrars' root alone, and what it shows counts while its keys do."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from keys.faults.evidence import EvidenceError
from keys.faults.report import parse_report, read_claim, report_id_of, verify_report
from keys.statements.keyring import Keyring
from keys.statements.roots import Roots
from keys.statements.types import EpochState, EpochStatement
from schemas.holder_faults import FaultReport
from tests.any_input import JSON, changed_fields
from tests.keys.factories import ISSUED, holder_key, make_dealing, make_epoch, make_root, sign
from tests.keys.faults.test_holder_fault import (
    CHECK,
    EPOCH,
    MEMBER,
    OTHER,
    SPOILT,
    Answering,
    malformed,
    refreshed,
    wrong_answer,
    wrong_proof,
)
from tests.keys.statements.test_roots import next_root

ROOTS = Roots(make_root())
REPORT = FaultReport(wrong_answer(), sign(EPOCH), sign(MEMBER.statement))
SMALL = msgspec.to_builtins(
    FaultReport(
        malformed(Answering(elements=SPOILT.elements[:64], spoil=lambda body: body[:32])),
        sign(EPOCH),
        sign(MEMBER.statement),
    )
)


def as_received(report: FaultReport) -> FaultReport:
    return parse_report(json.loads(json.dumps(msgspec.to_builtins(report))))


def test_it_shows_the_fault_to_whoever_has_the_root() -> None:
    read = as_received(REPORT)
    shown = verify_report(read, ROOTS)
    assert (shown.holder, shown.epoch, shown.kind) == (EPOCH.holders[0], 1, "wrong_answer")
    assert "differ from what it proved" in shown.reason
    assert report_id_of(read) == report_id_of(REPORT)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"epoch_statement": sign(EPOCH, by=("necc",))}, "not the registrars'"),
        ({"epoch_statement": sign(EPOCH, by=("necc", "stranger"))}, "not the registrars'"),
        ({"member_statement": sign(MEMBER.statement, by=("stranger",))}, "not the registrars'"),
        ({"member_statement": sign(OTHER.statement)}, "not a stated representative's"),
        ({"member_statement": sign(EPOCH)}, "and of a member"),
        ({"epoch_statement": sign(MEMBER.statement)}, "statements of an epoch"),
        ({"epoch_statement": sign(dataclasses.replace(EPOCH, epoch=2))}, "of epoch 2"),
        ({"epoch_statement": sign(dataclasses.replace(EPOCH, holders=EPOCH.holders[1:]))}, "does not name"),
        (
            {"epoch_statement": sign(dataclasses.replace(EPOCH, issued_at=ISSUED + timedelta(days=60)))},
            "before the statement",
        ),
    ],
)
def test_statements_that_are_not_the_right_ones_show_nothing(changes: dict[str, Any], why: str) -> None:
    with pytest.raises(EvidenceError, match=why):
        verify_report(as_received(msgspec.structs.replace(REPORT, **changes)), ROOTS)


def test_an_honest_holder_is_not_framed() -> None:
    honest = msgspec.structs.replace(REPORT, evidence=wrong_answer(Answering(), CHECK))
    with pytest.raises(EvidenceError, match="the answers agree"):
        verify_report(as_received(honest), ROOTS)


def swapped(statement: EpochStatement) -> EpochStatement:
    """The same holders and keys, but the first and the last have each other's index."""
    first, second, third = statement.holders
    holders = (
        msgspec.structs.replace(first, index=third.index),
        second,
        msgspec.structs.replace(third, index=first.index),
    )
    return dataclasses.replace(statement, sequence=7, holders=holders)


def framing(statement: EpochStatement, by: Sequence[str]) -> FaultReport:
    """What an honest holder answered, with proof, beside a statement that makes it look wrong."""
    evidence = wrong_proof(Answering(is_proved=True))
    return as_received(FaultReport(evidence, sign(statement, by), sign(MEMBER.statement)))


def keyring_after_change(names: Sequence[str] = ("bank", "regulator")) -> Keyring:
    """A keyring in which these registrars follow necc and reviewer, and carry over what was in force."""
    keyring = Keyring(make_root())
    for statement in (EPOCH, MEMBER.statement):
        keyring.add(sign(statement))
    root = next_root(keyring.roots, names, carry=[EPOCH, MEMBER.statement])
    keyring.add(sign(root, ("necc", "reviewer", *names)))
    return keyring


def test_registrars_who_left_frame_nobody_by_a_swapped_index() -> None:
    keyring = keyring_after_change()
    framed = framing(swapped(EPOCH), ("necc", "reviewer"))
    with pytest.raises(EvidenceError, match="earlier registrars"):
        verify_report(framed, keyring.roots, keyring.was_in_force)
    assert not read_claim(framed).has_force(keyring.epochs())


def test_registrars_who_left_frame_nobody_by_another_address() -> None:
    """Nor by any other statement of theirs that never was in force."""
    keyring = keyring_after_change()
    liar, *others = EPOCH.holders
    moved = dataclasses.replace(EPOCH, holders=(msgspec.structs.replace(liar, url="https://old.example"), *others))
    with pytest.raises(EvidenceError, match="earlier registrars"):
        verify_report(msgspec.structs.replace(REPORT, epoch_statement=sign(moved)), keyring.roots, keyring.was_in_force)


def test_a_statement_whose_commitments_disagree_is_believed_of_nobody() -> None:
    """Of those who sign at present neither."""
    with pytest.raises(EvidenceError, match="the statement of the epoch: the commitment"):
        verify_report(framing(swapped(EPOCH), ("necc", "reviewer")), ROOTS)


def test_a_statement_carried_over_judges_evidence() -> None:
    keyring = keyring_after_change()
    assert verify_report(REPORT, keyring.roots).epoch == 1


def test_a_statement_taken_in_while_it_counted_judges_evidence() -> None:
    """It was stated anew since, and the root that followed lists the newer one alone."""
    keyring, names = Keyring(make_root()), ("bank", "regulator")
    anew = dataclasses.replace(EPOCH, sequence=2)
    for statement in (EPOCH, anew, MEMBER.statement):
        keyring.add(sign(statement))
    keyring.add(sign(next_root(keyring.roots, names, carry=[anew, MEMBER.statement]), ("necc", "reviewer", *names)))
    assert verify_report(REPORT, keyring.roots, keyring.was_in_force).has_force(keyring.epochs())
    with pytest.raises(EvidenceError, match="earlier registrars"):
        verify_report(REPORT, keyring.roots)


def test_it_counts_while_an_epoch_names_the_holder_with_the_same_key() -> None:
    shown = verify_report(REPORT, ROOTS)
    liar, *others = EPOCH.holders
    moved = msgspec.structs.replace(liar, url="https://elsewhere.example")
    rekeyed = msgspec.structs.replace(liar, verify_key=holder_key(9).public_bytes)
    assert shown.has_force([EPOCH])
    assert shown.has_force([dataclasses.replace(EPOCH, sequence=2, holders=(moved, *others))])
    assert not shown.has_force([dataclasses.replace(EPOCH, sequence=2, holders=(rekeyed, *others))])
    assert not shown.has_force([dataclasses.replace(EPOCH, sequence=2, holders=tuple(others))])
    assert not shown.has_force([dataclasses.replace(EPOCH, sequence=2, state=EpochState.RETIRED)])
    assert not shown.has_force([])


def test_a_new_epoch_forgives_no_fault_under_the_same_key() -> None:
    shown = verify_report(REPORT, ROOTS)
    following = make_epoch(make_dealing(), epoch=2)
    retired = dataclasses.replace(EPOCH, sequence=2, state=EpochState.RETIRED)
    assert shown.counts_in([EPOCH, following]) == [EPOCH, following]
    assert shown.counts_in([retired, following]) == [following]
    liar, *others = following.holders
    rekeyed = msgspec.structs.replace(liar, verify_key=holder_key(9).public_bytes)
    assert not shown.has_force([retired, dataclasses.replace(following, holders=(rekeyed, *others))])


def test_a_refresh_of_the_shares_forgives_no_fault() -> None:
    """The holder itself named the share that it answered with."""
    shown = verify_report(REPORT, ROOTS)
    stated = refreshed(EPOCH)
    assert shown.counts_in([stated]) == [stated]


@pytest.mark.parametrize("name", ["index", "threshold", "public_key"])
def test_it_counts_nowhere_if_its_epoch_is_stated_otherwise(name: str) -> None:
    shown, following = verify_report(REPORT, ROOTS), make_epoch(make_dealing(), epoch=2)
    changed: dict[str, Any] = {
        "index": swapped(EPOCH),
        "threshold": dataclasses.replace(EPOCH, threshold=3),
        "public_key": dataclasses.replace(EPOCH, public_key=following.public_key),
    }
    assert not shown.has_force([changed[name], following])


@given(JSON)
def test_any_json_is_refused(value: Any) -> None:
    with pytest.raises(EvidenceError):
        parse_report(value)


@given(st.data())
def test_a_report_changed_anywhere_shows_nothing_new(data: st.DataObject) -> None:
    """Header fields aside that no signature covers and nobody reads, whatever is changed is refused."""
    changed = data.draw(changed_fields(SMALL))
    try:
        shown = verify_report(parse_report(changed), ROOTS)
    except EvidenceError:
        return
    assert (shown.holder, shown.epoch, shown.kind) == (EPOCH.holders[0], 1, "malformed")
