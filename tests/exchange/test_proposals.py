"""Drafts at the exchange: one of each subject at a time, listed and discarded by the operator."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable

import pytest
from sqlalchemy import select

from exchange.services.accept_statement import accept_statement
from exchange.services.propose_statement import (
    UnknownProposalError,
    discard_proposal,
    list_proposals,
    propose_statement,
)
from exchange.services.stop_member import stop_member
from exchange.store.log_tables import LogEntry
from keys.statement_types import GroupState, GroupStatement
from keys.statements import StatementError, sign_statement
from schemas.terms import GroupKind
from tests.simulator import Taskforce

NewTaskforce = Callable[..., Taskforce]


def draft_group(taskforce: Taskforce, objective: str, *members: str) -> str:
    """A draft of the group `ring`; its proposal's id."""
    return propose_statement(
        taskforce.database,
        "group",
        "ring",
        lambda sequence: GroupStatement(
            sequence=sequence,
            issued_at=taskforce.clock(),
            group_id="ring",
            name="ring",
            kind=GroupKind.THREAT_GROUP,
            objective=objective,
            sunset=None,
            state=GroupState.OPEN,
            members=frozenset(members),
        ),
        taskforce.clock(),
    )


def payload_of(taskforce: Taskforce, proposal_id: str) -> bytes:
    """What the registrars are to sign."""
    (payload,) = (each["payload"] for each in taskforce.proposals() if each["proposal_id"] == proposal_id)
    return base64.b64decode(payload)


def test_a_second_draft_of_one_subject_is_refused_and_names_the_first(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    first = draft_group(taskforce, "one ring", "a")
    with pytest.raises(StatementError, match=f"proposal {first} about the group ring.*proposal discard {first}") as met:
        draft_group(taskforce, "another ring", "a")
    assert met.value.reason == "waiting"
    assert [(each.proposal_id, each.sequence) for each in list_proposals(taskforce.database)] == [(first, 1)]
    assert draft_group(taskforce, "one ring", "a") == first  # the very same bytes are the same draft


def test_discarding_frees_the_place_and_is_in_the_log(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    first = draft_group(taskforce, "one ring", "a", "stranger")
    assert discard_proposal(taskforce.database, first[:12], taskforce.clock()).proposal_id == first
    with taskforce.database.reading() as session:
        entries = session.scalars(select(LogEntry).where(LogEntry.kind == "authority")).all()
    views = [(each.member_id, json.loads(each.view or b"{}")) for each in entries]
    told = [(who, view["statement"]["sha256"]) for who, view in views if view.get("discarded_by") == "operator"]
    assert told == [("a", first)]
    second = draft_group(taskforce, "another ring", "a")
    taskforce.sign(second)
    assert list_proposals(taskforce.database) == []


def test_a_discarded_draft_takes_no_signatures_any_more(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    first = draft_group(taskforce, "one ring", "a")
    payload = payload_of(taskforce, first)
    discard_proposal(taskforce.database, first, taskforce.clock())
    for name, key in taskforce.registrars.items():
        with pytest.raises(StatementError, match="discarded"):
            envelope = sign_statement(payload, name, key)
            accept_statement(taskforce.database, taskforce.root, envelope, taskforce.clock())


def test_what_does_not_wait_cannot_be_discarded(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    for proposal_id in ("", "0" * 64, "ring"):
        with pytest.raises(UnknownProposalError):
            discard_proposal(taskforce.database, proposal_id, taskforce.clock())


def test_stopping_a_member_waits_for_no_other_draft(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    a = taskforce.members["a"]
    waiting = propose_statement(
        taskforce.database, "member", "a", lambda sequence: taskforce.member_statement(a, sequence), taskforce.clock()
    )
    taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
    stopped = stop_member(taskforce.database, "a", taskforce.clock())
    assert [each.proposal_id for each in list_proposals(taskforce.database)] == [stopped] != [waiting]


def test_a_registrars_own_statement_is_not_kept_out_by_a_draft(new_taskforce: NewTaskforce) -> None:
    """Else the operator could hold a place for ever with a draft that nobody signs."""
    taskforce = new_taskforce("a")
    held = draft_group(taskforce, "in the way", "a")
    taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
    payload = payload_of(taskforce, held).replace(b"in the way", b"what is so")
    for name, key in taskforce.registrars.items():
        envelope = sign_statement(payload, name, key)
        standing = accept_statement(taskforce.database, taskforce.root, envelope, taskforce.clock())
    assert standing.state == "effective"
    assert list_proposals(taskforce.database) == []
