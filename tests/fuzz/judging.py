"""Whether an answer is one that the OpenAPI document declares: its status, its content type, its form."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from jsonschema import Draft202012Validator

from schemas.problems import MEDIA_TYPE
from tests.fuzz.making import METHODS, Request

# What the server says before any route is known.
_VARIABLES = {"{path}": "[^/].*"}
_BEFORE_ROUTING = frozenset({400, 408, 414, 417, 431})


@dataclass(frozen=True)
class Answer:
    """An answer as received."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    will_close: bool


class Judge:
    """Judges the answers of one service."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self._document = document
        self._paths = [(_pattern(path), item) for path, item in document["paths"].items()]
        self._validators: dict[str, Draft202012Validator] = {}

    def faults(self, request: Request, answer: Answer) -> list[str]:
        """What is wrong with an answer; nothing for a good one."""
        if answer.status >= 500:
            return [f"server error {answer.status}"]
        item = self._find(request.target)
        method = "get" if request.method == "HEAD" else request.method.lower()
        operation = item.get(method) if item is not None and method in METHODS else None
        if operation is None:
            allowed = _BEFORE_ROUTING | {404 if item is None else 405}
            found = [] if answer.status in allowed else [f"undeclared status {answer.status}"]
            return found + self._problem_faults(request, answer)
        described = operation["responses"].get(str(answer.status))
        if described is None:
            return [f"undeclared status {answer.status}"]
        if "$ref" in described:
            described = self._document["components"]["responses"][described["$ref"].rsplit("/", 1)[1]]
        return self._form_faults(request, answer, described) + self._problem_faults(request, answer)

    def _find(self, target: str) -> Mapping[str, Any] | None:
        path = unquote(target.partition("?")[0], errors="replace")
        return next((item for pattern, item in self._paths if pattern.fullmatch(path)), None)

    def _form_faults(self, request: Request, answer: Answer, described: Mapping[str, Any]) -> list[str]:
        content = described.get("content", {})
        kind = answer.headers.get("content-type", "").partition(";")[0]
        if answer.status == 304:
            return [] if not content and not answer.body else ["a 304 with content"]
        if kind not in content:
            return [f"undeclared content type {kind!r} of {answer.status}"]
        missing = [
            f"{answer.status} without {name}"
            for name, header in described.get("headers", {}).items()
            if header.get("required") and name.lower() not in answer.headers
        ]
        schema = content[kind].get("schema")
        if schema is None or request.method == "HEAD" or not kind.endswith("json"):
            return missing
        return missing + self._schema_faults(schema, answer.body)

    def _schema_faults(self, schema: Mapping[str, Any], body: bytes) -> list[str]:
        key = json.dumps(schema, sort_keys=True)
        validator = self._validators.get(key)
        if validator is None:
            validator = Draft202012Validator({**schema, "components": self._document["components"]})
            self._validators[key] = validator
        try:
            value = json.loads(body)
        except ValueError:
            return ["a body that is not JSON"]
        return [f"a body of another form: {error.message[:200]}" for error in validator.iter_errors(value)]

    @staticmethod
    def _problem_faults(request: Request, answer: Answer) -> list[str]:
        """Of a refusal: it is a problem document that agrees with its status (RFC 9457)."""
        if answer.status < 400 or request.method == "HEAD":
            return []
        if answer.headers.get("content-type") != MEDIA_TYPE:
            return [f"a refusal as {answer.headers.get('content-type')!r}"]
        try:
            document = json.loads(answer.body)
            is_right = document["status"] == answer.status and bool(document["title"]) and bool(document["detail"])
        except (ValueError, KeyError, TypeError):
            is_right = False
        return [] if is_right else ["a problem document that is malformed"]


def _pattern(path: str) -> re.Pattern[str]:
    """What a path template of the document matches. The variable `path` takes strokes too, but no stroke first and no
    line break after that, as the route does; the others take no stroke.
    """
    parts = re.split(r"(\{[a-z_]+\})", path)
    return re.compile("".join(_VARIABLES.get(part, "[^/]+") if part[:1] == "{" else re.escape(part) for part in parts))
