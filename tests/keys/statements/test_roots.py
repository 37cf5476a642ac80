"""The chain of roots, against what The Update Framework lists against a root: rollback, skipping, wrong root, a mix of
quorums, an endless chain; and what those can still state who have left.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from keys.signatures.messages import SigningKey
from keys.statements.envelopes import MAX_ROOTS, Anchor, payload_digest
from keys.statements.keyring import Keyring, MemberState, Registrar, Root, RootStatement, StatementError, to_payload
from keys.statements.roots import Roots, roots_first
from keys.statements.snapshots import SnapshotError, check_progress, sign_snapshot, verify_snapshot
from tests.keys.factories import (
    ISSUED,
    holder_key,
    make_dealing,
    make_epoch,
    make_member,
    make_root,
    registrar,
    sign,
)

ROOT = make_root(quorum=2)
OLD = ("necc", "reviewer")
NEW = ("reviewer", "regulator")
ALL = ("necc", "reviewer", "regulator")
MEMBER = make_member("a")
NOW = datetime(2026, 12, 1, tzinfo=UTC)


def next_root(
    roots: Roots,
    names: Sequence[str] = ("reviewer", "bank", "regulator"),
    *,
    carry: Sequence[Any] = (),
    quorum: int = 2,
) -> RootStatement:
    """What follows the newest root: these registrars, and what they carry over."""
    digests = frozenset(bytes.fromhex(payload_digest(to_payload(each))) for each in carry)
    people = tuple(map(registrar, names))
    return RootStatement(roots.version + 1, ISSUED, roots.fingerprint, 2, people, digests)


def reason_of(roots: Roots | Keyring, envelope: object) -> str:
    with pytest.raises(StatementError) as caught:
        roots.add(envelope)
    return caught.value.reason


def keyring_after(change: RootStatement | None = None, *before: Any) -> Keyring:
    """A keyring that took these statements of the first registrars, and then a root."""
    keyring = Keyring(ROOT)
    for statement in before:
        keyring.add(sign(statement, OLD))
    if change is not None:
        keyring.add(sign(change, ALL))
    return keyring


def test_a_quorum_replaces_itself() -> None:
    roots = Roots(ROOT)
    stated = next_root(roots)
    roots.add(sign(stated, ALL))
    assert roots.version == 2
    assert roots.newest == Root(2, stated.registrars)
    assert roots.fingerprint == payload_digest(to_payload(stated))
    assert roots.verify(sign(MEMBER.statement, NEW)).subject == "a"


@pytest.mark.parametrize("signers", [OLD, NEW, ("reviewer",), ("necc", "regulator"), ("necc", "bank", "stranger")])
def test_one_quorum_alone_replaces_nothing(signers: Sequence[str]) -> None:
    """Neither the old quorum nor the new one, nor some of each: both must have signed."""
    roots = Roots(ROOT)
    assert reason_of(roots, sign(next_root(roots), signers)) == "quorum"
    assert roots.version == 1


def test_disjoint_registrars_need_both_quorums() -> None:
    roots = Roots(ROOT)
    stated = next_root(roots, ("regulator", "stranger"))
    assert reason_of(roots, sign(stated, ("necc", "reviewer", "bank", "stranger"))) == "quorum"
    roots.add(sign(stated, ("necc", "bank", "regulator", "stranger")))
    assert roots.newest.ids == {"regulator", "stranger"}


def test_a_root_is_not_skipped() -> None:
    roots, others = Roots(ROOT), Roots(ROOT)
    others.add(sign(next_root(others, ("necc", "reviewer", "regulator")), ALL))
    third = sign(next_root(others, ("necc", "reviewer")), ALL)
    assert reason_of(roots, third) == "gap"
    others.add(third)
    assert others.version == 3


def test_a_root_does_not_go_back() -> None:
    keyring, first = keyring_after(), None
    for names in (("necc", "reviewer", "regulator"), ("necc", "reviewer")):
        envelope = sign(next_root(keyring.roots, names), ALL)
        first = first or envelope
        keyring.add(envelope)
    assert reason_of(keyring, first) == "stale"
    assert keyring.roots.version == 3
    keyring.add(envelope)  # the newest once more changes nothing
    assert keyring.roots.version == 3


def test_two_roots_of_one_version_are_a_conflict() -> None:
    roots, one = Roots(ROOT), Roots(ROOT)
    roots.add(sign(next_root(roots), ALL))
    other = dataclasses.replace(next_root(one), issued_at=NOW)
    assert reason_of(roots, sign(other, ALL)) == "conflict"


def test_a_root_that_follows_another_chain_is_refused() -> None:
    """Signed by the very quorums that are wanted, but for a chain that began elsewhere."""
    elsewhere = Roots(make_root(quorum=1))
    roots = Roots(ROOT)
    assert reason_of(roots, sign(next_root(elsewhere), ALL)) == "conflict"


def test_strangers_state_no_root() -> None:
    roots = Roots(ROOT)
    own = tuple(Registrar(name, SigningKey.generate().public_bytes) for name in ("necc2", "reviewer2"))
    stated = dataclasses.replace(next_root(roots), registrars=own)
    assert reason_of(roots, sign(stated, ("stranger",))) == "quorum"


def test_a_registrars_id_keeps_its_key() -> None:
    roots = Roots(ROOT)
    changed = Registrar("bank", registrar("stranger").public_key)
    stated = dataclasses.replace(next_root(roots), registrars=(registrar("reviewer"), registrar("regulator"), changed))
    assert reason_of(roots, sign(stated, ALL)) == "inconsistent"


def test_a_chain_ends() -> None:
    roots = Roots(ROOT)
    while roots.version < MAX_ROOTS:
        roots.add(sign(next_root(roots, ("necc", "reviewer")), OLD))
    with pytest.raises(StatementError):
        roots.add(sign(next_root(roots, ("necc", "reviewer")), OLD))
    assert roots.version == MAX_ROOTS


def test_a_root_is_no_ordinary_statement_and_none_is_a_root() -> None:
    roots = Roots(ROOT)
    assert reason_of(roots, sign(MEMBER.statement)) == "malformed"
    first = next_root(roots)
    with pytest.raises(ValueError, match="sequence"):
        to_payload(dataclasses.replace(first, sequence=0))
    assert reason_of(roots, sign(to_payload(dataclasses.replace(first, sequence=1)), ALL)) in {"stale", "conflict"}


# -- what counts after a change


def test_who_has_left_states_nothing_any_more() -> None:
    """Whatever sequence or time is on it, and although the old quorum was one."""
    keyring = keyring_after()
    keyring.add(sign(next_root(keyring.roots), ALL))
    back_dated = dataclasses.replace(MEMBER.statement, issued_at=ISSUED.replace(year=2025))
    assert reason_of(keyring, sign(back_dated, OLD)) == "stale"
    assert reason_of(keyring, sign(back_dated, ("necc", "bank"))) == "stale"
    assert list(keyring.members()) == []


def test_what_is_carried_over_counts_in_either_order() -> None:
    before = keyring_after()
    before.add(sign(MEMBER.statement, OLD))
    change = next_root(before.roots, carry=[MEMBER.statement])
    before.add(sign(change, ALL))
    after = keyring_after(change)
    after.add(sign(MEMBER.statement, OLD))
    assert before.digest == after.digest
    assert before.number == after.number == 3
    assert before.member("a") == after.member("a") == MEMBER.statement


def test_what_is_not_carried_over_ends_unless_the_new_quorum_signed_it() -> None:
    keyring = keyring_after()
    keyring.add(sign(MEMBER.statement, OLD))
    keyring.add(sign(make_member("b").statement, ("reviewer", "bank")))  # both remain
    keyring.add(sign(next_root(keyring.roots), ALL))
    assert [member.member_id for member in keyring.members()] == ["b"]
    late = keyring_after(next_root(Roots(ROOT)))
    late.add(sign(make_member("b").statement, ("reviewer", "bank")))
    assert late.digest == keyring.digest


def test_a_forged_later_statement_gives_way_to_the_one_carried_over() -> None:
    """The removed ones stated sequence 9 to a party that had the right one: with the root it has that again."""
    keyring = keyring_after()
    keyring.add(sign(MEMBER.statement, OLD))
    forged = dataclasses.replace(MEMBER.statement, sequence=9, state=MemberState.SUSPENDED)
    keyring.add(sign(forged, OLD))
    keyring.add(sign(next_root(keyring.roots, carry=[MEMBER.statement]), ALL))
    assert keyring.member("a") == MEMBER.statement
    keyring.add(sign(MEMBER.changed(state=MemberState.SUSPENDED), NEW))
    assert keyring.member("a").state is MemberState.SUSPENDED


def test_a_key_spent_before_the_change_stays_spent() -> None:
    keyring = keyring_after()
    revoked = MEMBER.revoked()
    for statement in (MEMBER.statement, revoked):
        keyring.add(sign(statement, OLD))
    keyring.add(sign(next_root(keyring.roots, carry=[revoked]), ALL))
    back = dataclasses.replace(MEMBER.statement, sequence=3)
    assert reason_of(keyring, sign(back, NEW)) == "inconsistent"


def test_what_was_stated_before_the_change_is_known_after_it() -> None:
    keyring = keyring_after()
    later = dataclasses.replace(MEMBER.changed(), issued_at=NOW)
    for statement in (MEMBER.statement, later):
        keyring.add(sign(statement, OLD))
    keyring.add(sign(next_root(keyring.roots, carry=[later]), ALL))
    assert keyring.member("a") == later
    assert keyring.member_at("a", ISSUED) == MEMBER.statement


def test_everything_counts_on_after_a_second_change_only_if_carried_again() -> None:
    keyring = keyring_after()
    keyring.add(sign(MEMBER.statement, OLD))
    keyring.add(sign(next_root(keyring.roots, carry=[MEMBER.statement]), ALL))
    keyring.add(sign(next_root(keyring.roots, ("regulator", "stranger")), (*NEW, "stranger")))
    assert list(keyring.members()) == []
    assert reason_of(keyring, sign(MEMBER.statement, OLD)) == "stale"


# -- a root that is pinned later


def anchored(chain: Roots) -> Root:
    return Root.parse({**ROOT.to_wire(), "newest": {"version": chain.version, "fingerprint": chain.fingerprint}})


def test_a_root_pinned_late_leads_through_the_root_that_was_compared() -> None:
    chain = Roots(ROOT)
    change = next_root(chain, carry=[MEMBER.statement])
    chain.add(sign(change, ALL))
    pinned = anchored(chain)
    assert pinned.fingerprint == chain.fingerprint
    assert Root.parse(pinned.to_wire()) == pinned
    keyring = Keyring(pinned)
    for envelope in roots_first([sign(MEMBER.statement, OLD), sign(change, ALL)]):
        keyring.add(envelope)
    assert keyring.member("a") == MEMBER.statement


def test_nothing_counts_before_the_pinned_root_is_reached() -> None:
    """An operator that hides the change cannot have a newcomer believe the old registrars."""
    chain = Roots(ROOT)
    chain.add(sign(next_root(chain), ALL))
    keyring = Keyring(anchored(chain))
    assert reason_of(keyring, sign(MEMBER.statement, OLD)) == "gap"


def test_old_registrars_cannot_lead_a_newcomer_elsewhere() -> None:
    chain = Roots(ROOT)
    chain.add(sign(next_root(chain), ALL))
    fork = sign(next_root(Roots(ROOT), ("necc", "reviewer", "stranger")), OLD)
    assert reason_of(Keyring(anchored(chain)), fork) == "conflict"


@pytest.mark.parametrize(
    "newest", [{"version": 1, "fingerprint": "0" * 64}, {"version": 2, "fingerprint": "Z" * 64}, {"version": 2}, None]
)
def test_an_improper_anchor_is_refused(newest: object) -> None:
    with pytest.raises(StatementError):
        Root.parse({**ROOT.to_wire(), "newest": newest})
    assert Anchor(2, "0" * 64) == Anchor.parse({"version": 2, "fingerprint": "0" * 64})


# -- snapshots


def test_a_holder_does_not_go_back_to_an_older_root() -> None:
    """A root may take statements out of force, so that the number falls: the root's version counts first."""
    epoch = make_epoch(make_dealing())
    holder = epoch.holders[0]
    keyring = keyring_after()
    for statement in (epoch, MEMBER.statement, MEMBER.changed()):
        keyring.add(sign(statement, OLD))
    old = verify_snapshot(sign_snapshot(keyring, holder.holder_id, holder_key(1), NOW), holder, NOW)
    keyring.add(sign(next_root(keyring.roots, carry=[epoch]), ALL))
    new = verify_snapshot(sign_snapshot(keyring, holder.holder_id, holder_key(1), NOW), holder, NOW)
    assert (old.root, old.number, new.root, new.number) == (1, 3, 2, 3)
    check_progress(old, new)
    with pytest.raises(SnapshotError, match="root 2 before"):
        check_progress(new, old)
