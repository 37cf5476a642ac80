"""What all pages of the API share: the blueprint class, JSON answers, and answers kept under an Idempotency-Key."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Protocol, TypeVar, cast

import msgspec
from flask import Response, request
from flask_smorest import Blueprint as SmorestBlueprint

from exchange.kernel.idempotency import IdempotentAnswer, find_answer
from exchange.kernel.upsert import insert_ignoring
from exchange.log.acting import Request
from exchange.web.authentication import current_actor, idempotency_key
from exchange.web.context import current_context
from exchange.web.forms import StrictParser
from schemas.problems import ProblemDocument
from schemas.values.derived import schema_of
from schemas.values.message import Message

_View = TypeVar("_View", bound=Callable[..., Any])


class Decorator(Protocol):
    """What takes a view and gives one of the same type."""

    def __call__(self, view: _View, /) -> _View: ...


class Blueprint(SmorestBlueprint):  # type: ignore[misc]
    """A blueprint that reads its arguments strictly, and whose decorators have types."""

    ARGUMENTS_PARSER = StrictParser()

    def route(self, rule: str, **options: Any) -> Decorator:
        """As flask_smorest's."""
        return cast(Decorator, super().route(rule, **options))

    def doc(self, **fields: Any) -> Decorator:
        """As flask_smorest's."""
        return cast(Decorator, super().doc(**fields))

    def arguments(self, schema: Any, **options: Any) -> Decorator:
        """As flask_smorest's; the view is given a message where the schema is one."""
        return cast(Decorator, super().arguments(_schema(schema), **options))

    def response(self, status_code: int, schema: Any = None, **options: Any) -> Decorator:
        """As flask_smorest's; the schema may be a message."""
        return cast(Decorator, super().response(status_code, _schema(schema), **options))

    def alt_response(self, status_code: int, **options: Any) -> Decorator:
        """As flask_smorest's; the schema may be a message."""
        schema = {"schema": _schema(options.pop("schema"))} if "schema" in options else {}
        return cast(Decorator, super().alt_response(status_code, **schema, **options))


def _schema(form: Any) -> Any:
    return schema_of(form) if isinstance(form, type) and issubclass(form, Message) else form


POST_PARAMETERS = [
    {
        "in": "header",
        "name": "Idempotency-Key",
        "required": True,
        "schema": {"type": "string", "minLength": 8, "maxLength": 128},
        "description": "Same key and request, same answer; another request under the key is refused.",
    }
]


def problem_responses(blueprint: Blueprint, *statuses: int) -> Decorator:
    """Describe the problems that a route answers with."""

    def describe(view: _View) -> _View:
        for status in sorted({*statuses, 422, 503}):
            view = blueprint.alt_response(
                status, schema=schema_of(ProblemDocument), content_type="application/problem+json", success=False
            )(view)
        return view

    return describe


def answer_json(value: Any, status: int = 200) -> Response:
    """A JSON answer that nobody between may keep."""
    return _answer(msgspec.json.encode(value), status)


def _answer(body: bytes, status: int) -> Response:
    return Response(body, status, content_type="application/json", headers={"Cache-Control": "no-store"})


def request_sha256() -> bytes:
    """SHA-256, 32 bytes, of method, target and body of the present request."""
    head = f"{request.method} {request.full_path}\n".encode()
    return hashlib.sha256(head + request.get_data(cache=True)).digest()


def current_request() -> Request:
    """The present request of a representative, as the acts take it."""
    return Request(current_actor(), idempotency_key(), request_sha256(), current_context().clock())


def answer_once(principal: str, work: Callable[[], tuple[Any, int]]) -> Response:
    """What `work` gives as (value, status), or what it gave to the same request under the same key.

    For work that is harmless when repeated: the answer is kept after it. Raises OtherRequestError.
    """
    context = current_context()
    asked = request_sha256()
    with context.database.reading() as session:
        known = find_answer(session, principal, idempotency_key(), asked)
    if known is not None:
        return _answer(known.answer, known.status)
    value, status = work()
    body = msgspec.json.encode(value)
    row = {"principal": principal, "key": idempotency_key(), "request_sha256": asked, "status": status}
    row |= {"answer": body, "answered_at": context.clock()}
    context.database.run_in_transaction(lambda session: insert_ignoring(session, IdempotentAnswer, [row]))
    return _answer(body, status)
