"""Reading requests strictly, once for all routes: bounded bodies, one JSON reader, unknown fields refused.

1. A body has at most 4 MiB (a part of 20,000 rows has half of that) and is JSON by its content type.
2. Depth is bounded by the reader, which refuses lone surrogates, invalid UTF-8 and numbers that no integer field
   takes.
3. Query parameters that a route does not know are refused too.
"""

from __future__ import annotations

from typing import Any, NoReturn

import msgspec
from flask import Request, request
from marshmallow import RAISE, Schema, ValidationError
from webargs.flaskparser import FlaskParser
from werkzeug.exceptions import BadRequest, UnsupportedMediaType

from exchange.web.problems import InvalidFormError

MAX_BODY_BYTES = 4 * 1024 * 1024


def guard_body() -> None:
    """Read the body within its bounds. Raises RequestEntityTooLarge (werkzeug, by MAX_CONTENT_LENGTH),
    UnsupportedMediaType.
    """
    body = request.get_data(cache=True, parse_form_data=False)
    if request.method == "POST" and request.mimetype != "application/json":
        raise UnsupportedMediaType
    if request.method == "GET" and body:
        raise BadRequest
    if "%00" in request.environ.get("RAW_URI", "") or "\0" in request.path:
        raise BadRequest


def read_json(body: bytes) -> Any:
    """The value of a JSON body. Raises InvalidFormError."""
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        raise InvalidFormError({"body": ["JSON is wanted"]}) from None


def load_form(schema: Schema, value: Any) -> Any:
    """The value as the schema reads it. Raises InvalidFormError."""
    try:
        return schema.load(value, unknown=RAISE)
    except ValidationError as error:
        raise InvalidFormError(clean_errors(error.messages)) from None


def clean_errors(messages: Any) -> dict[str, Any]:
    """Messages without field names of the sender's: an unknown field's name is what it wrote, maybe a secret."""
    cleaned: dict[str, Any] = {}
    for name, found in (messages if isinstance(messages, dict) else {"body": messages}).items():
        if found == ["Unknown field."]:
            cleaned.setdefault("unknown", []).append("A field is not known here.")
        else:
            cleaned[str(name)] = clean_errors(found) if isinstance(found, dict) else found
    return cleaned


class StrictParser(FlaskParser):
    """webargs with our JSON reader and errors."""

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": RAISE, "json": RAISE}  # noqa: RUF012

    def load_json(self, req: Request, schema: Any) -> Any:
        """The body; an object is wanted."""
        value = read_json(req.get_data(cache=True))
        if not isinstance(value, dict):
            raise InvalidFormError({"body": ["an object is wanted"]})
        return value

    def load_querystring(self, req: Request, schema: Any) -> Any:
        """The query parameters, each at most once."""
        if any(len(values) > 1 for values in req.args.listvalues()):
            raise InvalidFormError({"query": ["a parameter comes twice"]})
        return super().load_querystring(req, schema)

    def handle_error(self, error: ValidationError, *_args: Any, **_rest: Any) -> NoReturn:
        """As an InvalidFormError."""
        raise InvalidFormError(clean_errors(error.messages)) from None
