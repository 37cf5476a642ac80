"""What a request may list has an end, and a list beyond it costs nobody's time: none of its items is looked at."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from werkzeug.test import TestResponse

from exchange.web.access import RULES, Caller
from exchange.web.forms import MAX_BODY_BYTES
from keys.signatures.messages import new_nonce
from tests.taskforce.founding import URL, Taskforce

NewTaskforce = Callable[..., Taskforce]
MANY = 20_001
"""More than any list may have, rows of a submission too."""
LARGEST_ANSWER = 10_000


def _lists(schema: dict[str, Any], schemas: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The fields of a form that are lists, at whatever depth."""
    if "$ref" in schema:
        yield from _lists(schemas[schema["$ref"].rpartition("/")[2]], schemas)
    for name, field in schema.get("properties", {}).items():
        kinds = field.get("type", ())
        if "array" in ([kinds] if isinstance(kinds, str) else kinds):
            yield name, field
            yield from _lists(field["items"], schemas)
        for part in (field, *field.get("anyOf", ()), *field.get("allOf", ())):
            if "$ref" in part:
                yield from _lists(part, schemas)


def _bodies(taskforce: Taskforce) -> Iterator[tuple[str, str, dict[str, Any]]]:
    """Route, field and its description of every list that a POST takes."""
    document = taskforce.app.test_client().get("/openapi.json", base_url=URL).get_json()
    for path, item in document["paths"].items():
        for content in item.get("post", {}).get("requestBody", {}).get("content", {}).values():
            for name, field in _lists(content["schema"], document["components"]["schemas"]):
                yield f"POST {path}", name, field


def _post(taskforce: Taskforce, path: str, body: bytes) -> TestResponse:
    headers = {"Content-Type": "application/json", "Idempotency-Key": new_nonce()}
    answer: TestResponse = taskforce.app.test_client().post(path, base_url=URL, data=body, headers=headers)
    return answer


def test_every_list_of_a_form_is_bounded_in_the_description(new_taskforce: NewTaskforce) -> None:
    found = {(route, name): field for route, name, field in _bodies(new_taskforce("a"))}
    assert {("POST /v1/enrolments", "representatives"), ("POST /v1/queries", "tokens")} <= found.keys()
    assert {place for place, field in found.items() if "maxItems" not in field} == set()


def test_a_list_without_end_is_refused_as_a_whole(new_taskforce: NewTaskforce) -> None:
    taskforce = new_taskforce("a")
    member = taskforce.members["a"]
    tried = 0
    for route, name, _ in _bodies(taskforce):
        path = route.removeprefix("POST ")
        if "{" in path or Caller.REGISTRAR in RULES[route].callers:
            continue
        body = json.dumps({name: [0] * MANY}).encode()
        is_open = Caller.ANYONE in RULES[route].callers
        answer = _post(taskforce, path, body) if is_open else member.send("POST", path, body=body)
        assert answer.status_code in {403, 422}, (route, name)
        assert len(answer.data) < LARGEST_ANSWER, (route, name)
        tried += 1
    assert tried > 5


def test_a_list_within_another_is_refused_as_a_whole(new_taskforce: NewTaskforce) -> None:
    body = json.dumps({"representatives": [{"roles": [0] * MANY}]}).encode()
    answer = _post(new_taskforce("a"), "/v1/enrolments", body)
    assert (answer.status_code, len(answer.data) < LARGEST_ANSWER) == (422, True)
    assert "roles" in answer.get_json()["errors"]["json"]["representatives"]["0"]


def test_unknown_fields_are_told_once(new_taskforce: NewTaskforce) -> None:
    body = json.dumps({f"field{number}": 0 for number in range(2_000)}).encode()
    answer = _post(new_taskforce("a"), "/v1/enrolments", body)
    assert (answer.status_code, len(answer.data) < LARGEST_ANSWER) == (422, True)
    assert answer.get_json()["errors"]["json"]["unknown"] == ["A field is not known here."]


@pytest.mark.parametrize("size", [MAX_BODY_BYTES // 8, MAX_BODY_BYTES])
def test_what_strangers_send_is_short(new_taskforce: NewTaskforce, size: int) -> None:
    body = b'{"code":"' + b"A" * (size - 11) + b'"}'
    answer = _post(new_taskforce("a"), "/v1/enrolments", body)
    assert (answer.status_code, answer.get_json()["title"]) == (413, "Request Entity Too Large")
