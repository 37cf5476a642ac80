"""POST /v1/enrolments: the answer to a one-time code."""

from __future__ import annotations

import hashlib
from typing import Any

from flask import Response

from exchange.registrars.claim_enrolment import Claim, ClaimedRepresentative, claim_enrolment
from exchange.web.context import current_context
from exchange.web.pages import POST_PARAMETERS, Blueprint, answer_once, problem_responses
from schemas.enrolments import EnrolmentAnswerSchema, EnrolmentSchema

blueprint = Blueprint("enrolments", __name__, url_prefix="/v1", description="Becoming a member")


@blueprint.route("/enrolments", methods=["POST"])
@blueprint.doc(parameters=POST_PARAMETERS, summary="Answer an enrolment code")
@problem_responses(blueprint, 403)
@blueprint.arguments(EnrolmentSchema)
@blueprint.response(202, EnrolmentAnswerSchema)
def enrol(form: dict[str, Any]) -> Response:
    """Draft the member's statement for the registrars to sign."""
    context = current_context()
    people = tuple(
        ClaimedRepresentative(
            person["representative_id"], person["public_key"], tuple(person["roles"]), person["proof"]
        )
        for person in form["representatives"]
    )
    claim = Claim(form["code"], form["member_id"], form["encryption_key"], people)

    def work() -> tuple[Any, int]:
        claim_enrolment(context.database, claim, context.clock())
        return {"state": "awaiting_registrars"}, 202

    return answer_once("code/" + hashlib.sha256(claim.code.encode()).hexdigest(), work)
