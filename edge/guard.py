"""The one guard that every request to either service passes before anything of it is believed or parsed.

Rules, in order; a request that breaks one is answered with a problem of the status named, and none is a crash.
1. The route exists and takes the method (404, 405).
2. Path and query are UTF-8 without NUL (400).
3. Query fields are those that the route's description names, each once (400, 422).
4. A body comes only where the description names one (400), and has its content type (415).
5. The body is within the application's bound (413), arrives in time (408) and whole (400).
JSON is then read by `read_json` alone: UTF-8 without lone surrogates, of bounded depth.

What each route takes is read from the OpenAPI document that clients read too, so that the two cannot differ.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

import msgspec
from flask import request
from werkzeug.exceptions import (
    BadRequest,
    MethodNotAllowed,
    NotFound,
    RequestEntityTooLarge,
    RequestTimeout,
    UnprocessableEntity,
    UnsupportedMediaType,
)
from werkzeug.routing import RequestRedirect

from edge.description import path_of

_METHODS = frozenset({"get", "put", "post", "delete", "options", "head", "patch", "trace"})


class NotJsonError(ValueError):
    """A body is not JSON as it is read here."""


@dataclass(frozen=True, slots=True)
class _Operation:
    """What a route takes: its query fields, and the content type of its body if it takes one."""

    query: frozenset[str]
    content_type: str | None


class RequestGuard:
    """Applies the rules to the present request; made from the application's OpenAPI document."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._operations: dict[str, dict[str, _Operation]] = {
            path: {method.upper(): _read(operation) for method, operation in item.items() if method in _METHODS}
            for path, item in document["paths"].items()
        }

    def __call__(self) -> None:
        """Raises werkzeug's HTTPException."""
        if isinstance(request.routing_exception, RequestRedirect):
            # A path is the one written: one without its trailing slash is another.
            raise NotFound
        if request.routing_exception is not None:
            raise request.routing_exception
        operation = self._find_operation()
        _check_target()
        _check_query(operation.query)
        _check_body(operation.content_type)

    def _find_operation(self) -> _Operation:
        if request.url_rule is None:
            raise NotFound
        methods = self._operations.get(path_of(request.url_rule.rule), {})
        operation = methods.get("GET" if request.method == "HEAD" else request.method)
        if operation is None:
            raise MethodNotAllowed(sorted(methods))
        return operation


def read_json(body: bytes) -> Any:
    """The value of a JSON body. Raises NotJsonError."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise NotJsonError("expected JSON") from None


def _read(operation: Mapping[str, Any]) -> _Operation:
    query = frozenset(one["name"] for one in operation.get("parameters", ()) if one.get("in") == "query")
    content = operation.get("requestBody", {}).get("content", {})
    return _Operation(query, next(iter(content), None))


def _check_target() -> None:
    # As received: what the server made of it shows neither NUL at its end nor broken UTF-8.
    target = request.environ.get("RAW_URI") or request.full_path
    try:
        text = unquote_to_bytes(target).decode("utf-8")
    except UnicodeDecodeError:
        raise BadRequest("The path or query is not UTF-8.") from None
    if "\0" in text:
        raise BadRequest("The path or query holds a NUL.")


def _check_query(known: frozenset[str]) -> None:
    for name, values in request.args.lists():
        if len(values) > 1:
            raise BadRequest("A query field comes twice.")
        if name not in known:
            fields = ", ".join(sorted(known)) or "none"
            raise UnprocessableEntity(f"A query field is not known here; known: {fields}.")


def _check_body(content_type: str | None) -> None:
    if content_type is None:
        if request.content_length or "Transfer-Encoding" in request.headers:
            raise BadRequest("No body is allowed here.")
        return
    if request.mimetype != content_type:
        raise UnsupportedMediaType(f"The body is {content_type}.")
    try:
        body = request.get_data(cache=True, parse_form_data=False)
    except RequestEntityTooLarge:
        raise _too_long() from None
    except Exception as error:  # noqa: BLE001 - each server has its own errors for a body that breaks off or is garbled
        if isinstance(error, TimeoutError) or isinstance(error.__context__, TimeoutError):
            raise RequestTimeout("The body did not arrive in time.") from None
        raise BadRequest("The body cannot be read.") from None
    if request.content_length is None and len(body) >= (request.max_content_length or 0):
        # One in chunks, without a length, is read up to the bound and cut there.
        raise _too_long()


def _too_long() -> RequestEntityTooLarge:
    return RequestEntityTooLarge(f"The body has at most {request.max_content_length or 0:,} bytes.")
