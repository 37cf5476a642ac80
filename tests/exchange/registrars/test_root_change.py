"""The registrars replaced at the exchange: drafted, signed by both quorums, in force for everything that follows."""

from __future__ import annotations

import base64
import dataclasses
import json
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from exchange.log.tables import LogEntry
from exchange.membership.roots import read_roots
from exchange.membership.statements import StatementSignature
from exchange.registrars.accept import accept_statement, list_statements
from exchange.registrars.propose import discard_proposal, list_proposals
from exchange.registrars.roots import propose_root
from keys.signatures.messages import SigningKey
from keys.statements.envelopes import StatementError, sign_statement
from keys.statements.keyring import Keyring, MemberState, Registrar, Root, RootStatement, parse_statement, to_payload
from schemas.statements import StatementAnswer
from tests.taskforce.founding import Taskforce

NewTaskforce = Callable[..., Taskforce]
REGULATOR = SigningKey.from_seed(b"regulator".ljust(32, b"."))


def successors(taskforce: Taskforce, *names: str, quorum: int = 2) -> Root:
    """The registrars who are to follow; `regulator` is new."""
    keys = {**taskforce.registrars, "regulator": REGULATOR}
    return Root(quorum, tuple(Registrar(name, keys[name].public_bytes) for name in names))


def draft(taskforce: Taskforce, *names: str, quorum: int = 2) -> bytes:
    """The drafted root's bytes."""
    wanted = successors(taskforce, *names, quorum=quorum)
    proposal_id = propose_root(taskforce.database, taskforce.root, wanted, taskforce.clock())
    return next(each.payload for each in list_proposals(taskforce.database) if each.proposal_id == proposal_id)


def hand_in(taskforce: Taskforce, payload: bytes, *names: str) -> StatementAnswer:
    """One signature after the other; where it stands then."""
    keys = {**taskforce.registrars, "regulator": REGULATOR}
    for name in names:
        envelope = sign_statement(payload, name, keys[name])
        standing = accept_statement(taskforce.database, taskforce.root, envelope, taskforce.clock())
    return standing


def change(taskforce: Taskforce) -> bytes:
    """necc gives way to regulator."""
    payload = draft(taskforce, "reviewer", "regulator")
    assert hand_in(taskforce, payload, "necc", "reviewer", "regulator").state == "effective"
    return payload


def suspension(taskforce: Taskforce) -> bytes:
    """The next statement of member a."""
    statement = taskforce.member_statement(taskforce.members["a"], 2)
    return to_payload(dataclasses.replace(statement, state=MemberState.SUSPENDED))


