"""An exchange that lies: what it answers is changed on its way to the member program, or noted as it is."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from wsgiref.types import StartResponse, WSGIEnvironment

import msgspec

from schemas.requests.messages import WholeRequest
from tests.taskforce.homes import EXCHANGE_URL, MemberHomes


@contextmanager
def answers_changed(
    taskforce: MemberHomes, changes: Mapping[str, object], path: str = "/v1/req", *, where: str = "", unless: str = ""
) -> Iterator[None]:
    """While it lasts, what the exchange answers under a path is merged with changes: where the field `where` has a
    value, if one is named, and the field `unless` has none.
    """

    def change(body: bytes) -> bytes:
        document = json.loads(body)
        is_left = (where and not document.get(where)) or (unless and document.get(unless))
        return body if is_left else json.dumps(merged(document, changes)).encode()

    with _rewritten(taskforce, path, change):
        yield


def merged(value: object, changes: object) -> object:
    """An object, or each object of a list, with the fields that the changes name, each merged in turn: what is no
    object is replaced. `null` is a value, unlike in a JSON Merge Patch (RFC 7396).
    """
    if not isinstance(changes, Mapping):
        return changes
    if isinstance(value, list):
        return [merged(one, changes) for one in value]
    if isinstance(value, dict):
        return {**value, **{name: merged(value.get(name), changed) for name, changed in changes.items()}}
    return value


@contextmanager
def requests_noted(taskforce: MemberHomes) -> Iterator[list[WholeRequest]]:
    """While it lasts, whole requests that the exchange answers are noted."""
    seen: list[WholeRequest] = []

    def note(body: bytes) -> bytes:
        if "terms" in json.loads(body):
            seen.append(msgspec.json.decode(body, type=WholeRequest))
        return body

    with _rewritten(taskforce, "/v1/requests/", note):
        yield seen


@contextmanager
def _rewritten(taskforce: MemberHomes, path: str, rewrite: Callable[[bytes], bytes]) -> Iterator[None]:
    honest = taskforce.applications[EXCHANGE_URL]

    def altered(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        def start(status: str, headers: list[tuple[str, str]], *rest: object) -> Callable[[bytes], object]:
            return start_response(status, [each for each in headers if each[0].lower() != "content-length"])

        body = b"".join(honest(environ, start))
        return [rewrite(body) if environ["PATH_INFO"].startswith(path) else body]

    taskforce.applications[EXCHANGE_URL] = altered
    try:
        yield
    finally:
        taskforce.applications[EXCHANGE_URL] = honest
