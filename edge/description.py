"""Completing the OpenAPI 3.1 document of a service: what its routes share is written here once.

flask-smorest describes what is a route's own (fields, forms, answers); every route also has what the server, the guard
and the access rules give it: the headers of a signed request, and the problems that it may be answered with. A status
that stands in no description is a defect: the property-based run of both documents looks for one.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Collection, Mapping
from functools import lru_cache
from http import HTTPStatus
from typing import Any, TypedDict

from schemas.problems import MEDIA_TYPE, TYPE_PREFIX

PATH = "/openapi.json"
_SCHEME = "HTTPMessageSignature"
_SIGNATURE = {
    "type": "apiKey",
    "in": "header",
    "name": "Signature",
    "description": "HTTP message signature (RFC 9421) by an enrolled Ed25519 key; good once, for 60 seconds",
}
_TOKEN_SCHEMES = {
    "FeedTokenBearer": {"type": "http", "scheme": "bearer", "description": "A feed token of a member's"},
    "FeedTokenBasic": {
        "type": "http",
        "scheme": "basic",
        "description": "A feed token of a member's as the password; the name may be any",
    },
}


class Header(TypedDict, total=False):
    """A header of an answer."""

    schema: Mapping[str, object]
    description: str
    required: bool


class OpenApiResponse(TypedDict, total=False):
    """What is answered under one status, or a reference to it."""

    description: str
    headers: Mapping[str, Header]
    content: Mapping[str, object]


Parameter = TypedDict(
    "Parameter", {"in": str, "name": str, "required": bool, "schema": Mapping[str, object], "description": str}
)
"""A header, or a part of the path or query."""


class Operation(TypedDict, total=False):
    """What one method of a path does. Its keys are OpenAPI's."""

    summary: str
    parameters: list[Parameter]
    requestBody: Mapping[str, object]
    responses: dict[str, Any]
    security: list[dict[str, list[str]]]


class OpenApiDocument(TypedDict, total=False):
    """The parts of an OpenAPI document that are completed here."""

    paths: dict[str, dict[str, Operation]]
    components: dict[str, dict[str, object]]


_VARIABLE = re.compile(r"<(?:[a-z]+:)?([a-z_]+)>", re.ASCII)
_METHODS = ("get", "put", "post", "delete", "patch")

# Before any route: no HTTP, or not as it is taken here.
_ALWAYS = (400, 405, 408, 414, 417, 431)
_WITH_BODY = (413, 415, 422)
_AUTHENTICATED = (401, 403, 429, 503)

_DESCRIPTIONS = {
    400: "The request cannot be read: broken HTTP, a body where none is allowed, a NUL, a field given twice",
    401: "Not signed per RFC 9421 by a key known here, too old, or a repetition; or without a feed token that counts",
    403: "Suspended, revoked, or without the role that this requires; or a rule refuses it",
    405: "The path takes other methods; `Allow` names them",
    408: "The request did not arrive in time",
    413: "The body is too long",
    415: "The body has another content type",
    417: "An expectation that is not met here",
    422: "Fields that are unknown or have the wrong form; `errors` names them",
    429: "Too many requests, or a budget that does not reach; `Retry-After` says when to come back",
    431: "The header fields are too large",
    503: "Not possible at present; nothing was done",
}
_RETRY: dict[str, Header] = {"Retry-After": {"schema": {"type": "integer", "minimum": 1}, "description": "Seconds"}}
_HEADERS: dict[int, dict[str, Header]] = {
    405: {"Allow": {"schema": {"type": "string"}}},
    429: _RETRY,
    503: _RETRY,
}
_REQUIRED_HEADERS = (405, 429)
_PROBLEM = {
    "type": "object",
    "description": "Problem details (RFC 9457)",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "pattern": f"^{TYPE_PREFIX}[a-z0-9_-]+$"},
        "title": {"type": "string"},
        "status": {"type": "integer", "minimum": 400, "maximum": 599},
        "detail": {"type": "string"},
        "errors": {"type": "object", "description": "What is wrong, by field"},
    },
}
_SIGNATURE_HEADERS = {
    "Signature-Input": 'RFC 9421: label `sig1`, covering "@method" "@target-uri" "content-digest" and on a POST'
    ' "idempotency-key"; parameters created, keyid, nonce',
    "Content-Digest": "RFC 9530: SHA-256 of the body, also of an empty one",
}


