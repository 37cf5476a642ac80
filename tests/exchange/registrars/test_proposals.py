"""Drafts at the exchange: one of each subject at a time, listed and discarded by the operator."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable

import msgspec
import pytest
from sqlalchemy import select

from exchange.log.tables import LogEntry
from exchange.registrars.accept import MAX_BROUGHT, accept_statement, list_statements
from exchange.registrars.propose import (
    UnknownProposalError,
    discard_proposal,
    list_proposals,
    propose_statement,
)
from exchange.registrars.stop_member import stop_member
from keys.statements.envelopes import StatementError, merge, payload_digest, sign_statement
from keys.statements.roots import Roots
from keys.statements.types import GroupState, GroupStatement, to_payload
from schemas.statements import EnvelopeSignature, StatementEnvelope
from schemas.terms import GroupKind
from schemas.values.encoding import to_base64
from tests.keys.factories import ISSUED
from tests.taskforce.founding import Taskforce

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
    assert [(each.proposal_id, each.listed.sequence) for each in list_proposals(taskforce.database)] == [(first, 1)]
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


def test_a_member_that_is_stopped_twice_has_one_draft(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    stopped = stop_member(taskforce.database, "a", taskforce.clock())
    first, second = taskforce.registrars.items()
    payload = payload_of(taskforce, stopped)
    for name, key in (first, second):
        taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
        assert stop_member(taskforce.database, "a", taskforce.clock()) == stopped
        assert [each.proposal_id for each in list_proposals(taskforce.database)] == [stopped]
        accept_statement(taskforce.database, taskforce.root, sign_statement(payload, name, key), taskforce.clock())
    with pytest.raises(StatementError, match="suspended by a statement in force"):
        stop_member(taskforce.database, "a", taskforce.clock())
    assert list_proposals(taskforce.database) == []


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


def test_a_wrong_signature_in_ones_own_name_blocks_nothing(new_taskforce: NewTaskforce) -> None:
    """Registrars hand in a wrong signature before or after their right one: it must not be kept in its place."""
    taskforce = new_taskforce("a")
    payload = payload_of(taskforce, draft_group(taskforce, "one ring", "a"))
    for number, (name, key) in enumerate(taskforce.registrars.items()):
        envelope = sign_statement(payload, name, key)
        wrong = EnvelopeSignature(keyid=f"registrar/{name}", sig=to_base64(bytes(64)))
        right = envelope.signatures
        both = [*right, wrong] if number % 2 else [wrong, *right]
        envelope = msgspec.structs.replace(envelope, signatures=both)
        standing = accept_statement(taskforce.database, taskforce.root, envelope, taskforce.clock())
        assert standing.signatures == number + 1
    assert standing.state == "effective"
    (stated,) = [each for each in shown_in_force(taskforce) if each.payload == to_base64(payload)]
    assert Roots(taskforce.root).verify(stated).signers == set(taskforce.registrars)


def test_an_urgent_draft_leaves_what_a_registrar_signed(new_taskforce: NewTaskforce) -> None:
    """Else the operator could end the registrars' own half-signed statement by stopping a member."""
    taskforce = new_taskforce("a")
    a = taskforce.members["a"]
    payload = to_payload(dataclasses.replace(taskforce.member_statement(a, 2), name="as the registrars say"))
    first, second = (sign_statement(payload, name, key) for name, key in taskforce.registrars.items())
    half = accept_statement(taskforce.database, taskforce.root, first, taskforce.clock())
    assert (half.state, half.signatures) == ("collecting", 1)
    taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
    stopped = stop_member(taskforce.database, "a", taskforce.clock())
    waiting = {each.proposal_id for each in list_proposals(taskforce.database)}
    assert waiting == {stopped, payload_digest(payload)}
    whole = accept_statement(taskforce.database, taskforce.root, second, taskforce.clock())
    assert (whole.state, whole.signatures) == ("effective", 2)


def test_a_quorum_brings_a_superseded_draft_into_force(new_taskforce: NewTaskforce) -> None:
    """The registrars signed off line what the operator has drafted anew meanwhile."""
    taskforce = new_taskforce("a")
    a = taskforce.members["a"]
    drafted = propose_statement(
        taskforce.database, "member", "a", lambda sequence: taskforce.member_statement(a, sequence), taskforce.clock()
    )
    payload = payload_of(taskforce, drafted)
    taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
    stopped = stop_member(taskforce.database, "a", taskforce.clock())
    states = []
    for name, key in taskforce.registrars.items():
        envelope = sign_statement(payload, name, key)
        states.append(accept_statement(taskforce.database, taskforce.root, envelope, taskforce.clock()).state)
        assert stopped in {each.proposal_id for each in list_proposals(taskforce.database)} or states[-1] == "effective"
    assert states == ["collecting", "effective"]


def test_a_whole_quorum_is_not_kept_out_by_discarding(new_taskforce: NewTaskforce) -> None:
    """Else the operator could discard the registrars' own statement after its first signature, and have it refused."""
    taskforce = new_taskforce("a")
    first = draft_group(taskforce, "one ring", "a")
    payload = payload_of(taskforce, first)
    discard_proposal(taskforce.database, first, taskforce.clock())
    one, other = (sign_statement(payload, name, key) for name, key in taskforce.registrars.items())
    with pytest.raises(StatementError, match="discarded"):
        accept_statement(taskforce.database, taskforce.root, one, taskforce.clock())
    standing = accept_statement(taskforce.database, taskforce.root, merge(one, other), taskforce.clock())
    assert standing.state == "effective"


def brought(taskforce: Taskforce, *names: str, group_id: str) -> str:
    """Registrars hand in a statement that nobody drafted; its state then."""
    stated = GroupStatement(
        sequence=1,
        issued_at=ISSUED,
        group_id=group_id,
        name="brought",
        kind=GroupKind.THREAT_GROUP,
        objective="brought",
        sunset=None,
        state=GroupState.OPEN,
        members=frozenset("a"),
    )
    envelopes = [sign_statement(to_payload(stated), name, taskforce.registrars[name]) for name in names]
    envelope = envelopes[0] if len(envelopes) == 1 else merge(*envelopes)
    return accept_statement(taskforce.database, taskforce.root, envelope, taskforce.clock()).state


def test_one_registrar_does_not_flood_what_the_others_approve_from(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    draft = draft_group(taskforce, "one ring", "a")
    taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
    for number in range(MAX_BROUGHT):
        assert brought(taskforce, "necc", group_id=f"g{number}") == "collecting"
    with pytest.raises(StatementError, match="necc brought of its own accord") as met:
        brought(taskforce, "necc", group_id="more")
    assert met.value.reason == "waiting"
    assert len(list_proposals(taskforce.database)) == MAX_BROUGHT + 1
    taskforce.clock.advance(seconds=5)  # type: ignore[attr-defined]
    envelope = sign_statement(payload_of(taskforce, draft), "necc", taskforce.registrars["necc"])
    drafted = accept_statement(taskforce.database, taskforce.root, envelope, taskforce.clock())
    assert drafted.state == "collecting"  # what the operator drafted is not counted
    assert brought(taskforce, "reviewer", group_id="other") == "collecting"  # nor what another brought
    assert brought(taskforce, "necc", "reviewer", group_id="whole") == "effective"
    assert brought(taskforce, "reviewer", group_id="g0") == "effective"
    assert brought(taskforce, "necc", group_id="more") == "collecting"


def shown_in_force(taskforce: Taskforce) -> list[StatementEnvelope]:
    """The envelopes that members and key holders are given."""
    return list_statements(taskforce.database, 0, 100).statements
