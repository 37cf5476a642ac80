"""Proved faults of key holders: handed in by members, read by members and registrars."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Response, request

from exchange.registrars.report_holder_fault import list_holder_faults, report_holder_fault
from exchange.web.authentication import current_actor
from exchange.web.context import current_context
from exchange.web.forms import read_json
from exchange.web.pages import POST_PARAMETERS, Blueprint, answer_json, problem_responses
from schemas.holder_faults import FaultReportSchema, HolderFaultsPageSchema, HolderFaultsQuery, TakenReportSchema
from schemas.values.encoding import to_rfc3339

_NOTHING_KEPT = "Required of every POST. Nothing is kept under it here, so that nobody reads who reported."
_PARAMETERS = [{**each, "description": _NOTHING_KEPT} for each in POST_PARAMETERS]

blueprint = Blueprint("holder_faults", __name__, url_prefix="/v1", description="Proved faults of key holders")


@blueprint.route("/holder-faults", methods=["POST"])
@blueprint.doc(
    parameters=_PARAMETERS,
    summary="Report a proved fault of a key holder",
    requestBody={"required": True, "content": {"application/json": {"schema": FaultReportSchema}}},
)
@problem_responses(blueprint, 401, 403)
@blueprint.response(200, TakenReportSchema)
def report() -> Response:
    """It is verified here, and becomes public to all members and registrars; who handed it in is not kept. A repetition
    is answered `known`. What an agency asked is taken from that agency alone.
    """
    context = current_context()
    value, member_id = read_json(request.get_data(cache=True)), current_actor().member_id
    taken = report_holder_fault(context.database, context.settings.root, value, member_id, context.clock())
    state = "recorded" if taken.is_new else "known"
    named = {"report_id": taken.report_id, "epoch": taken.epoch, "holder_id": taken.holder_id}
    return answer_json({**named, "state": state})


@blueprint.route("/holder-faults")
@blueprint.doc(summary="The proved faults of key holders")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(HolderFaultsQuery, location="query")
@blueprint.response(200, HolderFaultsPageSchema)
def holder_faults(query: dict[str, Any]) -> Response:
    """Everyone verifies them against the registrars' root: the exchange's word is not enough."""
    found = list_holder_faults(current_context().database, query["cursor"] or 0, 1)
    shown = [
        {
            "report_id": each.report_id,
            "received_at": to_rfc3339(each.received_at),
            "report": msgspec.Raw(each.report),
        }
        for each in found
    ]
    return answer_json({"reports": shown, "next": str(found[-1].position) if found else None})
