"""Law-enforcement queries over HTTP, for the officers of agencies."""

from __future__ import annotations

from typing import Any

from flask import Response

from exchange.log.acting import UnknownObjectError
from exchange.queries.approve import approve_query, refuse_query
from exchange.queries.ask import ask_query
from exchange.queries.decide import QueryLimits
from exchange.queries.prolong import end_watch, extend_query
from exchange.queries.read import list_queries, read_query
from exchange.web.authentication import current_actor
from exchange.web.context import current_context
from exchange.web.pages import POST_PARAMETERS, Blueprint, Decorator, answer_json, current_request, problem_responses
from schemas.queries.messages import (
    ApproveQuery,
    AskQuery,
    ExtendQuery,
    QueriesPage,
    QueriesQuery,
    QueryStatus,
    WholeQuery,
)
from schemas.values.identifiers import is_uuid7
from schemas.values.message import Empty, Message

blueprint = Blueprint("queries", __name__, url_prefix="/v1", description="Law-enforcement queries")


def _step(path: str, summary: str, schema: type[Any], answer: type[Message] = QueryStatus) -> Decorator:
    """A POST that changes one query."""

    def describe(view: Any) -> Any:
        view = blueprint.response(200, answer)(view)
        view = blueprint.arguments(schema)(view)
        view = problem_responses(blueprint, 401, 403, 404)(view)
        view = blueprint.doc(summary=summary, parameters=POST_PARAMETERS)(view)
        return blueprint.route(f"/queries/<query_id>{path}", methods=["POST"])(view)

    return describe


@blueprint.route("/queries", methods=["POST"])
@blueprint.doc(summary="Ask, for a case, who holds any of some tokens", parameters=POST_PARAMETERS)
@problem_responses(blueprint, 401, 403, 409, 413)
@blueprint.arguments(AskQuery)
@blueprint.response(201, QueryStatus)
def ask(new: AskQuery) -> Response:
    """By an investigator of an agency. It waits for the officer who is to authorise it; nothing is answered yet."""
    return answer_json(*ask_query(current_context().database, current_request(), new, _limits()))


@blueprint.route("/queries")
@blueprint.doc(summary="Queries that one asked, authorises or reviews, page by page")
@problem_responses(blueprint, 401, 403)
@blueprint.arguments(QueriesQuery, location="query")
@blueprint.response(200, QueriesPage)
def listing(asked: QueriesQuery) -> Response:
    """Of the own agency alone, without results."""
    context = current_context()
    return answer_json(list_queries(context.database, current_actor(), asked, context.clock()))


@blueprint.route("/queries/<query_id>")
@blueprint.doc(summary="A query, with what it finds while it is in force")
@problem_responses(blueprint, 401, 403, 404)
@blueprint.response(200, WholeQuery)
def reading(query_id: str) -> Response:
    """Worked out anew under present authority; every reading is an entry in the agency's and the reviewers' logs."""
    context = current_context()
    found = read_query(context.database, current_actor(), _known(query_id), _limits(), context.clock())
    return answer_json(found)


@_step("/approve", "Authorise a query, and have it answered", ApproveQuery, WholeQuery)
def approve(agreed: ApproveQuery, query_id: str) -> Response:
    """By the officer whom it names, who is another than the one who asked, and who says what was read of it."""
    database, request = current_context().database, current_request()
    return answer_json(*approve_query(database, request, _known(query_id), agreed.terms_sha256, _limits()))


@_step("/refuse", "Refuse to authorise a query", Empty)
def refuse(_: Empty, query_id: str) -> Response:
    """By the officer whom it names."""
    return answer_json(*refuse_query(current_context().database, current_request(), _known(query_id)))


@_step("/extend", "Extend a query to a later day", ExtendQuery)
def extend(extension: ExtendQuery, query_id: str) -> Response:
    """Logged, with its reason. The cover of a covert one lasts as long."""
    database, request = current_context().database, current_request()
    return answer_json(*extend_query(database, request, _known(query_id), extension, _limits()))


@_step("/end-watch", "End a query's watch", Empty)
def stop_watching(_: Empty, query_id: str) -> Response:
    """What was disclosed to it stays disclosed."""
    return answer_json(*end_watch(current_context().database, current_request(), _known(query_id)))


def _limits() -> QueryLimits:
    context = current_context()
    return QueryLimits(context.policy.rules, context.settings.longest_query_days)


def _known(query_id: str) -> str:
    """The id, if it could be one. Raises UnknownObjectError."""
    if not is_uuid7(query_id):
        raise UnknownObjectError
    return query_id
