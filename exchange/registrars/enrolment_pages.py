"""POST /v1/enrolments: the answer to a one-time code."""

from __future__ import annotations

import hashlib

from flask import Response

from exchange.registrars.claim_enrolment import claim_enrolment
from exchange.web.context import current_context
from exchange.web.pages import POST_PARAMETERS, Blueprint, answer_once, problem_responses
from schemas.enrolments import EnrolmentAnswer, NewEnrolment

blueprint = Blueprint("enrolments", __name__, url_prefix="/v1", description="Becoming a member")


@blueprint.route("/enrolments", methods=["POST"])
@blueprint.doc(parameters=POST_PARAMETERS, summary="Answer an enrolment code")
@problem_responses(blueprint, 403)
@blueprint.arguments(NewEnrolment)
@blueprint.response(202, EnrolmentAnswer)
def enrol(claim: NewEnrolment) -> Response:
    """Draft the member's statement for the registrars to sign."""
    context = current_context()

    def work() -> tuple[EnrolmentAnswer, int]:
        claim_enrolment(context.database, claim, context.clock())
        return EnrolmentAnswer(state="awaiting_registrars"), 202

    return answer_once("code/" + hashlib.sha256(claim.code.encode()).hexdigest(), work)
