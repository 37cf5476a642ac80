"""The holder's table of access: complete, and its refusals signed once the caller is known."""

from __future__ import annotations

import pytest

from edge.setup import OpenRouteError
from keys.holder import access
from keys.statements.keyring import MemberState
from schemas.terms import Role
from tests.keys.factories import Member, make_member, sign
from tests.keys.holder.simulator import EVALUATIONS, HolderSimulator, make_elements, problem_of

ELEMENTS = make_elements(1)
TARGET = f"{EVALUATIONS}?epoch=1&quorum=1,2"


@pytest.mark.parametrize("lost", sorted(access.RULES))
def test_a_route_without_a_rule_stops_the_start(
    light_holder: HolderSimulator, lost: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delitem(access.RULES, lost)
    with pytest.raises(OpenRouteError, match=lost.split()[1]):
        HolderSimulator(light_holder.settings, light_holder.database, light_holder.clock)


def test_a_rule_without_a_route_stops_the_start(light_holder: HolderSimulator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(access.RULES, "GET /v1/gone", access.ANYONE)
    with pytest.raises(OpenRouteError, match="/v1/gone"):
        HolderSimulator(light_holder.settings, light_holder.database, light_holder.clock)


def test_every_refusal_of_a_known_caller_is_signed(holder: HolderSimulator, member: Member) -> None:
    """HolderSimulator.ask verifies each signature that is there."""
    author = make_member("r", roles=frozenset({Role.AUTHOR}))
    holder.state(sign(author.statement))
    headers = holder.sign(member, "POST", TARGET, ELEMENTS)
    assert holder.send(TARGET, ELEMENTS, headers).status_code == 200
    refusals = {
        "role-missing": holder.ask(author, ELEMENTS),
        "replayed-request": holder.send(TARGET, ELEMENTS, headers),
    }
    holder.state(sign(member.revoked()))
    refusals["key-revoked"] = holder.ask(member, ELEMENTS)
    holder.state(sign(make_member("b").changed(state=MemberState.SUSPENDED)))
    refusals["member-suspended"] = holder.ask(make_member("b"), ELEMENTS)
    for slug, answer in refusals.items():
        assert problem_of(answer) == slug
        assert "Signature" in answer.headers, slug


def test_what_a_stranger_gets_is_not_signed(light_holder: HolderSimulator) -> None:
    """There is no believed request that a signature could bind the answer to."""
    for answer in (light_holder.client.get("/v1/budget"), light_holder.ask(make_member("x"), ELEMENTS)):
        assert answer.status_code in {401, 403}
        assert "Signature" not in answer.headers
