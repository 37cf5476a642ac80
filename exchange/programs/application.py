"""The web application, made of its context. Nothing here is global, so that a test makes as many as it likes."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import structlog
from flask import Flask, Response, g, request

from edge.description import complete_description
from edge.logs import REQUEST_ID_HEADER, begin_request
from edge.setup import DescribedApi, check_routes, make_strict, serve_description
from exchange.corrections import pages as withdrawal_pages
from exchange.log.pages import create_log_blueprint
from exchange.log.receipts import waiting_entries
from exchange.operations import pages as operations_pages
from exchange.operations import status_pages
from exchange.outcomes import pages as outcome_pages
from exchange.queries import pages as query_pages
from exchange.registrars import enrolment_pages, holder_fault_pages, statement_pages
from exchange.requests import pages as request_pages
from exchange.submissions import hit_pages
from exchange.submissions import pages as submission_pages
from exchange.web.access import LIMITED, RULES, SIGNED, TOKEN_SHOWN
from exchange.web.authentication import authenticate, check_source, current_member_id, end_feed_reading
from exchange.web.context import Context, attach_context
from exchange.web.forms import MAX_BODY_BYTES
from exchange.web.measures import start_measuring
from exchange.web.problems import register_problems
from exchange.web.refused_forms import register_refused_forms
from schemas.log import PromisedEntry

log = structlog.get_logger()


def create_app(context: Context, blueprints: Sequence[Any] = ()) -> Flask:
    """The application with its own pages and the `blueprints` of others (of the alerts, at composition).

    Raises OpenRouteError if the table of access rules and the routes differ.
    """
    app = Flask("exchange", static_folder=None)
    make_strict(app)
    app.config.update(
        API_TITLE="Intelligence-sharing exchange",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        PROPAGATE_EXCEPTIONS=False,
    )
    app.json.sort_keys = False  # type: ignore[attr-defined]
    attach_context(app.extensions, context)
    api = DescribedApi(app, spec_kwargs={"servers": [{"url": context.settings.url}]})
    own = (
        enrolment_pages,
        statement_pages,
        submission_pages,
        hit_pages,
        holder_fault_pages,
        status_pages,
        operations_pages,
        query_pages,
        request_pages,
        withdrawal_pages,
        outcome_pages,
    )
    for page in own:
        api.register_blueprint(page.blueprint)
    api.register_blueprint(create_log_blueprint(context.database, current_member_id, _waiting_of(context)))
    for blueprint in blueprints:
        api.register_blueprint(blueprint)
    document = api.describe(
        lambda spec: complete_description(spec, signed=SIGNED, limited=LIMITED, token_shown=TOKEN_SHOWN)
    )
    start_measuring(app)
    app.before_request(_start)
    app.before_request(check_source)
    app.before_request(serve_description(app, document))
    app.before_request(authenticate)
    app.after_request(_note)
    app.teardown_request(end_feed_reading)
    register_problems(app)
    register_refused_forms(app)
    check_routes(app, RULES)
    return app


def _waiting_of(context: Context) -> Callable[[str, int, str], list[PromisedEntry]]:
    delay = context.settings.merge_delay_seconds
    return lambda member_id, most, after: waiting_entries(
        context.database, context.receipt_key, member_id, most, after=after, delay=delay
    )


def _start() -> None:
    g.started = time.perf_counter()
    g.request_id = begin_request()


def _note(response: Response) -> Response:
    """One line a request: what kind, how it went, how long; never payload, keys or tokens."""
    rule, now = request.url_rule, time.perf_counter()
    route, milliseconds = "" if rule is None else rule.rule, round((now - g.get("started", now)) * 1000)
    log.info("request", method=request.method, route=route, status=response.status_code, milliseconds=milliseconds)
    response.headers.setdefault("X-Content-Type-Options", "nosniff")
    if "request_id" in g:
        response.headers[REQUEST_ID_HEADER] = g.request_id
    return response
