"""Reading forms strictly, once for all routes, after the guard (edge.guard): unknown fields are refused, in bodies
and queries, and what is wrong is reported by field without quoting it.
"""

from __future__ import annotations

from typing import Any, NoReturn

from flask import Request
from marshmallow import RAISE, Schema, ValidationError
from webargs.flaskparser import FlaskParser

from edge import guard
from exchange.web.problems import InvalidFormError

MAX_BODY_BYTES = 4 * 1024 * 1024
"""A part of 20,000 rows has half of that."""
MAX_OPEN_BODY_BYTES = 256 * 1024
"""Of what anyone may send: the claim of a member with 64 representatives has half of that."""


def read_json(body: bytes) -> Any:
    """The value of a JSON body. Raises InvalidFormError."""
    try:
        return guard.read_json(body)
    except guard.NotJsonError as error:
        raise InvalidFormError({"body": [str(error)]}) from None


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
            cleaned["unknown"] = ["A field is not known here."]
        else:
            cleaned[str(name)] = clean_errors(found) if isinstance(found, dict) else found
    return cleaned


class StrictParser(FlaskParser):
    """webargs with our JSON reader and errors."""

    DEFAULT_UNKNOWN_BY_LOCATION = {**FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION, "query": RAISE, "json": RAISE}  # noqa: RUF012

    def load_json(self, req: Request, schema: Any) -> Any:
        """The body, which must be an object."""
        value = read_json(req.get_data(cache=True))
        if not isinstance(value, dict):
            raise InvalidFormError({"body": ["expected an object"]})
        return value

    def handle_error(self, error: ValidationError, *_args: Any, **_rest: Any) -> NoReturn:
        """As an InvalidFormError."""
        raise InvalidFormError(clean_errors(error.messages)) from None
