"""Registrars who left sign a root of their own: whoever shows it, nobody is led there, and everybody finds back."""

from __future__ import annotations

import json
from contextlib import ExitStack
from dataclasses import replace
from typing import Any

import pytest

from exchange.membership.roots import read_roots
from keys.holder.settings import load_config, open_settings
from keys.statements.envelopes import Envelope, Registrar, payload_digest, sign_statement
from keys.statements.keyring import Keyring, RootStatement, to_payload
from keys.statements.roots import Roots
from keys.statements.snapshots import sign_snapshot
from member.identity.home import Home
from tests.keys.factories import make_member
from tests.member.statements.test_freshness import HOLDERS, away, between, json_answer, registrar_key
from tests.member.statements.test_root_change import FCA, database_of, pinned, replace_registrars, stated
from tests.taskforce.homes import EXCHANGE_URL, HOLDER_PASSPHRASE, MemberHomes
from tests.taskforce.member_program import now

COMMANDS = (("hits",), ("status",), ("log", "verify"))


def forked(taskforce: MemberHomes, before: dict[str, Any]) -> list[dict[str, Any]]:
    """What was stated before, and of necc, who left: another root 2, and what it states under that."""
    key = registrar_key(taskforce)
    carried = frozenset(bytes.fromhex(payload_digest(Envelope.parse(each).payload)) for each in before["statements"])
    first = Roots(pinned(taskforce)).fingerprint
    other = RootStatement(2, now(), first, 1, (Registrar("necc", key.public_bytes),), carried)
    ghost = replace(make_member("ghost").statement, sequence=5)
    return [*before["statements"], *(sign_statement(to_payload(each), "necc", key) for each in (other, ghost))]


def lying(stack: ExitStack, taskforce: MemberHomes, envelopes: list[dict[str, Any]], *numbers: int) -> None:
    """These key holders list that, under snapshots that fit it."""
    keyring = Keyring(pinned(taskforce))
    for each in envelopes:
        keyring.add(each)
    for number in numbers:
        settings = open_settings(load_config(taskforce.folder / "holders" / f"holder-{number}"), HOLDER_PASSPHRASE)
        word = sign_snapshot(keyring, f"holder-{number}", settings.signing_key, now())
        url = HOLDERS[number - 1 : number]
        stack.enter_context(between(taskforce, url, "/v1/snapshot", json_answer(word)))
        page = {"statements": envelopes, "next": None}
        stack.enter_context(between(taskforce, url, "/v1/statements", json_answer(page)))


def withholding(stack: ExitStack, taskforce: MemberHomes, shown: list[dict[str, Any]]) -> None:
    """The operator shows these statements."""
    page = {"statements": shown, "next": None}
    stack.enter_context(between(taskforce, (EXCHANGE_URL,), "/v1/statements", json_answer(page)))


def all_well(taskforce: MemberHomes) -> None:
    """Bank a follows the registrars who sign at present."""
    for command in COMMANDS:
        done = taskforce.run("a", *command)
        assert done.status == 0, (command, done.document)
    followed = taskforce.run("a", "status").document["registrars_fingerprint"]
    assert followed == read_roots(database_of(taskforce), pinned(taskforce)).fingerprint


def repin(taskforce: MemberHomes) -> None:
    """A person pins by hand what `exchange root export` writes."""
    root = read_roots(database_of(taskforce), pinned(taskforce)).as_pinned()
    Home.open(taskforce.home("a")).root_path.write_text(json.dumps(root.to_wire()))


def test_one_lying_holder_with_another_root_stops_nobody(fresh: MemberHomes) -> None:
    before = stated(fresh)
    replace_registrars(fresh)
    assert fresh.run(*FCA, "deliver").status == 0
    assert fresh.run("a", "hits").status == 0
    with ExitStack() as stack:
        lying(stack, fresh, forked(fresh, before), 1)
        all_well(fresh)
        told = fresh.run("a", "status").document["statements"]["holders"]
        assert "root 2 of its list" in told["holder-1"]
        assert told["holder-2"] == told["holder-3"] == "vouches"
    all_well(fresh)


def test_one_lying_holder_does_not_lead_a_member_elsewhere(fresh: MemberHomes) -> None:
    before = stated(fresh)
    replace_registrars(fresh)
    assert fresh.run(*FCA, "deliver").status == 0
    with ExitStack() as stack:
        withholding(stack, fresh, before["statements"])
        lying(stack, fresh, forked(fresh, before), 1)
        all_well(fresh)  # t honest holders have what the operator withholds
    all_well(fresh)


@pytest.mark.parametrize("liars", [(), (1,)])
def test_an_operator_with_another_root_leads_nobody_elsewhere(fresh: MemberHomes, liars: tuple[int, ...]) -> None:
    before = stated(fresh)
    replace_registrars(fresh)
    with ExitStack() as stack:
        other = forked(fresh, before)
        withholding(stack, fresh, other)
        lying(stack, fresh, other, *liars)
        status = fresh.run("a", "status")
        assert status.document["registrars_fingerprint"] == pinned(fresh).fingerprint
        assert fresh.run("a", "hits").status == 0
    assert fresh.run(*FCA, "deliver").status == 0
    all_well(fresh)


def test_another_root_beside_the_true_one_is_a_fault(fresh: MemberHomes) -> None:
    before = stated(fresh)
    replace_registrars(fresh)
    assert fresh.run(*FCA, "deliver").status == 0
    with ExitStack() as stack:
        withholding(stack, fresh, forked(fresh, before))
        for command in COMMANDS:
            error = fresh.run("a", *command).document["error"]
            assert "another root has version 2" in error["detail"], error
    all_well(fresh)


def test_new_registrars_wait_for_key_holders_who_are_away(fresh: MemberHomes) -> None:
    replace_registrars(fresh)
    assert fresh.run(*FCA, "deliver").status == 0
    with away(fresh, *HOLDERS[:2]):
        assert fresh.run("a", "log", "verify").status == 0
        assert fresh.run("a", "status").document["registrars_fingerprint"] == pinned(fresh).fingerprint
    all_well(fresh)


@pytest.mark.parametrize("is_shown", [True, False])
def test_who_was_led_elsewhere_is_led_back_by_pinning_by_hand(fresh: MemberHomes, is_shown: bool) -> None:
    """t key holders lied together, which is too many: then a person says who the registrars are."""
    before = stated(fresh)
    replace_registrars(fresh)
    with ExitStack() as stack:
        other = forked(fresh, before)
        withholding(stack, fresh, other)
        lying(stack, fresh, other, 1, 2, 3)
        assert fresh.run("a", "hits").status == 0
    assert fresh.run(*FCA, "deliver").status == 0
    assert "another root has version 2" in fresh.run("a", "hits").document["error"]["detail"]
    repin(fresh)
    if not is_shown:
        with ExitStack() as stack:
            withholding(stack, fresh, before["statements"])
            assert "only root 1 was shown" in fresh.run("a", "hits").document["error"]["detail"]
    all_well(fresh)
