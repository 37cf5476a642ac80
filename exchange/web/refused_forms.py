"""What cannot be read is refused like what a rule refuses, and recorded: a POST of an authenticated representative to
one of the blueprints in which every refusal counts. The log says the route and the fields, never what stood in them.

A body that is too long is refused unread; who sent it is known by the signature all the same, since that covers the
body's digest and not the body.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import reduce
from operator import and_
from typing import Any

from flask import Flask, Response, g, request
from sqlalchemy.exc import SQLAlchemyError
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from edge.request_limits import LimitExceededError
from exchange.kernel.decision import ALLOWED, refuse
from exchange.log.events import LogUnavailableError
from exchange.log.refusals import refuse_disclosure
from exchange.web.authentication import authenticate, current_actor
from exchange.web.context import current_context
from exchange.web.problems import AccessRefusedError, InvalidFormError, answer_error

RULE = "invalid-form"
LONG = "too-long"
_RECORDED = frozenset({"requests", "queries", "withdrawals", "outcomes"})
_MAX_FIELDS = 20


def register_refused_forms(app: Flask) -> None:
    """Record forms that are refused, before they are answered; with the log unavailable that is the answer."""

    def handle_form(error: InvalidFormError) -> Response:
        return _answer(error, RULE, sorted(set(_fields_in(error.errors)))[:_MAX_FIELDS])

    def handle_long(error: RequestEntityTooLarge) -> Response:
        if _counts():
            try:
                authenticate(is_read=False)
            except (AccessRefusedError, LimitExceededError, HTTPException):
                return answer_error(error)
            except SQLAlchemyError as failed:
                return answer_error(failed)
        return _answer(error, LONG, ["body"])

    app.register_error_handler(InvalidFormError, handle_form)
    app.register_error_handler(RequestEntityTooLarge, handle_long)


def _counts() -> bool:
    return request.method == "POST" and request.blueprint in _RECORDED


def _answer(error: Exception, rule: str, fields: Iterable[str]) -> Response:
    if _counts() and "actor" in g:
        try:
            _record(rule, fields)
        except (LogUnavailableError, SQLAlchemyError) as failed:
            return answer_error(failed)
    return answer_error(error)


def _record(rule: str, fields: Iterable[str]) -> None:
    decision = reduce(and_, (refuse(rule, field, "invalid format") for field in fields), ALLOWED)
    route = "" if request.url_rule is None else request.url_rule.rule
    context = current_context()
    asked = {"asked": "form", "route": f"{request.method} {route}"}
    refuse_disclosure(context.database, current_actor(), decision, asked, context.clock())


def _fields_in(errors: Mapping[str, Any], within: str = "") -> Iterator[str]:
    """The names of the fields at fault, `nca_notice.given_at`, without where they stood and without places in lists."""
    for name, found in errors.items():
        is_field = name not in ("json", "query", "_schema") and not name.isdecimal()
        path = ".".join(filter(None, [within, name if is_field else ""]))
        if isinstance(found, Mapping):
            yield from _fields_in(found, path)
        else:
            yield path or "body"
