"""The key holder's face on HTTP: `create_app` makes the application from settings.

Every request passes the guard (edge/guard.py), and for what is signed the rules of keys/holder/service.py, all
before anything is parsed. Answers to signed requests, refusals too, are signed.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from functools import wraps
from typing import Any, TypeVar, cast

import msgspec
from flask import Flask, Response, current_app, g, request
from flask_smorest import Blueprint
from marshmallow import EXCLUDE, RAISE
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest, HTTPException, MethodNotAllowed, NotFound

from edge.caller_address import Proxies, caller_address
from edge.description import complete_description
from edge.guard import NotJsonError, read_json
from edge.setup import DescribedApi, make_strict, serve_description
from edge.source_limits import SourceLimits, source_of
from keys.holder import store
from keys.holder.access import SIGNED, RouteRule, check_routes, rule_of
from keys.holder.database import HolderDatabase, open_database
from keys.holder.problems import http_problem, problem, register_problems
from keys.holder.service import (
    BARRED,
    MAX_ELEMENTS,
    REPLAYED,
    HolderService,
    MemberCaller,
    ReceivedRequest,
    RequestRefusedError,
    Wanted,
)
from keys.holder.settings import HolderSettings
from keys.oprf.group import ELEMENT_BYTES
from keys.signatures.messages import RequestSignatureError, SignedRequest, sign_response
from keys.statements.types import EpochStatement
from schemas.holders import (
    AcceptedQuery,
    AcceptedStatement,
    BudgetAnswer,
    BudgetGrant,
    EpochsAnswer,
    EvaluationHeaders,
    EvaluationQuery,
    ServiceState,
    SignedSnapshot,
    StandingBudget,
    StatedEpoch,
)
from schemas.problems import MEDIA_TYPE, ProblemDocument
from schemas.statements import StatementEnvelope, StatementsPage
from schemas.values.derived import schema_of
from schemas.values.encoding import to_base64, to_rfc3339
from schemas.values.message import Message

MAX_BODY_BYTES = MAX_ELEMENTS * ELEMENT_BYTES
MAX_OPEN_BODY_BYTES = 512 * 1024
"""Of what anyone may send: more than the largest statement with all its signatures."""
ELEMENTS_TYPE = "application/octet-stream"
_COMMITMENT, _PROOF = "Evaluation-Commitment", "Evaluation-Proof"
_SERVICE = "keyholder"
_STATEMENTS_PAGE = 200
_BINARY = {"schema": {"type": "string", "format": "binary"}}

_View = TypeVar("_View", bound=Callable[..., Any])

holder = Blueprint("holder", __name__, description="Evaluations under a share of the tokenisation key")


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
    app = Flask(_SERVICE, static_folder=None)
    make_strict(app)
    app.config.update(
        MAX_CONTENT_LENGTH=MAX_BODY_BYTES,
        API_TITLE="Key holder",
        API_VERSION="v1",
        OPENAPI_VERSION="3.1.0",
    )
    service = HolderService(settings, database or open_database(settings.config.database_url), clock)
    service.check_shares()
    app.extensions[_SERVICE] = service
    sources = SourceLimits(settings.config.unsigned_per_minute)
    api = _Api(app, spec_kwargs={"servers": [{"url": settings.config.url}]})
    api.register_blueprint(holder)
    register_problems(app, clock)
    app.before_request(lambda: _check_source(sources, settings.config.proxies, clock()))
    document = api.describe(lambda spec: complete_description(spec, signed=SIGNED))
    app.before_request(serve_description(app, document))
    app.before_request(lambda: _authenticate(sources, clock()))
    app.after_request(lambda response: _sign(response, service, clock))
    check_routes(app)
    return app


def _operation(method: str, rule: str, *steps: Callable[[Any], Any]) -> Callable[[_View], _View]:
    """A view of the interface: the library's decorators `steps`, outermost first, and then its route."""

    def register(view: _View) -> _View:
        decorated: Any = view
        for step in reversed(steps):
            decorated = step(decorated)
        holder.route(rule, methods=[method])(decorated)
        return view

    return register


def _refused(*statuses: int) -> Callable[[Any], Any]:
    """Describe the problems that a route answers with, beside those of all routes."""
    return cast(
        Callable[[Any], Any],
        holder.doc(responses={str(status): {"content": {MEDIA_TYPE: {}}} for status in statuses}),
    )


