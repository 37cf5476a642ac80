"""What the cells of law-enforcement queries send: about one's own, or about another agency's."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import msgspec

from schemas.terms import QueryState
from schemas.values.encoding import to_base64
from schemas.values.identifiers import uuid7
from tests.exchange.factories import make_token
from tests.exchange.matrix.cells import Cell, Tenant, is_overseer
from tests.exchange.matrix.sending import Request
from tests.exchange.queries.planting import GROUNDS, plant_query, terms_of

if TYPE_CHECKING:
    from tests.exchange.matrix.exchange_scenario import ExchangeScenario

Maker = Callable[["ExchangeScenario", Cell], Request]


def _ask(scenario: ExchangeScenario, cell: Cell) -> Request:
    """To be authorised by another of the caller's member."""
    question = {
        "query_id": uuid7(),
        "tokens": [to_base64(make_token())],
        "types": ["iban"],
        "legal_gateway": "DPA2018_Sch2",
        **msgspec.to_builtins(GROUNDS),
        "authorised_by": f"{scenario.member_of(cell).member_id}/authoriser",
        "covert": True,
        "until": "2027-02-20",
        "watch_until": None,
        "silent": False,
    }
    return Request("/v1/queries", question)


def _about(suffix: str, state: QueryState, value: Any = None, *, asks: bool = False) -> Maker:
    """About a query that the caller is to authorise, or that it asked; or about another's."""

    def make(scenario: ExchangeScenario, cell: Cell) -> Request:
        if cell.tenant is Tenant.OTHERS_QUERY:
            # What an independent reviewer may read is none of the secrets that no answer may hold.
            open_one = plant_query(scenario.taskforce.database, "other/analyst", "other/authoriser")
            return Request(f"/v1/queries/{open_one if is_overseer(cell) else scenario.others_query}{suffix}", value)
        member_id = scenario.member_of(cell).member_id
        caller = f"{member_id}/{cell.roles or 'all'}"
        people = (caller, f"{member_id}/authoriser") if asks else (f"{member_id}/investigator", caller)
        query_id = plant_query(scenario.taskforce.database, *people, state)
        body = terms_of(scenario.taskforce.database, query_id) if value is _TERMS else value
        return Request(f"/v1/queries/{query_id}{suffix}", body)

    return make


_TERMS = {"terms_sha256": to_base64(bytes(32))}
"""Of another's query; of one's own as it stands."""
_EXTENSION = {"until": "2027-03-01", "reason": "the trial moved", "salt": to_base64(bytes(32))}
QUERY_CELLS: dict[str, Maker] = {
    "POST /v1/queries": _ask,
    "GET /v1/queries/<query_id>": _about("", QueryState.ANSWERED, asks=True),
    "POST /v1/queries/<query_id>/approve": _about("/approve", QueryState.PENDING, _TERMS),
    "POST /v1/queries/<query_id>/refuse": _about("/refuse", QueryState.PENDING, {}),
    "POST /v1/queries/<query_id>/extend": _about("/extend", QueryState.ANSWERED, _EXTENSION),
    "POST /v1/queries/<query_id>/end-watch": _about("/end-watch", QueryState.ANSWERED, {}, asks=True),
}
