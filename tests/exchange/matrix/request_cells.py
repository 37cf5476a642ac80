"""What the cells of information requests send: about the caller's own, or about one of which it may not know."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from schemas.values.identifiers import uuid7
from tests.exchange.factories import make_token
from tests.exchange.matrix.cells import Cell, Tenant
from tests.exchange.matrix.sending import Request, group_of
from tests.exchange.requests.factories import make_answer, make_request
from tests.exchange.requests.planting import GATEWAY, plant_hit, plant_request, plant_row

if TYPE_CHECKING:
    from tests.exchange.matrix.exchange_scenario import ExchangeScenario

Maker = Callable[["ExchangeScenario", Cell], Request]


def _ask(scenario: ExchangeScenario, cell: Cell) -> Request:
    """About a hit of the caller's own, in the group that the cell names; or about another's."""
    hit_id = scenario.others_hit if cell.tenant is Tenant.OTHERS_HIT else _share(scenario, cell)[0]
    return Request("/v1/requests", make_request(hit_id, **GATEWAY))


def _share(scenario: ExchangeScenario, cell: Cell) -> tuple[str, bytes, str]:
    """The caller's hit on a token that it holds with `partner`, both in the group of the cell, and its submission."""
    taskforce, member_id, token = scenario.taskforce, scenario.member_of(cell).member_id, make_token()
    submission_id = plant_row(taskforce, member_id, group_of(cell), token)
    plant_row(taskforce, "partner", group_of(cell), token)
    return plant_hit(taskforce, member_id, token), token, submission_id


def _incoming(suffix: str = "", value: Any = None) -> Maker:
    """About a request that came to the caller, or one between others."""

    def make(scenario: ExchangeScenario, cell: Cell) -> Request:
        if cell.tenant is Tenant.OTHERS_REQUEST:
            return Request(f"/v1/requests/{scenario.others_request}{suffix}", value)
        _, token, _ = _share(scenario, cell)
        request_id = plant_request(scenario.taskforce, "partner", [scenario.member_of(cell).member_id], token)
        return Request(f"/v1/requests/{request_id}{suffix}", value)

    return make


def _answer(scenario: ExchangeScenario, cell: Cell) -> Request:
    """A partial answer to a request that the cell's representative took up."""
    member, name = scenario.member_of(cell), cell.roles or "all"
    key, member_id = member.keys[name], member.member_id
    request_id, submission_id = scenario.others_request, uuid7()
    if cell.tenant is not Tenant.OTHERS_REQUEST:
        _, token, submission_id = _share(scenario, cell)
        request_id = plant_request(scenario.taskforce, "partner", [member_id], token, f"{member_id}/{name}")
    value = make_answer(key, request_id, member_id, "partner", submissions=[submission_id])
    return Request(f"/v1/requests/{request_id}/answer", value)


def _cancel(scenario: ExchangeScenario, cell: Cell) -> Request:
    request_id = scenario.others_request
    if cell.tenant is not Tenant.OTHERS_REQUEST:
        request_id = plant_request(scenario.taskforce, scenario.member_of(cell).member_id, ["partner"], make_token())
    return Request(f"/v1/requests/{request_id}/cancel", {})


REQUEST_CELLS: dict[str, Maker] = {
    "GET /v1/gateways": lambda scenario, cell: Request("/v1/gateways"),
    "POST /v1/requests": _ask,
    "GET /v1/requests/<request_id>": _incoming(),
    "POST /v1/requests/<request_id>/take-up": _incoming("/take-up", {}),
    "POST /v1/requests/<request_id>/answer": _answer,
    "POST /v1/requests/<request_id>/cancel": _cancel,
}
