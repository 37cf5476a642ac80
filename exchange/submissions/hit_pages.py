"""GET /v1/hits: a member's live hits under present authority."""

from __future__ import annotations

from flask import Response

from exchange.submissions.list_hits import list_hits
from exchange.web.authentication import current_actor
from exchange.web.context import current_context
from exchange.web.pages import Blueprint, answer_json, problem_responses
from schemas.hits import HitsPage, HitsQuery

blueprint = Blueprint("hits", __name__, url_prefix="/v1", description="Overlaps")


@blueprint.route("/hits")
@blueprint.doc(summary="Live hits, page by page")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(HitsQuery, location="query")
@blueprint.response(200, HitsPage)
def hits(asked: HitsQuery) -> Response:
    """Every page read is an entry in the reader's log."""
    context = current_context()
    return answer_json(list_hits(context.database, current_actor(), asked, context.clock()))