@lru_cache(maxsize=1024)
def path_of(rule: str) -> str:
    """A rule of Flask's as OpenAPI writes the path: `/log/tile/<path:path>` is `/log/tile/{path}`."""
    return _VARIABLE.sub(r"{\1}", rule)


def complete_description(
    document: Mapping[str, Any],
    *,
    signed: Collection[str],
    limited: Collection[str] = (),
    token_shown: Collection[str] = (),
) -> OpenApiDocument:
    """The document of a service, complete. Given are the routes, such as `GET /v1/hits`, whose requests are signed,
    those whose requests show a feed token, and those of the others whose requests are limited in number.
    """
    completed: OpenApiDocument = _with_portable_patterns(copy.deepcopy(dict(document)))
    completed["paths"][PATH] = {"get": _describe_itself()}
    used: set[int] = set()
    for path, item in completed["paths"].items():
        for method in set(item) & set(_METHODS):
            route = f"{method.upper()} {path}"
            is_limited = route in map(path_of, limited)
            if route in map(path_of, signed):
                _describe_signature(item[method])
            elif route in map(path_of, token_shown):
                item[method]["security"] = [{name: []} for name in _TOKEN_SCHEMES]
            used |= _complete(item[method], is_limited=is_limited)
    components = completed.setdefault("components", {})
    schemas = components.setdefault("schemas", {})
    for name in ("Error", "PaginationMetadata", "ProblemDocument"):  # what stands for them is put below
        schemas.pop(name, None)
    schemas["Problem"] = _PROBLEM
    components["responses"] = {f"Problem{status}": _describe_problem(status) for status in sorted(used)}
    components["securitySchemes"] = {_SCHEME: _SIGNATURE, **(_TOKEN_SCHEMES if token_shown else {})}
    return completed


def _describe_signature(operation: Operation) -> None:
    operation["security"] = [{_SCHEME: []}]
    operation.setdefault("parameters", []).extend(_header(name, text) for name, text in _SIGNATURE_HEADERS.items())


def _complete(operation: Operation, *, is_limited: bool) -> set[int]:
    """Give an operation what all such have; the statuses of the problems that it now refers to."""
    operation.setdefault("parameters", [])
    statuses = set(_ALWAYS)
    if "requestBody" in operation:
        statuses |= set(_WITH_BODY)
    # A field that is not known is refused everywhere.
    statuses.add(422)
    if "security" in operation:
        statuses |= set(_AUTHENTICATED)
    if is_limited:
        statuses.add(429)
    responses = operation["responses"]
    responses.pop("default", None)
    problems = {int(status) for status, answer in responses.items() if MEDIA_TYPE in answer.get("content", {})}
    statuses |= problems
    responses |= {str(status): {"$ref": f"#/components/responses/Problem{status}"} for status in sorted(statuses)}
    operation["responses"] = dict(sorted(responses.items()))
    return statuses


def _header(name: str, description: str) -> Parameter:
    return {"in": "header", "name": name, "required": True, "schema": {"type": "string"}, "description": description}


def _describe_problem(status: int) -> OpenApiResponse:
    headers: dict[str, Header] = {
        name: {**header, "required": status in _REQUIRED_HEADERS} for name, header in _HEADERS.get(status, {}).items()
    }
    return {
        "description": _DESCRIPTIONS.get(status, HTTPStatus(status).phrase),
        **({"headers": headers} if headers else {}),
        "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}},
    }


def _describe_itself() -> Operation:
    document = {"application/json": {"schema": {"type": "object"}}}
    return {
        "summary": "This document",
        "responses": {"200": {"description": "OpenAPI 3.1", "content": document}},
    }


def _with_portable_patterns(value: Any) -> Any:
    """Patterns as JSON Schema has them (ECMA-262): marshmallow's match from the start and end in `\\Z`."""
    if isinstance(value, list):
        return [_with_portable_patterns(one) for one in value]
    if not isinstance(value, dict):
        return value
    found = {name: _with_portable_patterns(one) for name, one in value.items()}
    pattern = found.get("pattern")
    if isinstance(pattern, str) and pattern.endswith(r"\Z"):
        found["pattern"] = f"^{pattern.removeprefix('^').removesuffix(chr(92) + 'Z')}$"
    return found
