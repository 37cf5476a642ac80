"""Proved faults of key holders: handed in by members, read by members and registrars."""

from __future__ import annotations

from typing import Any

import msgspec
from flask import Response, request

from exchange.services.report_holder_fault import list_holder_faults, report_holder_fault
from exchange.web.authentication import current_actor
from exchange.web.context import current_context
from exchange.web.forms import read_json
from exchange.web.pages import POST_PARAMETERS, Blueprint, answer_json, answer_once, problem_responses
from schemas.encoding import to_rfc3339
from schemas.holder_faults import FaultReportSchema, HolderFaultsPageSchema, HolderFaultsQuery, TakenReportSchema

blueprint = Blueprint("holder_faults", __name__, url_prefix="/v1", description="Proved faults of key holders")


@blueprint.route("/holder-faults", methods=["POST"])
@blueprint.doc(
    parameters=POST_PARAMETERS,
    summary="Report a proved fault of a key holder",
    requestBody={"required": True, "content": {"application/json": {"schema": FaultReportSchema}}},
)
@problem_responses(blueprint, 401, 403)
@blueprint.response(200, TakenReportSchema)
def report() -> Response:
    """It is verified here, and becomes public to all members and registrars."""
    context, actor = current_context(), current_actor()

    def work() -> tuple[Any, int]:
        value = read_json(request.get_data(cache=True))
        taken = report_holder_fault(context.database, context.settings.root, value, actor.member_id, context.clock())
        state = "recorded" if taken.is_new else "known"
        named = {"report_id": taken.report_id, "epoch": taken.epoch, "holder_id": taken.holder_id}
        return {**named, "state": state}, 200

    return answer_once(actor.representative_id, work)


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