def _asked(message: type[Message], location: str, unknown: str = RAISE) -> Callable[[Any], Any]:
    """Read a message from the query or the headers, and give it to the view."""
    return cast(Callable[[Any], Any], holder.arguments(schema_of(message), location=location, unknown=unknown))


def _answered(message: type[Message]) -> Callable[[Any], Any]:
    """Answer with the message that the view gives, if it gives no response of its own."""

    def answer(view: Callable[..., Any]) -> Any:
        @wraps(view)
        def encoded(*arguments: Any) -> Any:
            given = view(*arguments)
            return msgspec.to_builtins(given) if isinstance(given, Message) else given

        return holder.response(200, schema_of(message))(encoded)

    return answer


def _service() -> HolderService:
    service: HolderService = current_app.extensions[_SERVICE]
    return service


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
    authenticated = _service().verify(received)
    g.key_id = authenticated.request.key_id
    g.signed_target = target  # from here on the answer is signed, also one that refuses the caller
    g.caller = _service().admit(authenticated, rule.roles, request.args.get("batch"))


def _sign(response: Response, service: HolderService, clock: Callable[[], datetime]) -> Response:
    """Sign the answer to a request that was authenticated; another has no signature to bind the answer to."""
    if "signed_target" not in g:
        return response
    config = service.settings.config
    asked = SignedRequest(request.method, config.url.rstrip("/") + g.signed_target, request.headers)
    signed = sign_response(
        response.status_code,
        {name: response.headers[name] for name in (_COMMITMENT, _PROOF) if name in response.headers},
        response.get_data(),
        request=asked,
        key_id=config.holder_id,
        key=service.settings.signing_key,
        clock=clock,
    )
    response.headers.update(signed)
    return response


def _caller() -> MemberCaller:
    caller: MemberCaller = g.caller
    return caller


@_operation(
    "POST",
    "/v1/evaluations",
    holder.doc(
        requestBody={"required": True, "content": {ELEMENTS_TYPE: _BINARY}},
        responses={
            "200": {
                "description": "As many elements, each times this holder's share and its Lagrange coefficient",
                "headers": {
                    _COMMITMENT: {
                        "schema": {"type": "string"},
                        "description": "Base64 of 32 bytes: the commitment to the share that was used",
                    },
                    _PROOF: {"schema": {"type": "string"}, "description": "Base64 of 64 bytes, if wanted"},
                },
                "content": {ELEMENTS_TYPE: _BINARY},
            },
        },
    ),
    _refused(400, 403, 409, 422, 429, 503),
    _asked(EvaluationQuery, "query"),
    _asked(EvaluationHeaders, "headers", EXCLUDE),
)
def evaluate(asked: EvaluationQuery, headers: EvaluationHeaders) -> Response:
    """Evaluate 1 to 65535 elements of 32 bytes for a quorum.

    Signed per RFC 9421 by a representative of a member. The member's budget is charged one for each element, once for
    each Idempotency-Key; two more for a batch without proofs, for which two proved elements that name it in `batch` are
    then answered.
    """
    wanted = Wanted(
        epoch=asked.epoch,
        quorum=asked.quorum,
        proof=asked.proof == "yes",
        elements=request.get_data(),
        idempotency_key=headers.idempotency_key,
        checked_batch=None if asked.batch is msgspec.UNSET else asked.batch,
    )
    evaluated = _service().evaluate(_caller(), wanted)
    response = Response(evaluated.elements, mimetype=ELEMENTS_TYPE)
    response.headers[_COMMITMENT] = to_base64(evaluated.commitment)
    if evaluated.proof is not None:
        response.headers[_PROOF] = to_base64(evaluated.proof)
    return response


@_operation("GET", "/v1/budget", _refused(403), _answered(BudgetAnswer))
def read_budget() -> BudgetAnswer:
    """What is left of the member's budget here. Signed per RFC 9421."""
    service = _service()
    budget = service.budget(_caller())
    renews_at = to_rfc3339(budget.renews_at)
    return BudgetAnswer(
        member_id=_caller().member_id,
        remaining=budget.remaining(service.now()),
        renews_at=renews_at,
        standing=StandingBudget(evaluations=budget.standing, used=budget.used, renews_at=renews_at),
        grants=[
            BudgetGrant(evaluations=grant.evaluations, used=grant.used, ends_at=to_rfc3339(grant.ends_at))
            for grant in budget.grants
        ],
    )


