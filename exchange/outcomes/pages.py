"""Outcomes and assessments over HTTP."""

from __future__ import annotations

from typing import Any

from flask import Response

from exchange.outcomes.list import list_received, list_recorded
from exchange.outcomes.record import record_assessment, record_outcome
from exchange.outcomes.rules import Checks
from exchange.web.authentication import current_actor
from exchange.web.context import current_context
from exchange.web.pages import POST_PARAMETERS, Blueprint, answer_json, current_request, problem_responses
from schemas.outcomes import (
    AssessmentSchema,
    AssessmentStandingSchema,
    NewOutcomeSchema,
    OutcomesQuery,
    OutcomeStandingSchema,
    ReceivedPageSchema,
    RecordedPageSchema,
)

blueprint = Blueprint("outcomes", __name__, url_prefix="/v1", description="What became of intelligence")


@blueprint.route("/outcomes", methods=["POST"])
@blueprint.doc(summary="Record what came of a hit, a request or a query", parameters=POST_PARAMETERS)
@problem_responses(blueprint, 401, 403, 404)
@blueprint.arguments(NewOutcomeSchema)
@blueprint.response(201, OutcomeStandingSchema)
def record(fields: dict[str, Any]) -> Response:
    """Codes and figures alone. The contributors of the rows are told, and not by whom."""
    outcome_id, about, object_id = (fields.pop(name) for name in ("outcome_id", "object", "object_id"))
    database, request = current_context().database, current_request()
    return answer_json(*record_outcome(database, request, outcome_id, about=about, object_id=object_id, figures=fields))


@blueprint.route("/outcomes")
@blueprint.doc(summary="The outcomes that the member recorded, page by page")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(OutcomesQuery, location="query")
@blueprint.response(200, RecordedPageSchema)
def recorded(query: dict[str, Any]) -> Response:
    """Every page read is an entry in the reader's log."""
    context = current_context()
    return answer_json(list_recorded(context.database, current_actor(), now=context.clock(), **query))


@blueprint.route("/outcomes/received")
@blueprint.doc(summary="The outcomes that concern the member's own rows, page by page")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(OutcomesQuery, location="query")
@blueprint.response(200, ReceivedPageSchema)
def received(query: dict[str, Any]) -> Response:
    """Every page read is an entry in the reader's log."""
    context = current_context()
    return answer_json(list_received(context.database, current_actor(), now=context.clock(), **query))


@blueprint.route("/assessments", methods=["POST"])
@blueprint.doc(summary="Record one's own assessment of a hit", parameters=POST_PARAMETERS)
@problem_responses(blueprint, 401, 403, 404)
@blueprint.arguments(AssessmentSchema)
@blueprint.response(201, AssessmentStandingSchema)
def assess(fields: dict[str, Any]) -> Response:
    """An exit can be recorded only after the assessment that decided it."""
    assessment_id, hit_id, decision = (fields.pop(name) for name in ("assessment_id", "hit_id", "decision"))
    database, request = current_context().database, current_request()
    checks = Checks(**fields)
    return answer_json(
        *record_assessment(database, request, assessment_id, hit_id=hit_id, checks=checks, decision=decision)
    )
