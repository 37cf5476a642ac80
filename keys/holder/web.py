"""The key holder's face on HTTP: `create_app` makes the application from settings.

Every request passes the guard (edge/guard.py), and for what is signed the rules of keys/holder/service.py, all
before anything is parsed. Answers to signed requests, refusals too, are signed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from flask import Flask, Response, g, request
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound

from edge.caller_address import Proxies, caller_address
from edge.description import complete_description
from edge.setup import DescribedApi, check_routes, make_strict, serve_description
from edge.source_limits import SourceLimits, source_of
from keys.holder.access import RULES, SIGNED, RouteRule, rule_of
from keys.holder.database import HolderDatabase, open_database
from keys.holder.pages import COMMITMENT, PROOF, SERVICE, blueprint, current_service
from keys.holder.problems import http_problem, register_problems
from keys.holder.requests import ReceivedRequest, RequestRefusedError
from keys.holder.service import BARRED, MAX_ELEMENTS, REPLAYED, HolderService
from keys.holder.settings import HolderSettings
from keys.oprf.group import ELEMENT_BYTES
from keys.signatures.messages import RequestSignatureError, SignedRequest, sign_response
from schemas.problems import ProblemDocument
from schemas.values.derived import schema_of

MAX_BODY_BYTES = MAX_ELEMENTS * ELEMENT_BYTES
MAX_OPEN_BODY_BYTES = 512 * 1024
"""Of what anyone may send: more than the largest statement with all its signatures."""


class _Api(DescribedApi):
    ERROR_SCHEMA = schema_of(ProblemDocument)

    def handle_http_exception(self, error: HTTPException) -> Response:
        """Problem details rather than the library's own form."""
        return http_problem(error)


def create_app(
    settings: HolderSettings,
    *,
    database: HolderDatabase | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Flask:
    """The WSGI application of one holder. Call it in the worker, after the fork; the tables are there already.

    Raises HolderHomeError if a share does not belong to the commitment that the registrars state for it.
    """
    app = Flask(SERVICE, static_folder=None)
    make_strict(app)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        API_TITLE="Key holder",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
    )
    service = HolderService(settings, database or open_database(settings.config.database_url), clock)
    service.check_shares()
    app.extensions[SERVICE] = service
    sources = SourceLimits(settings.config.unsigned_per_minute)
    api = _Api(app, spec_kwargs={"servers": [{"url": settings.config.url}]})
    api.register_blueprint(blueprint)
    register_problems(app, clock)
    app.before_request(lambda: _check_source(sources, settings.config.proxies, clock()))
    document = api.describe(lambda spec: complete_description(spec, signed=SIGNED))
    app.before_request(serve_description(app, document))
    app.before_request(lambda: _authenticate(sources, clock()))
    app.after_request(lambda response: _sign(response, service, clock))
    check_routes(app, RULES)
    return app


def _check_source(limits: SourceLimits, proxies: Proxies, now: datetime) -> None:
    """Refuse, before its body is read, what comes from an address that too often calls without authenticating, and
    let nobody send much to a route that is open to anyone.
    """
    rule = None if request.url_rule is None else rule_of(request.method, request.url_rule.rule)
    if rule is None or not rule.is_limited:
        return
    address = caller_address(request.remote_addr, request.headers.get("X-Forwarded-For"), proxies)
    g.source = source_of(address, request.headers.get("Signature-Input", ""), is_open=rule.is_public)
    limits.check(g.source, now)
    if rule.is_public:
        request.max_content_length = MAX_OPEN_BODY_BYTES
        limits.count(g.source, now)


def _authenticate(limits: SourceLimits, now: datetime) -> None:
    if request.url_rule is None:
        raise NotFound
    rule = rule_of(request.method, request.url_rule.rule)
    if rule is None:
        raise MethodNotAllowed
    if not rule.is_public:
        try:
            _authenticate_signed(rule)
        except (RequestSignatureError, RequestRefusedError) as refusal:
            if isinstance(refusal, RequestSignatureError) or refusal.reason in {REPLAYED, *BARRED}:
                limits.count(g.source, now)
            if refusal.reason in BARRED:
                limits.count_barred(g.key_id, now)
            raise
        limits.note_known(g.source, now)


def _authenticate_signed(rule: RouteRule) -> None:
    """Raises RequestSignatureError, RequestRefusedError, LimitExceededError."""
    # The target exactly as received: rebuilding it from decoded parts would not give back what was signed.
    target = request.environ.get("RAW_URI", "")
    received = ReceivedRequest(request.method, target, request.headers, request.get_data())
    authenticated = current_service().verify(received)
    g.key_id = authenticated.request.key_id
    g.signed_target = target  # from here on the answer is signed, also one that refuses the caller
    g.caller = current_service().admit(authenticated, rule.roles, request.args.get("batch"))


def _sign(response: Response, service: HolderService, clock: Callable[[], datetime]) -> Response:
    """Sign the answer to a request that was authenticated; another has no signature to bind the answer to."""
    if "signed_target" not in g:
        return response
    config = service.settings.config
    asked = SignedRequest(request.method, config.url.rstrip("/") + g.signed_target, request.headers)
    signed = sign_response(
        response.status_code,
        {name: response.headers[name] for name in (COMMITMENT, PROOF) if name in response.headers},
        response.get_data(),
        request=asked,
        key_id=config.holder_id,
        key=service.settings.signing_key,
        clock=clock,
    )
    response.headers.update(signed)
    return response
