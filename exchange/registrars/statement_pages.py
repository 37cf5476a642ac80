"""Registrars' statements: drafts to sign, signatures added, statements in force."""

from __future__ import annotations

from flask import Response, g, request

from exchange.registrars.accept import accept_statement, list_statements
from exchange.registrars.propose import list_proposals
from exchange.web.context import current_context
from exchange.web.forms import read_json
from exchange.web.pages import POST_PARAMETERS, Blueprint, answer_json, answer_once, problem_responses
from schemas.statements import Proposals, StatementAnswer, StatementEnvelope, StatementsPage, StatementsQuery
from schemas.values.derived import schema_of

blueprint = Blueprint("statements", __name__, url_prefix="/v1", description="What the registrars state")


@blueprint.route("/proposals")
@blueprint.doc(summary="Drafts that wait for registrars' signatures")
@problem_responses(blueprint, 401)
@blueprint.response(200, Proposals)
def proposals() -> Response:
    """Registrars only."""
    drafts = list_proposals(current_context().database)
    return answer_json(Proposals(proposals=[draft.shown() for draft in drafts]))


@blueprint.route("/statements", methods=["POST"])
@blueprint.doc(
    parameters=POST_PARAMETERS,
    summary="Add registrars' signatures to a statement",
    requestBody={"required": True, "content": {"application/json": {"schema": schema_of(StatementEnvelope)}}},
)
@problem_responses(blueprint, 401, 409)
@blueprint.response(200, StatementAnswer)
def add_statement() -> Response:
    """With the quorum it comes into force."""
    context = current_context()

    def work() -> tuple[StatementAnswer, int]:
        envelope = read_json(request.get_data(cache=True))
        return accept_statement(context.database, context.settings.root, envelope, context.clock()), 200

    return answer_once(f"registrar/{g.registrar_id}", work)


@blueprint.route("/statements")
@blueprint.doc(summary="The statements in force")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(StatementsQuery, location="query")
@blueprint.response(200, StatementsPage)
def statements(asked: StatementsQuery) -> Response:
    """Everyone checks them against the registrars' root: the exchange's word is not enough."""
    return answer_json(list_statements(current_context().database, asked.cursor or 0, asked.limit))
