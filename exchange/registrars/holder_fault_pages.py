"""Proved faults of key holders: handed in by members, read by members and registrars."""

from __future__ import annotations

from flask import Response, request

from exchange.registrars.report_holder_fault import list_holder_faults, report_holder_fault
from exchange.web.authentication import current_actor
from exchange.web.context import current_context
from exchange.web.forms import read_json
from exchange.web.pages import POST_PARAMETERS, Blueprint, answer_json, problem_responses
from schemas.holder_faults import FaultReport, HolderFaultsPage, HolderFaultsQuery, TakenReport
from schemas.values.derived import schema_of

_NOTHING_KEPT = "Required of every POST. Nothing is kept under it here, so that nobody reads who reported."
_PARAMETERS = [{**each, "description": _NOTHING_KEPT} for each in POST_PARAMETERS]

blueprint = Blueprint("holder_faults", __name__, url_prefix="/v1", description="Proved faults of key holders")


@blueprint.route("/holder-faults", methods=["POST"])
@blueprint.doc(
    parameters=_PARAMETERS,
    summary="Report a proved fault of a key holder",
    requestBody={"required": True, "content": {"application/json": {"schema": schema_of(FaultReport)}}},
)
@problem_responses(blueprint, 401, 403)
@blueprint.response(200, TakenReport)
def report() -> Response:
    """It is verified here, and becomes public to all members and registrars; who handed it in is not kept. A repetition
    is answered `known`. What an agency asked is taken from that agency alone.
    """
    context = current_context()
    value, member_id = read_json(request.get_data(cache=True)), current_actor().member_id
    return answer_json(report_holder_fault(context.database, context.settings.root, value, member_id, context.clock()))


@blueprint.route("/holder-faults")
@blueprint.doc(summary="The proved faults of key holders")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(HolderFaultsQuery, location="query")
@blueprint.response(200, HolderFaultsPage)
def holder_faults(asked: HolderFaultsQuery) -> Response:
    """Everyone verifies them against the registrars' root: the exchange's word is not enough."""
    return answer_json(list_holder_faults(current_context().database, asked.cursor or 0, 1))
