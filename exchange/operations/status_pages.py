"""GET /v1/status: how the asking member stands."""

from __future__ import annotations

from flask import Response

from exchange.operations.status import read_status
from exchange.web.authentication import current_actor
from exchange.web.context import current_context
from exchange.web.pages import Blueprint, answer_json, problem_responses
from schemas.status import Status

blueprint = Blueprint("status", __name__, url_prefix="/v1", description="One's own standing")


@blueprint.route("/status")
@blueprint.doc(summary="One's own standing")
@problem_responses(blueprint, 401, 403)
@blueprint.response(200, Status)
def status() -> Response:
    """Kind, sector, open groups, key epoch, the log, the number of notices and of open information requests."""
    context = current_context()
    origin, now = context.settings.log_origin, context.clock()
    return answer_json(read_status(context.database, current_actor(), origin, context.count_notices, now))
