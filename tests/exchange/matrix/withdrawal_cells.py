"""What the cells of withdrawals, corrections, outcomes and assessments send: about the caller's own, or another's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from tests.exchange.corrections.taking_back import make_assessment, make_outcome, make_withdrawal, plant_correction
from tests.exchange.factories import make_token
from tests.exchange.matrix.cells import Cell, Tenant
from tests.exchange.matrix.sending import Request, group_of
from tests.exchange.requests.planting import plant_hit, plant_row

if TYPE_CHECKING:
    from tests.exchange.matrix.exchange_scenario import ExchangeScenario

Maker = Callable[["ExchangeScenario", Cell], Request]


def _withdraw(scenario: ExchangeScenario, cell: Cell) -> Request:
    """The caller's row in the group of the cell, or a row or a submission of another's."""
    if cell.tenant is Tenant.OTHERS_SUBMISSION:
        return Request("/v1/withdrawals", make_withdrawal(submission_id=scenario.others_body["submission_id"]))
    token = make_token()
    holder = "other" if cell.tenant is Tenant.OTHERS_ROW else scenario.member_of(cell).member_id
    plant_row(scenario.taskforce, holder, group_of(cell), token)
    return Request("/v1/withdrawals", make_withdrawal([token]))


def _correction(suffix: str = "", *, is_post: bool = False) -> Maker:
    def make(scenario: ExchangeScenario, cell: Cell) -> Request:
        own = cell.tenant is not Tenant.OTHERS_CORRECTION
        member_id = scenario.member_of(cell).member_id
        correction_id = plant_correction(scenario.taskforce, member_id) if own else scenario.others_correction
        return Request(f"/v1/corrections/{correction_id}{suffix}", {"items": 1} if is_post else None)

    return make


def _of_hit(path: str, make_about: Callable[[str], dict[str, object]]) -> Maker:
    def make(scenario: ExchangeScenario, cell: Cell) -> Request:
        own = cell.tenant is not Tenant.OTHERS_HIT
        member_id = scenario.member_of(cell).member_id
        return Request(
            path, make_about(plant_hit(scenario.taskforce, member_id, make_token()) if own else scenario.others_hit)
        )

    return make


WITHDRAWAL_CELLS: dict[str, Maker] = {
    "POST /v1/withdrawals": _withdraw,
    "GET /v1/corrections/<correction_id>": _correction(),
    "POST /v1/corrections/<correction_id>/acknowledgement": _correction("/acknowledgement", is_post=True),
    "POST /v1/outcomes": _of_hit("/v1/outcomes", lambda hit_id: make_outcome("hit", hit_id, usefulness="useful")),
    "POST /v1/assessments": _of_hit("/v1/assessments", make_assessment),
}
