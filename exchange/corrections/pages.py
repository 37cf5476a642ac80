"""Taking back over HTTP: withdrawals, and the corrections that members receive."""

from __future__ import annotations

from flask import Response

from exchange.corrections.list import acknowledge_correction, list_corrections, read_correction
from exchange.indicators.withdraw import withdraw_indicators
from exchange.log.acting import UnknownObjectError
from exchange.web.authentication import current_actor
from exchange.web.context import current_context
from exchange.web.pages import POST_PARAMETERS, Blueprint, answer_json, current_request, problem_responses
from schemas.values.identifiers import is_uuid7
from schemas.withdrawals import (
    CorrectionQuery,
    CorrectionsPage,
    CorrectionsQuery,
    CorrectionStatus,
    NewWithdrawal,
    ReadCorrection,
    TakenIn,
    Withdrawn,
)

blueprint = Blueprint("withdrawals", __name__, url_prefix="/v1", description="Taking back")


@blueprint.route("/withdrawals", methods=["POST"])
@blueprint.doc(summary="Take back own rows, by tokens or by submission", parameters=POST_PARAMETERS)
@problem_responses(blueprint, 401, 403, 404, 413)
@blueprint.arguments(NewWithdrawal)
@blueprint.response(201, Withdrawn)
def withdraw(new: NewWithdrawal) -> Response:
    """The rows count for nothing at once; everyone to whom they were disclosed is notified within a worker's tick."""
    return answer_json(*withdraw_indicators(current_context().database, current_request(), new))


@blueprint.route("/corrections")
@blueprint.doc(summary="Corrections of what was disclosed to the member, page by page")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(CorrectionsQuery, location="query")
@blueprint.response(200, CorrectionsPage)
def corrections(asked: CorrectionsQuery) -> Response:
    """Every page read is an entry in the reader's log."""
    context = current_context()
    return answer_json(list_corrections(context.database, current_actor(), asked, context.clock()))


@blueprint.route("/corrections/<correction_id>")
@blueprint.doc(summary="A correction, with what it concerns")
@problem_responses(blueprint, 401, 403, 404)
@blueprint.arguments(CorrectionQuery, location="query")
@blueprint.response(200, ReadCorrection)
def correction(asked: CorrectionQuery, correction_id: str) -> Response:
    """Every reading is an entry in the reader's log."""
    context = current_context()
    return answer_json(
        read_correction(context.database, current_actor(), _known(correction_id), asked, context.clock())
    )


@blueprint.route("/corrections/<correction_id>/acknowledgement", methods=["POST"])
@blueprint.doc(summary="Say that a correction was taken in, all of it", parameters=POST_PARAMETERS)
@problem_responses(blueprint, 401, 403, 404)
@blueprint.arguments(TakenIn)
@blueprint.response(200, CorrectionStatus)
def acknowledge(taken_in: TakenIn, correction_id: str) -> Response:
    """Who acknowledged is disclosed to nobody else: who withdrew may not know whom it reached."""
    answer = acknowledge_correction(current_context().database, current_request(), _known(correction_id), taken_in)
    return answer_json(*answer)


def _known(correction_id: str) -> str:
    """The id, if it could be one. Raises UnknownObjectError."""
    if not is_uuid7(correction_id):
        raise UnknownObjectError
    return correction_id