def test_both_quorums_replace_the_registrars(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    payload = draft(taskforce, "reviewer", "regulator")
    assert hand_in(taskforce, payload, "necc") == StatementAnswer("collecting", 1, 3)
    assert hand_in(taskforce, payload, "reviewer") == StatementAnswer("collecting", 2, 3)
    assert read_roots(taskforce.database, taskforce.root).version == 1
    assert hand_in(taskforce, payload, "regulator") == StatementAnswer("effective", 3, 3)
    roots = read_roots(taskforce.database, taskforce.root)
    assert (roots.version, sorted(roots.newest.ids)) == (2, ["regulator", "reviewer"])
    with taskforce.database.reading() as session:
        entries = session.scalars(select(LogEntry).where(LogEntry.kind == "authority")).all()
    views = [(each.member_id, json.loads(each.view or b"{}")["statement"]) for each in entries]
    assert sorted(who for who, stated in views if stated["type"] == "root") == ["a", "b"]


def test_who_left_signs_and_asks_for_nothing_more(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    change(taskforce)
    assert taskforce.send_as_registrar("necc", "GET", "/v1/proposals").status_code == 401
    assert taskforce.send_as_registrar("reviewer", "GET", "/v1/proposals").status_code == 200
    payload = suspension(taskforce)
    with pytest.raises(StatementError, match="no registrar's signature"):
        hand_in(taskforce, payload, "necc")
    assert hand_in(taskforce, payload, "reviewer") == StatementAnswer("collecting", 1, 2)
    assert hand_in(taskforce, payload, "regulator").state == "effective"


def test_what_was_half_signed_waits_without_those_who_left(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    payload = suspension(taskforce)
    assert hand_in(taskforce, payload, "necc") == StatementAnswer("collecting", 1, 2)
    change(taskforce)
    assert hand_in(taskforce, payload, "reviewer") == StatementAnswer("collecting", 1, 2)
    with taskforce.database.reading() as session:
        found = session.scalars(select(StatementSignature.registrar_id))
        assert "necc" in set(found)  # of what came into force before, nothing is removed
    assert hand_in(taskforce, payload, "regulator").state == "effective"


def test_a_root_that_does_not_carry_over_what_is_in_force_is_refused(new_taskforce: NewTaskforce) -> None:
    """A suspension that came in while the root was signed would be undone by it."""
    taskforce = new_taskforce("a")
    payload = draft(taskforce, "reviewer", "regulator")
    hand_in(taskforce, payload, "necc", "regulator")
    assert hand_in(taskforce, suspension(taskforce), "necc", "reviewer").state == "effective"
    with pytest.raises(StatementError, match="discard the draft and make it anew") as met:
        hand_in(taskforce, payload, "reviewer")
    assert met.value.reason == "inconsistent"
    assert read_roots(taskforce.database, taskforce.root).version == 1
    (waiting,) = list_proposals(taskforce.database)
    discard_proposal(taskforce.database, waiting.proposal_id, taskforce.clock())
    change(taskforce)
    assert Keyring(taskforce.root)  # and the suspension goes on
    keyring = Keyring(taskforce.root)
    for envelope in list_statements(taskforce.database, 0, 100).statements:
        keyring.add(envelope)
    assert keyring.member("a").state is MemberState.SUSPENDED


def test_a_reader_follows_what_the_exchange_serves(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a", "b")
    before = Keyring(taskforce.root)
    change(taskforce)
    hand_in(taskforce, suspension(taskforce), "reviewer", "regulator")
    page = taskforce.send_as_registrar("reviewer", "GET", "/v1/statements").get_json()
    for envelope in page["statements"]:
        before.add(envelope)
    assert (before.roots.version, before.member("a").state) == (2, MemberState.SUSPENDED)
    assert before.member("b").state is MemberState.ACTIVE


def test_a_second_change_follows_the_first(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    first = change(taskforce)
    payload = draft(taskforce, "necc", "reviewer")
    stated = parse_statement(payload)
    assert isinstance(stated, RootStatement)
    assert stated.sequence == 3
    assert hand_in(taskforce, payload, "reviewer", "regulator", "necc").state == "effective"
    with pytest.raises(StatementError) as met:
        hand_in(taskforce, first, "reviewer")
    assert met.value.reason == "stale"


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"sequence": 3}, "gap"),
        ({"previous": "0" * 64}, "conflict"),
        ({"registrars": (Registrar("necc", REGULATOR.public_bytes),), "quorum": 1}, "inconsistent"),
        ({"statements": frozenset()}, "inconsistent"),
    ],
)
def test_a_root_out_of_place_is_refused(new_taskforce: NewTaskforce, changes: dict[str, Any], reason: str) -> None:
    taskforce = new_taskforce("a")
    stated = parse_statement(draft(taskforce, "necc", "reviewer"))
    assert isinstance(stated, RootStatement)
    payload = to_payload(dataclasses.replace(stated, issued_at=taskforce.clock(), **changes))
    with pytest.raises(StatementError) as met:
        hand_in(taskforce, payload, "necc", "reviewer")
    assert met.value.reason == reason
    assert read_roots(taskforce.database, taskforce.root).version == 1


def test_a_root_that_could_not_come_into_force_does_not_wait(new_taskforce: NewTaskforce) -> None:
    """Else one registrar could have any number of long ones stand in the list that the others approve from."""
    taskforce = new_taskforce("a")
    stated = parse_statement(draft(taskforce, "necc", "reviewer"))
    assert isinstance(stated, RootStatement)
    for number in range(3):
        carried = frozenset(bytes([number, index]).ljust(32, b".") for index in range(100))
        with pytest.raises(StatementError, match="discard the draft") as met:
            hand_in(taskforce, to_payload(dataclasses.replace(stated, statements=carried)), "necc")
        assert met.value.reason == "inconsistent"
    assert len(list_proposals(taskforce.database)) == 1


def test_a_registrar_is_not_drafted_with_another_key(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    wanted = Root(1, (Registrar("necc", REGULATOR.public_bytes),))
    with pytest.raises(StatementError, match="takes a new id"):
        propose_root(taskforce.database, taskforce.root, wanted, taskforce.clock())
    assert list_proposals(taskforce.database) == []


def test_a_root_in_the_database_that_nobody_signed_stops_everything(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    payload = change(taskforce)
    with taskforce.database.transaction() as session:
        for row in session.scalars(select(StatementSignature)):
            if row.registrar_id == "regulator":
                row.signature = bytes(64)
    with pytest.raises(StatementError):
        read_roots(taskforce.database, taskforce.root)
    assert taskforce.send_as_registrar("reviewer", "GET", "/v1/proposals").status_code != 200
    assert base64.b64encode(payload)
