"""Answers that are problem documents (RFC 9457), the same at both services."""

from __future__ import annotations

import msgspec
from flask import Response
from werkzeug.exceptions import HTTPException

from edge.request_limits import LimitExceededError
from schemas.problems import MEDIA_TYPE, Problem


def answer_problem(problem: Problem, headers: dict[str, str] | None = None) -> Response:
    """The response of a problem, which nobody between may keep."""
    response = Response(msgspec.json.encode(problem.to_wire()), problem.status, content_type=MEDIA_TYPE)
    response.headers["Cache-Control"] = "no-store"
    response.headers.update(headers or {})
    return response


def http_problem(error: HTTPException) -> Problem:
    """The problem of an error of routing or of the guard; its description quotes nothing of the request."""
    return Problem(error.name.lower().replace(" ", "-"), error.name, error.code or 500, error.description or error.name)


def answer_http(error: HTTPException) -> Response:
    """The response of such an error, with the methods that a 405 has to name (RFC 9110 section 15.5.6)."""
    methods = getattr(error, "valid_methods", None)
    return answer_problem(http_problem(error), {"Allow": ", ".join(sorted(methods))} if methods else None)


def answer_limit(error: LimitExceededError) -> Response:
    """The response to a caller that asked too often."""
    fields = {"limit": error.limit, "retry_after_seconds": error.retry_seconds}
    problem = Problem("request-limit", "Too many requests", 429, error.detail, fields)
    return answer_problem(problem, {"Retry-After": str(error.retry_seconds)})
