"""Information requests and the legal gateways over HTTP, for the representatives of members."""

from __future__ import annotations

from typing import Any

from flask import Response

from exchange.gateways.rules import NOTICE_PLACEHOLDERS, GatewayRule, NoticeRule
from exchange.requests.answer import answer_request
from exchange.requests.cancel import cancel_request
from exchange.requests.create import create_request
from exchange.requests.read import list_requests, read_request
from exchange.requests.take_up import take_up_request
from exchange.requests.views import UnknownRequestError
from exchange.web.authentication import current_actor
from exchange.web.context import current_context
from exchange.web.pages import POST_PARAMETERS, Blueprint, Decorator, answer_json, current_request, problem_responses
from schemas.requests.gateways import (
    Gateway,
    GatewayConfirmation,
    GatewayNotice,
    GatewayParties,
    Gateways,
    GatewayStatement,
    ModeCondition,
)
from schemas.requests.messages import NewAnswer, NewRequest, RequestsPage, RequestsQuery, RequestStatus, WholeRequest
from schemas.values.identifiers import is_uuid7
from schemas.values.message import Empty

blueprint = Blueprint("requests", __name__, url_prefix="/v1", description="Information requests")


def _step(path: str, summary: str, schema: type[Any], answer: type[Any]) -> Decorator:
    """A POST that changes one request."""

    def describe(view: Any) -> Any:
        view = blueprint.response(200, answer)(view)
        view = blueprint.arguments(schema)(view)
        view = problem_responses(blueprint, 401, 403, 404, 413)(view)
        view = blueprint.doc(summary=summary, parameters=POST_PARAMETERS)(view)
        return blueprint.route(f"/requests/<request_id>{path}", methods=["POST"])(view)

    return describe


@blueprint.route("/gateways")
@blueprint.doc(summary="The legal gateways: who may disclose to whom, and what each requires")
@problem_responses(blueprint, 401, 403)
@blueprint.response(200, Gateways)
def gateways() -> Response:
    """The same rules that every request is judged by, so that what is missing can be said before one is made."""
    policy = current_context().policy
    found = [_gateway(code.value, rule) for code, rule in policy.rules.items()]
    minutes = {urgency.value: count for urgency, count in policy.urgency_minutes.items()}
    return answer_json(Gateways(gateways=found, urgency_minutes=minutes))


@blueprint.route("/requests", methods=["POST"])
@blueprint.doc(summary="Ask those who hold what a hit is about", parameters=POST_PARAMETERS)
@problem_responses(blueprint, 401, 403, 404, 409, 413)
@blueprint.arguments(NewRequest)
@blueprint.response(201, RequestStatus)
def asking(new: NewRequest) -> Response:
    """Judged by every rule of the gateway; each reason against it is reported. Nobody is named on either side."""
    context = current_context()
    return answer_json(*create_request(context.database, current_request(), new, context.policy))


@blueprint.route("/requests")
@blueprint.doc(summary="One's own requests, and those that came in, page by page")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(RequestsQuery, location="query")
@blueprint.response(200, RequestsPage)
def listing(asked: RequestsQuery) -> Response:
    """Every page read is an entry in the reader's log."""
    context = current_context()
    return answer_json(list_requests(context.database, current_actor(), asked, context.clock()))


@blueprint.route("/requests/<request_id>")
@blueprint.doc(summary="A request, as far as the reader may know it")
@problem_responses(blueprint, 401, 403, 404)
@blueprint.response(200, WholeRequest)
def reading(request_id: str) -> Response:
    """Every reading is an entry in the reader's log."""
    context = current_context()
    known = _known(request_id)
    return answer_json(read_request(context.database, current_actor(), known, context.policy, context.clock()))


@_step("/take-up", "Learn who asks for what, so as to answer", Empty, WholeRequest)
def taking_up(_: Empty, request_id: str) -> Response:
    """By an authoriser of a holder."""
    context = current_context()
    return answer_json(*take_up_request(context.database, current_request(), _known(request_id), context.policy))


@_step("/answer", "Answer a request that one has taken up", NewAnswer, RequestStatus)
def answering(answer: NewAnswer, request_id: str) -> Response:
    """Once, by the same person; of an offer by an authoriser of its sender, once for each holder that took it up."""
    context, known = current_context(), _known(request_id)
    return answer_json(*answer_request(context.database, current_request(), known, answer, context.policy))


@_step("/cancel", "Take back a request of one's own", Empty, RequestStatus)
def cancelling(_: Empty, request_id: str) -> Response:
    """Nobody answers it any more; what was answered stays."""
    return answer_json(*cancel_request(current_context().database, current_request(), _known(request_id)))


def _known(request_id: str) -> str:
    """The id, if it could be one. Raises UnknownRequestError."""
    if not is_uuid7(request_id):
        raise UnknownRequestError
    return request_id


def _gateway(code: str, rule: GatewayRule) -> Gateway:
    statements = ("purpose", "necessity", "proportionality")
    return Gateway(
        code=code,
        citation=rule.citation,
        parties=[
            GatewayParties(disclosers=sorted(pair.disclosers), recipients=sorted(pair.recipients))
            for pair in rule.parties
        ],
        modes=sorted(rule.modes),
        conditions=[ModeCondition(mode=mode, condition=condition.value) for mode, condition in rule.conditions.items()],
        statements=[GatewayStatement(field=name, question=getattr(rule, name)) for name in statements],
        confirmations=[
            GatewayConfirmation(codes=list(one.codes), question=one.question, condition=one.condition)
            for one in rule.confirmations
        ],
        recipients=None if rule.recipients is None else sorted(rule.recipients),
        onward=list(rule.onward),
        prior_notice=None if rule.notice is None else _notice(rule.notice),
        themes=sorted(rule.themes),
        evidence_standards=sorted(rule.standards),
    )


def _notice(rule: NoticeRule) -> GatewayNotice:
    return GatewayNotice(
        field="nca_notice",
        addressee=rule.addressee,
        within_days=rule.within_days,
        report_days=rule.report_days,
        template=rule.template,
        placeholders=list(NOTICE_PLACEHOLDERS),
    )
