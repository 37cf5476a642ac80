"""Outcomes and assessments over HTTP."""

from __future__ import annotations

from flask import Response

from exchange.outcomes.list import list_received, list_recorded
from exchange.outcomes.record import record_assessment, record_outcome
from exchange.web.authentication import current_actor
from exchange.web.context import current_context
from exchange.web.pages import POST_PARAMETERS, Blueprint, answer_json, current_request, problem_responses
from schemas.outcomes import (
    AssessmentStatus,
    NewAssessment,
    NewOutcome,
    OutcomesQuery,
    OutcomeStatus,
    ReceivedPage,
    RecordedPage,
)

blueprint = Blueprint("outcomes", __name__, url_prefix="/v1", description="What became of intelligence")


@blueprint.route("/outcomes", methods=["POST"])
@blueprint.doc(summary="Record what came of a hit, a request or a query", parameters=POST_PARAMETERS)
@problem_responses(blueprint, 401, 403, 404)
@blueprint.arguments(NewOutcome)
@blueprint.response(201, OutcomeStatus)
def record(new: NewOutcome) -> Response:
    """Codes and figures alone. The contributors of the rows are notified, and not by whom."""
    return answer_json(*record_outcome(current_context().database, current_request(), new))


@blueprint.route("/outcomes")
@blueprint.doc(summary="The outcomes that the member recorded, page by page")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(OutcomesQuery, location="query")
@blueprint.response(200, RecordedPage)
def recorded(asked: OutcomesQuery) -> Response:
    """Every page read is an entry in the reader's log."""
    context = current_context()
    return answer_json(list_recorded(context.database, current_actor(), asked, context.clock()))


@blueprint.route("/outcomes/received")
@blueprint.doc(summary="The outcomes that concern the member's own rows, page by page")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(OutcomesQuery, location="query")
@blueprint.response(200, ReceivedPage)
def received(asked: OutcomesQuery) -> Response:
    """Every page read is an entry in the reader's log."""
    context = current_context()
    return answer_json(list_received(context.database, current_actor(), asked, context.clock()))


@blueprint.route("/assessments", methods=["POST"])
@blueprint.doc(summary="Record one's own assessment of a hit", parameters=POST_PARAMETERS)
@problem_responses(blueprint, 401, 403, 404)
@blueprint.arguments(NewAssessment)
@blueprint.response(201, AssessmentStatus)
def assess(new: NewAssessment) -> Response:
    """An exit can be recorded only after the assessment that decided it."""
    return answer_json(*record_assessment(current_context().database, current_request(), new))
