"""A key holder follows a change of registrars: whoever brings it, whatever those who left state afterwards."""

from __future__ import annotations

import dataclasses
from datetime import timedelta
from typing import Any

import pytest

from keys.oprf.threshold import Dealing
from keys.statements.keyring import MemberState, Roots, RootStatement
from tests.keys.factories import ISSUED, Member, make_epoch, make_member, make_root, registrar, sign
from tests.keys.holder.simulator import HolderSimulator, make_elements, problem_of

OLD, NEW, ALL = ("necc", "reviewer"), ("reviewer", "regulator"), ("necc", "reviewer", "regulator")


def next_root(holder: HolderSimulator, *names: str) -> RootStatement:
    """These registrars follow; all that the holder has in force goes on."""
    keyring = holder.service.keyring()
    carried = frozenset(bytes.fromhex(each.digest) for each in keyring.in_force() if each.type != "root")
    return RootStatement(
        keyring.roots.version + 1, ISSUED, keyring.roots.fingerprint, 2, tuple(map(registrar, names)), carried
    )


def test_a_holder_goes_on_under_the_next_registrars(holder: HolderSimulator, member: Member) -> None:
    change = sign(next_root(holder, "reviewer", "regulator"), ALL)
    (taken,) = holder.state(change)
    assert (taken.status_code, taken.get_json()["state"], taken.get_json()["sequence"]) == (200, "stored", 2)
    assert holder.state(change)[0].get_json()["state"] == "known"
    assert holder.ask(member, make_elements(1)).status_code == 200
    again = HolderSimulator(holder.settings, holder.database, holder.clock)  # it reads and verifies its store anew
    assert again.service.keyring().roots.newest.ids == {"reviewer", "regulator"}
    assert again.service.keyring().digest == holder.service.keyring().digest
    (suspended,) = again.state(sign(member.changed(state=MemberState.SUSPENDED), NEW))
    assert suspended.status_code == 200
    assert problem_of(holder.ask(member, make_elements(2), key="key-2")) == "member-suspended"


def test_who_has_left_states_nothing_at_a_holder(holder: HolderSimulator, member: Member) -> None:
    holder.state(sign(next_root(holder, "reviewer", "regulator"), ALL))
    digest = holder.service.keyring().digest
    ghost = sign(make_member("ghost").statement, OLD)
    suspended = sign(member.changed(state=MemberState.SUSPENDED), OLD)
    for answer in holder.state(ghost, suspended):
        assert (answer.status_code, problem_of(answer)) == (409, "statement-stale")
    assert holder.service.keyring().digest == digest


def test_who_has_left_does_not_have_a_holder_lock_its_store(
    holder: HolderSimulator, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder.state(sign(next_root(holder, "reviewer", "regulator"), ALL))
    locked: list[Any] = []
    kind = type(holder.database)
    lock = kind.lock_statements

    def noted(self: Any, connection: Any) -> None:
        locked.append(connection)
        lock(self, connection)

    monkeypatch.setattr(kind, "lock_statements", noted)
    skipping = dataclasses.replace(next_root(holder, "necc", "reviewer"), sequence=4)
    for envelope in (sign(make_member("ghost").statement, OLD), sign(skipping, ALL), sign(skipping, OLD)):
        assert holder.state(envelope)[0].status_code in {403, 409, 422}
    assert locked == []
    assert holder.state(sign(make_member("newcomer").statement, NEW))[0].status_code == 200
    assert len(locked) == 1


def test_a_holder_refuses_roots_out_of_place(holder: HolderSimulator) -> None:
    second = next_root(holder, "necc", "reviewer", "regulator")
    wrong = {
        "quorum": sign(second, ("necc",)),
        "conflict": sign(dataclasses.replace(second, previous=Roots(make_root(1)).fingerprint), OLD),
        "gap": sign(dataclasses.replace(second, sequence=3), OLD),
    }
    for slug, envelope in wrong.items():
        (answer,) = holder.state(envelope)
        assert problem_of(answer) == f"statement-{slug}"
    holder.state(sign(second, OLD))
    (back,) = holder.state(sign(dataclasses.replace(second, issued_at=ISSUED.replace(year=2027)), OLD))
    assert problem_of(back) == "statement-conflict"
    assert holder.service.keyring().roots.version == 2


def test_a_root_that_drops_the_epoch_ends_evaluations(holder: HolderSimulator, member: Member) -> None:
    """Fail closed: what is not carried over is not served."""
    nothing = dataclasses.replace(next_root(holder, "reviewer", "regulator"), statements=frozenset())
    assert holder.state(sign(nothing, ALL))[0].status_code == 200
    assert holder.ask(member, make_elements(1)).status_code in {401, 403}
    assert list(holder.service.keyring().epochs()) == []


@pytest.mark.parametrize("later", [timedelta(0), timedelta(days=1)])
def test_what_a_root_dropped_is_stated_again(
    holder: HolderSimulator, member: Member, dealing: Dealing, later: timedelta
) -> None:
    """By the quorum that follows: the very statement, or another with the sequence that is free again."""
    stated = dataclasses.replace(member.statement, issued_at=member.statement.issued_at + later)
    for signers in (NEW, OLD):
        nothing = dataclasses.replace(next_root(holder, *signers), statements=frozenset())
        assert holder.state(sign(nothing, ALL))[0].status_code == 200
        answers = holder.state(sign(make_epoch(dealing), signers), sign(stated, signers))
        assert [(each.status_code, each.get_json()["state"]) for each in answers] == [(200, "stored")] * 2
        assert holder.state(sign(stated, signers))[0].get_json()["state"] == "known"
    assert holder.ask(member, make_elements(1)).status_code == 200
    again = HolderSimulator(holder.settings, holder.database, holder.clock)
    assert again.service.keyring().digest == holder.service.keyring().digest
