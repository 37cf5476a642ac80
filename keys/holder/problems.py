"""Errors as the key holder tells them: problem details (RFC 9457). The only map from its exceptions to HTTP.

What is not in the map is answered 500 without a word on why, and logged without the frame's locals.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

import structlog
from flask import Flask, Response, g
from sqlalchemy.exc import DataError, SQLAlchemyError
from werkzeug.exceptions import HTTPException

from edge import problems as edge
from edge.request_limits import LimitExceededError
from keys.holder.budget import BudgetExhaustedError
from keys.holder.requests import InProgressError, RequestRefusedError, StoreTamperedError
from keys.oprf.group import InvalidElementError
from keys.signatures.messages import RequestSignatureError
from keys.statements.keyring import StatementError
from schemas.problems import Problem
from schemas.values.encoding import to_rfc3339

_RETRY_SECONDS = 5

_REFUSALS = {
    "member-suspended": 403,
    "key-revoked": 403,
    "member-not-allowed": 403,
    "role-missing": 403,
    "replayed-request": 401,
    "unknown-epoch": 409,
    "epoch-not-served": 409,
    "wrong-quorum": 409,
    "bad-length": 400,
    "idempotency-key": 400,
    "idempotency-conflict": 422,
    "answered-before": 409,
    "unknown-batch": 409,
}
_BUSY_SECONDS = 1
_STATEMENTS = {"malformed": 422, "quorum": 403, "stale": 409, "conflict": 409, "gap": 409, "inconsistent": 409}

log = structlog.get_logger("keyholder")


def problem(slug: str, title: str, status: int, detail: str, **fields: Any) -> Response:
    """A problem document; `fields` are extension members."""
    return edge.answer_problem(Problem(slug, title, status, detail, fields))


def register_problems(app: Flask, clock: Callable[[], datetime]) -> None:
    """Answer every exception with a problem document."""

    def budget(error: BudgetExhaustedError) -> Response:
        log.info("evaluation refused", reason="budget-exhausted", evaluations=error.wanted, **_member())
        answer = problem(
            "budget-exhausted",
            "Budget exhausted",
            429,
            "the member's budget at this holder does not reach; it renews at the time given",
            wanted=error.wanted,
            remaining=error.remaining,
            renews_at=to_rfc3339(error.renews_at),
        )
        answer.headers["Retry-After"] = str(max(1, int((error.renews_at - clock()).total_seconds())))
        return answer

    app.register_error_handler(BudgetExhaustedError, budget)
    app.register_error_handler(RequestSignatureError, _signature)
    app.register_error_handler(RequestRefusedError, _refused)
    app.register_error_handler(InProgressError, _busy)
    app.register_error_handler(InvalidElementError, _element)
    app.register_error_handler(StatementError, _statement)
    app.register_error_handler(HTTPException, http_problem)
    app.register_error_handler(LimitExceededError, _limit)
    app.register_error_handler(DataError, _unstorable)
    app.register_error_handler(SQLAlchemyError, _unavailable)
    app.register_error_handler(StoreTamperedError, _tampered)
    app.register_error_handler(Exception, _unexpected)


def http_problem(error: HTTPException) -> Response:
    """The problem of a routing or parsing error; validation messages name fields, not values."""
    messages = (getattr(error, "data", None) or {}).get("messages")
    if not isinstance(messages, dict):
        return edge.answer_http(error)
    return problem("invalid-form", "The request has the wrong form", 422, "see `errors`", errors=messages)


def _member() -> dict[str, str]:
    """The member, once its signature is verified."""
    caller = g.get("caller")
    return {} if caller is None else {"member_id": caller.member_id}


def _signature(error: RequestSignatureError) -> Response:
    log.info("request refused", reason=error.reason)
    if error.reason == "unknown_key":
        return problem("unknown-key", "Unknown key", 403, "the registrars state no representative with this keyid")
    detail = "the request is not signed as RFC 9421 and this service require"
    return problem("request-signature", "Signature refused", 401, detail, reason=error.reason)


def _refused(error: RequestRefusedError) -> Response:
    log.info("request refused", reason=error.reason, **_member())
    title = error.reason.replace("-", " ").capitalize()
    return problem(error.reason, title, _REFUSALS[error.reason], str(error))


def _busy(error: InProgressError) -> Response:
    log.info("request refused", reason="under-way", **_member())
    answer = problem("under-way", "Under way", 503, f"{error}; ask again in a moment")
    answer.headers["Retry-After"] = str(_BUSY_SECONDS)
    return answer


def _element(error: InvalidElementError) -> Response:
    log.info("evaluation refused", reason="bad-element", **_member())
    detail = "an element is not a canonical encoding of a point of the group, or is the identity"
    return problem("bad-element", "Bad element", 400, detail, position=error.position)


def _statement(error: StatementError) -> Response:
    log.info("statement refused", reason=error.reason)
    return problem(f"statement-{error.reason}", "Statement refused", _STATEMENTS[error.reason], str(error))


def _limit(error: LimitExceededError) -> Response:
    log.warning("request limit exceeded", limit=error.limit, **_member())
    return edge.answer_limit(error)


def _unstorable(_error: DataError) -> Response:
    return problem("invalid-form", "Invalid form", 422, "the request holds a value that cannot be stored")


def _unavailable(error: SQLAlchemyError) -> Response:
    log.warning("database unavailable", error=type(getattr(error, "orig", error)).__name__)
    answer = problem("unavailable", "Unavailable", 503, "the store cannot be reached; nothing was done")
    answer.headers["Retry-After"] = str(_RETRY_SECONDS)
    return answer


def _tampered(error: StoreTamperedError) -> Response:
    log.error("the store holds a statement that the registrars did not sign")
    return problem("unavailable", "Unavailable", 503, "the store cannot be relied on; nothing was done")


def _unexpected(error: Exception) -> Response:
    log.error("unexpected error", error=type(error).__name__, exc_info=error)
    return problem("internal", "Internal error", 500, "something went wrong here; nothing was done")
