"""Registrars' statements: drafts to sign, signatures added, statements in force."""

from __future__ import annotations

from typing import Any

from flask import Response, g, request

from exchange.registrars.accept import accept_statement, list_statements
from exchange.registrars.propose import list_proposals
from exchange.web.context import current_context
from exchange.web.forms import read_json
from exchange.web.pages import POST_PARAMETERS, Blueprint, answer_json, answer_once, problem_responses
from schemas.statements import (
    ProposalsSchema,
    StatementAnswerSchema,
    StatementEnvelopeSchema,
    StatementsPageSchema,
    StatementsQuery,
)
from schemas.values.encoding import to_base64

blueprint = Blueprint("statements", __name__, url_prefix="/v1", description="What the registrars state")


@blueprint.route("/proposals")
@blueprint.doc(summary="Drafts that want registrars' signatures")
@problem_responses(blueprint, 401)
@blueprint.response(200, ProposalsSchema)
def proposals() -> Response:
    """Registrars only."""
    found = [
        {
            "proposal_id": proposal.proposal_id,
            "payload": to_base64(proposal.payload),
            "type": proposal.type,
            "subject": proposal.subject,
            "signatures": proposal.signatures,
        }
        for proposal in list_proposals(current_context().database)
    ]
    return answer_json({"proposals": found})


@blueprint.route("/statements", methods=["POST"])
@blueprint.doc(
    parameters=POST_PARAMETERS,
    summary="Add registrars' signatures to a statement",
    requestBody={"required": True, "content": {"application/json": {"schema": StatementEnvelopeSchema}}},
)
@problem_responses(blueprint, 401, 409)
@blueprint.response(200, StatementAnswerSchema)
def add_statement() -> Response:
    """With the quorum it comes into force."""
    context = current_context()

    def work() -> tuple[Any, int]:
        envelope = read_json(request.get_data(cache=True))
        standing = accept_statement(context.database, context.settings.root, envelope, context.clock())
        return {"state": standing.state, "signatures": standing.signatures, "quorum": standing.quorum}, 200

    return answer_once(f"registrar/{g.registrar_id}", work)


@blueprint.route("/statements")
@blueprint.doc(summary="The statements in force")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(StatementsQuery, location="query")
@blueprint.response(200, StatementsPageSchema)
def statements(query: dict[str, Any]) -> Response:
    """Everyone checks them against the registrars' root: the exchange's word is not enough."""
    found, position = list_statements(current_context().database, query["cursor"] or 0, query["limit"])
    return answer_json({"statements": found, "next": None if position is None else str(position)})
