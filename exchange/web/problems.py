"""The only map from errors to problem details (RFC 9457). Inner detail goes to the log, never into an answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import structlog
from flask import Flask, Response
from sqlalchemy.exc import DataError, DBAPIError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from werkzeug.exceptions import HTTPException, NotFound

from edge.problems import answer_http, answer_limit, answer_problem, http_problem
from edge.request_limits import LimitExceededError
from exchange.kernel.decision import RefusalError
from exchange.kernel.idempotency import OtherRequestError
from exchange.kernel.problem_error import ProblemError
from exchange.log.acting import ConflictError, UnknownObjectError
from exchange.log.events import LogUnavailableError
from exchange.web.costly_work import BusyError
from keys.faults.evidence import EvidenceError
from keys.statements.envelopes import StatementError
from schemas.problems import Problem

__all__ = [
    "AccessRefusedError",
    "InvalidFormError",
    "answer_error",
    "answer_problem",
    "problem_of",
    "register_problems",
]

log = structlog.get_logger()
_RETRY = {"Retry-After": "5"}
SUSPENDED = "suspended"
FEED_TOKEN = "feed-token"  # noqa: S105 - the reason of a refusal
_FEED_CHALLENGES = ('Basic realm="feeds", charset="UTF-8"', 'Bearer realm="feeds"')

_NOTHING_THERE = "There is nothing of that id for you."

_ACCESS = {
    400: ("idempotency-key-missing", "An Idempotency-Key is required"),
    401: ("unauthenticated", "The request is not signed as it must be"),
    403: ("forbidden", "Not allowed"),
}
_STATEMENT_CONFLICTS = frozenset({"stale", "conflict", "gap", "inconsistent", "waiting", "discarded"})


class InvalidFormError(Exception):
    """A body or query has the wrong form; `errors` maps fields to what is wrong with them."""

    def __init__(self, errors: dict[str, Any]) -> None:
        super().__init__("invalid form")
        self.errors = errors


class AccessRefusedError(Exception):
    """Authentication or a role is missing. `status` 400: no idempotency key; 401: who are you; 403: not you. `roles`:
    any of these is required.
    """

    def __init__(self, status: int, reason: str, detail: str, roles: Iterable[str] = ()) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason
        self.detail = detail
        self.roles = sorted(roles)


def problem_of(error: Exception) -> Problem:  # noqa: PLR0911, PLR0912 - one line for each error is the point
    """The problem that tells of an error."""
    match error:
        case InvalidFormError():
            return Problem("invalid-form", "The request has the wrong form", 422, extra={"errors": error.errors})
        case AccessRefusedError():
            slug, title = _ACCESS[error.status]
            roles = {"roles": error.roles} if error.roles else {}
            return Problem(slug, title, error.status, error.detail, {"reason": error.reason, **roles})
        case RefusalError():
            reasons = [reason.as_fields() for reason in error.decision.reasons]
            detail = "; ".join(f"{reason.field}: {reason.detail}" for reason in error.decision.reasons)
            status = 409 if isinstance(error, ConflictError) else 403
            return Problem("refused", "A rule refuses this disclosure", status, detail, {"reasons": reasons})
        case UnknownObjectError() | NotFound():
            # What is hidden is answered as what does not exist is: by the same 404 as a path that no route has.
            return http_problem(NotFound(_NOTHING_THERE))
        case OtherRequestError():
            detail = "The Idempotency-Key was used for another request."
            return Problem("idempotency-key-reused", "Other request under this key", 422, detail)
        case StatementError():
            status = 409 if error.reason in _STATEMENT_CONFLICTS else 422
            return Problem("statement-refused", "Statement refused", status, str(error), {"reason": error.reason})
        case BusyError():
            return Problem("busy", "Such work is under way for this member, or for enough others", 503)
        case EvidenceError():
            title = "No fault of a key holder is shown"
            return Problem("holder-fault-not-shown", title, 422, str(error))
        case ProblemError():
            return error.problem
        case LogUnavailableError():
            return Problem("log-unavailable", "The log takes no entries, so nothing is disclosed", 503, str(error))
        case HTTPException():
            return http_problem(error)
        case DataError():
            return Problem("invalid-form", "The request holds a value that cannot be stored", 422)
        case DBAPIError() | PoolTimeoutError() | SQLAlchemyError():
            return Problem("unavailable", "The exchange cannot reach its database at present", 503)
        case _:
            return Problem("internal", "Something is wrong at the exchange", 500)


def answer_error(error: Exception) -> Response:
    """The problem that an error is; a failure of ours goes to the program's log."""
    problem = problem_of(error)
    if problem.status >= 500:
        # The type alone: a database's message quotes parameters, and these are tokens.
        log.error("request failed", error=type(error).__name__, problem=problem.slug)
    return answer_problem(problem, _RETRY if problem.status == 503 else None)


def register_problems(app: Flask) -> None:
    """Answer every error as a problem."""

    def handle(error: Exception) -> Response:
        response = answer_error(error)
        if isinstance(error, AccessRefusedError) and error.reason == FEED_TOKEN:
            # What may be shown instead (RFC 9110 section 11.6.1); one header each: many readers look no further.
            for challenge in _FEED_CHALLENGES:
                response.headers.add("WWW-Authenticate", challenge)
        return response

    def handle_limit(error: LimitExceededError) -> Response:
        log.warning("request limit exceeded", limit=error.limit)
        return answer_limit(error)

    handler: Callable[[Any], Response] = handle
    app.register_error_handler(Exception, handler)
    app.register_error_handler(HTTPException, answer_http)
    app.register_error_handler(NotFound, handler)
    app.register_error_handler(LimitExceededError, handle_limit)
