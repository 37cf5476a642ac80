"""What a key holder answers: each view is a route of keys/holder/access.py, and comes after the application's checks
(keys/holder/web.py).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any, TypeVar, cast

import msgspec
from flask import Response, current_app, g, request
from flask_smorest import Blueprint
from marshmallow import EXCLUDE, RAISE
from sqlalchemy import Connection
from werkzeug.exceptions import BadRequest

from edge.guard import NotJsonError, read_json
from keys.holder import store
from keys.holder.problems import problem
from keys.holder.requests import EvaluationRequest, MemberCaller
from keys.holder.service import HolderService
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
from schemas.problems import MEDIA_TYPE
from schemas.statements import StatementEnvelope, StatementsPage
from schemas.values.derived import schema_of
from schemas.values.encoding import to_base64, to_rfc3339
from schemas.values.message import Message

SERVICE = "keyholder"
COMMITMENT, PROOF = "Evaluation-Commitment", "Evaluation-Proof"
ELEMENTS_TYPE = "application/octet-stream"
_STATEMENTS_PAGE = 200
_BINARY = {"schema": {"type": "string", "format": "binary"}}

_View = TypeVar("_View", bound=Callable[..., Any])

blueprint = Blueprint("holder", __name__, description="Evaluations under a share of the tokenisation key")


def _operation(method: str, rule: str, *steps: Callable[[Any], Any]) -> Callable[[_View], _View]:
    """A view of the interface: the library's decorators `steps`, outermost first, and then its route."""

    def register(view: _View) -> _View:
        decorated: Any = view
        for step in reversed(steps):
            decorated = step(decorated)
        blueprint.route(rule, methods=[method])(decorated)
        return view

    return register


def _refused(*statuses: int) -> Callable[[Any], Any]:
    """Describe the problems that a route answers with, beside those of all routes."""
    return cast(
        Callable[[Any], Any],
        blueprint.doc(responses={str(status): {"content": {MEDIA_TYPE: {}}} for status in statuses}),
    )


def _asked(message: type[Message], location: str, unknown: str = RAISE) -> Callable[[Any], Any]:
    """Read a message from the query or the headers, and give it to the view."""
    return cast(Callable[[Any], Any], blueprint.arguments(schema_of(message), location=location, unknown=unknown))


def _answered(message: type[Message]) -> Callable[[Any], Any]:
    """Answer with the message that the view gives, if it gives no response of its own."""

    def answer(view: Callable[..., Any]) -> Any:
        @wraps(view)
        def encoded(*arguments: Any) -> Any:
            given = view(*arguments)
            return msgspec.to_builtins(given) if isinstance(given, Message) else given

        return blueprint.response(200, schema_of(message))(encoded)

    return answer


def current_service() -> HolderService:
    """The service of the application that serves the present request."""
    service: HolderService = current_app.extensions[SERVICE]
    return service


def _caller() -> MemberCaller:
    caller: MemberCaller = g.caller
    return caller


@_operation(
    "POST",
    "/v1/evaluations",
    blueprint.doc(
        requestBody={"required": True, "content": {ELEMENTS_TYPE: _BINARY}},
        responses={
            "200": {
                "description": "As many elements, each times this holder's share and its Lagrange coefficient",
                "headers": {
                    COMMITMENT: {
                        "schema": {"type": "string"},
                        "description": "Base64 of 32 bytes: the commitment to the share that was used",
                    },
                    PROOF: {"schema": {"type": "string"}, "description": "Base64 of 64 bytes, if requested"},
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
    requested = EvaluationRequest(
        epoch=asked.epoch,
        quorum=asked.quorum,
        proof=asked.proof == "yes",
        elements=request.get_data(),
        idempotency_key=headers.idempotency_key,
        checked_batch=None if asked.batch is msgspec.UNSET else asked.batch,
    )
    evaluated = current_service().evaluate(_caller(), requested)
    response = Response(evaluated.elements, mimetype=ELEMENTS_TYPE)
    response.headers[COMMITMENT] = to_base64(evaluated.commitment)
    if evaluated.proof is not None:
        response.headers[PROOF] = to_base64(evaluated.proof)
    return response


@_operation("GET", "/v1/budget", _refused(403), _answered(BudgetAnswer))
def read_budget() -> BudgetAnswer:
    """What is left of the member's budget here. Signed per RFC 9421."""
    service = current_service()
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
    service = current_service()
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
    blueprint.doc(
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
    statement, is_new = current_service().store_statement(_read_json())
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
    found, position = current_service().statements_page(asked.cursor, _STATEMENTS_PAGE)
    return StatementsPage(statements=found, next=None if position is None else str(position))


@_operation("GET", "/v1/snapshot", _refused(503), _answered(SignedSnapshot))
def read_snapshot() -> SignedSnapshot:
    """Number and digest of the statements in force here, signed by this holder and good for seven days. Public."""
    return current_service().snapshot()


@_operation("GET", "/healthz", _answered(ServiceState))
def show_health() -> ServiceState:
    """Whether the process answers."""
    return ServiceState(state="ok")


@_operation("GET", "/readyz", _refused(503), _answered(ServiceState))
def show_readiness() -> ServiceState | Response:
    """Whether there is an epoch to evaluate under."""
    if any(current_service().is_serving(epoch) for epoch in current_service().keyring().epochs()):
        return ServiceState(state="ready")
    return problem("no-epoch", "Not ready", 503, "no epoch is stated of which this holder has a share")


@_operation(
    "GET",
    "/metrics",
    _refused(429, 503),
    blueprint.doc(
        responses={"200": {"description": "Counts", "content": {"text/plain": {"schema": {"type": "string"}}}}}
    ),
)
def show_metrics() -> Response:
    """Counts in the Prometheus text format. Anyone may ask, so nothing here moves with what members ask for: the
    evaluations are in `keyholder status`.
    """
    service = current_service()
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
