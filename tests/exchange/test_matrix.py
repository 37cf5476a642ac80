"""The permission matrix: role, kind of member, route, tenant and state, each cell a request that is really sent."""

from __future__ import annotations

import operator
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edge.setup import OpenRouteError
from exchange.programs.application import create_app
from exchange.web import access
from exchange.web.pages import Blueprint
from keys.signatures.messages import SigningKey, new_nonce, sign_request
from tests.exchange.matrix.cells import Caller, Dimensions, Tenant, is_in_slice
from tests.exchange.matrix.document import PAGE, render
from tests.exchange.matrix.exchange_scenario import REQUESTS, ExchangeScenario
from tests.exchange.matrix.holder_scenario import HolderScenario
from tests.exchange.matrix.oracle import EXCHANGE, HOLDER, judge_exchange, judge_holder
from tests.exchange.matrix.run import send_cells
from tests.exchange.matrix.sending import sign
from tests.taskforce.founding import Taskforce


def test_every_route_has_a_request_of_the_matrix() -> None:
    assert set(REQUESTS) == set(access.RULES)


def test_the_exchange_answers_every_cell_as_its_rules_declare(database_url: str, tmp_path: Path) -> None:
    scenario = ExchangeScenario(database_url, tmp_path)
    try:
        cells = [cell for cell in EXCHANGE.cells() if is_in_slice(cell)]
        if not scenario.taskforce.database.is_sqlite:
            # States and tenants are looked up there; roles are compared here, and need not be sent to both.
            cells = [cell for cell in cells if cell.roles in ("", "none", "all")]
        tally = send_cells("exchange", scenario, EXCHANGE, judge_exchange, cells)
    finally:
        scenario.close()
    assert tally.mismatches == []
    assert tally.document()["covered"] == 1.0


def test_the_key_holder_answers_every_cell_as_its_rules_declare(tmp_path: Path) -> None:
    scenario = HolderScenario(tmp_path)
    try:
        cells = filter(is_in_slice, HOLDER.cells())
        tally = send_cells("holder", scenario, HOLDER, judge_holder, cells)
    finally:
        scenario.close()
    assert tally.mismatches == []
    assert tally.document()["covered"] == 1.0


@pytest.mark.parametrize("dimensions", [EXCHANGE, HOLDER], ids=["exchange", "holder"])
def test_the_slice_holds_every_pair_that_rules_can_speak_of(dimensions: Dimensions) -> None:
    """A smaller matrix that left out a kind or a role somewhere would be no proof."""
    every = [cell for cell in dimensions.cells() if cell.caller is Caller.REPRESENTATIVE]
    for names in (("tenant", "roles"), ("tenant", "state"), ("tenant", "kind")):
        told = operator.attrgetter("route", *names)
        assert {told(cell) for cell in every} == {told(cell) for cell in every if is_in_slice(cell)}, names
    own = [cell for cell in every if cell.tenant is Tenant.OWN]
    for names in (("state", "roles"), ("state", "kind")):
        told = operator.attrgetter("route", *names)
        assert {told(cell) for cell in own} == {told(cell) for cell in own if is_in_slice(cell)}, names


def test_a_matrix_that_finds_nothing_would_find_a_wrong_rule(tmp_path: Path) -> None:
    """The judge is given one rule that the service does not have: every cell that it touches is told."""
    scenario = HolderScenario(tmp_path)
    try:
        cells = [cell for cell in HOLDER.cells() if cell.route == "GET /v1/epochs" and is_in_slice(cell)]
        tally = send_cells("holder", scenario, HOLDER, judge_exchange, cells)
    finally:
        scenario.close()
    assert len(tally.mismatches) == len(cells)


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_the_cells_are_signed_as_members_sign(method: str) -> None:
    key, now, nonce = SigningKey.generate(), datetime(2026, 11, 22, 10, 0, 0, 500_000, UTC), new_nonce()
    headers = {"Idempotency-Key": "a-key-of-a-cell"} if method == "POST" else {}
    url = "http://exchange.test/v1/hits?since=2026-11-01%20&x=1"
    signed = sign_request(method, url, headers, b"{}", "a/all", key, clock=lambda: now, nonce=nonce)
    assert sign(method, url, headers, b"{}", key_id="a/all", key=key, now=now, nonce=nonce) == signed


def test_a_route_without_a_rule_stops_the_start(new_taskforce: Callable[..., Taskforce]) -> None:
    taskforce = new_taskforce()
    blueprint = Blueprint("new", __name__)
    blueprint.route("/v1/new")(lambda: "open")
    context = taskforce.make_context(taskforce.database)
    with pytest.raises(OpenRouteError, match="/v1/new"):
        create_app(context, [blueprint])


def test_the_page_that_reviewers_read_is_of_these_rules() -> None:
    assert PAGE.read_text(encoding="utf-8") == render(), "make matrix writes docs/permissions.md anew"