@_operation("GET", "/v1/epochs", _refused(429, 503), _answered(EpochsAnswer))
def list_epochs() -> EpochsAnswer:
    """The key epochs that the registrars state, each with their statement, which the reader verifies. Public."""
    service = _service()
    epochs = sorted(service.keyring().epochs(), key=lambda epoch: epoch.epoch)
    with service.database.reading() as connection:
        stated = [_stated_epoch(service, connection, epoch) for epoch in epochs]
    return EpochsAnswer(holder_id=service.settings.config.holder_id, epochs=stated)


def _stated_epoch(service: HolderService, connection: Connection, epoch: EpochStatement) -> StatedEpoch:
    envelope = store.find_envelope(connection, "epoch", str(epoch.epoch))
    assert envelope is not None  # noqa: S101 - the keyring has it from the store; for the type checker
    return StatedEpoch(
        epoch=epoch.epoch,
        state=epoch.state.value,
        threshold=epoch.threshold,
        public_key=epoch.public_key,
        normalisation=epoch.normalisation,
        holders=list(epoch.holders),
        served=service.is_serving(epoch),
        statement=envelope,
    )


@_operation(
    "POST",
    "/v1/statements",
    holder.doc(
        requestBody={
            "required": True,
            "content": {"application/json": {"schema": schema_of(StatementEnvelope)}},
        }
    ),
    _refused(403, 409, 422, 429, 503),
    _answered(AcceptedStatement),
)
def store_statement() -> AcceptedStatement:
    """Take in a statement of the registrars (a DSSE envelope). It is believed for its signatures, whoever brings it.

    One that is in force already is answered before a signature is looked at.
    """
    statement, is_new = _service().store_statement(_read_json())
    return AcceptedStatement(
        type=statement.type,
        subject=statement.subject,
        sequence=statement.sequence,
        state="stored" if is_new else "known",
    )


@_operation(
    "GET",
    "/v1/statements",
    _refused(400, 403, 422, 503),
    _asked(AcceptedQuery, "query"),
    _answered(StatementsPage),
)
def list_statements(asked: AcceptedQuery) -> StatementsPage:
    """Every statement accepted here, older ones too, page by page. Signed per RFC 9421 by a representative of a member:
    so a member gets what the exchange does not show.
    """
    found, position = _service().statements_page(asked.cursor, _STATEMENTS_PAGE)
    return StatementsPage(statements=found, next=None if position is None else str(position))


@_operation("GET", "/v1/snapshot", _refused(503), _answered(SignedSnapshot))
def read_snapshot() -> SignedSnapshot:
    """Number and digest of the statements in force here, signed by this holder and good for seven days. Public."""
    return _service().snapshot()


@_operation("GET", "/healthz", _answered(ServiceState))
def tell_health() -> ServiceState:
    """Whether the process answers."""
    return ServiceState(state="ok")


@_operation("GET", "/readyz", _refused(503), _answered(ServiceState))
def tell_readiness() -> ServiceState | Response:
    """Whether there is an epoch to evaluate under."""
    if any(_service().is_serving(epoch) for epoch in _service().keyring().epochs()):
        return ServiceState(state="ready")
    return problem("no-epoch", "Not ready", 503, "no epoch is stated of which this holder has a share")


@_operation(
    "GET",
    "/metrics",
    _refused(429, 503),
    holder.doc(responses={"200": {"description": "Counts", "content": {"text/plain": {"schema": {"type": "string"}}}}}),
)
def tell_metrics() -> Response:
    """Counts in the Prometheus text format. Anyone may ask, so nothing here moves with what members ask for: the
    evaluations are in `keyholder status`.
    """
    service = _service()
    with service.database.reading() as connection:
        totals = store.count_totals(connection)
    served = sum(service.is_serving(epoch) for epoch in service.keyring().epochs())
    lines = [
        "# TYPE keyholder_members gauge",
        f"keyholder_members {totals['members']}",
        "# TYPE keyholder_statements_total counter",
        f"keyholder_statements_total {totals['statements']}",
        "# TYPE keyholder_epochs_served gauge",
        f"keyholder_epochs_served {served}",
    ]
    return Response("\n".join(lines) + "\n", mimetype="text/plain")


def _read_json() -> Any:
    try:
        return read_json(request.get_data())
    except NotJsonError:
        raise BadRequest("The body is not JSON.") from None
