"""A tap between the program `member` and the network: it writes down what the exchange's answers told, before the
program has them. What a killed member was told, it was told all the same.

Each note is a line of JSON: `act` says what was told, `at` when it was asked for and when it came (seconds).
"""

from __future__ import annotations

import base64
import json
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx

Note = dict[str, Any]
_Telling = Callable[[str, Any, Any], Note]
_ID = r"([0-9a-f-]{36})"
_TOLD = (200, 201)


def read_tap(path: Path) -> list[Note]:
    """The answers that a tap wrote down; the last line of a killed process may be cut, and is left out."""
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")
    return [json.loads(line) for line in lines[:-1]]


class Tap(httpx.BaseTransport):
    """The network, with what is told to the member written down first, and that it is about to take rows back."""

    def __init__(self, path: Path) -> None:
        self._network = httpx.HTTPTransport()
        self._path = path

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send, and write down an answer that tells something."""
        told = _find_telling(request.method, urlsplit(str(request.url)).path)
        if told is None:
            return self._network.handle_request(request)
        act, telling, object_id = told
        sent, sent_at = json.loads(request.content or b"null"), time.time()
        if act == "withdrawal":
            self._write({"act": "withdrawing", "at": [sent_at, sent_at], "withdrawal_id": sent["withdrawal_id"]})
        response = self._network.handle_request(request)
        if response.status_code not in _TOLD:
            return response
        body = response.read()
        note = telling(object_id, sent, json.loads(body))
        self._write({"act": act, "at": [sent_at, time.time()], **note})
        return httpx.Response(response.status_code, headers=response.headers, content=body)

    def close(self) -> None:
        """Close the connections."""
        self._network.close()

    def _write(self, note: Note) -> None:
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        try:
            os.write(descriptor, json.dumps(note).encode() + b"\n")
        finally:
            os.close(descriptor)


def _find_telling(method: str, path: str) -> tuple[str, _Telling, str] | None:
    """What an answer to that request tells, how it is read, and the id in its path."""
    for wanted, pattern, act, telling in _TELLING:
        found = re.fullmatch(pattern, path) if method == wanted else None
        if found:
            return act, telling, (found.groups() or ("",))[0]
    return None


def _submission(_: str, sent: Any, answer: Any) -> Note:
    receipt = json.loads(base64.b64decode(answer["receipt"]["payload"]))
    refused = {row["row"] for row in (*answer["rejected"], *answer["left_out"])}
    tokens = {number: row[0] for number, row in enumerate(sent["rows"]) if number not in refused}
    known = set(answer["duplicates"])
    return {
        "event_id": receipt["event_id"],
        "entry": receipt["entry"],
        "tokens": list(tokens.values()),
        "accepted": [token for number, token in tokens.items() if number not in known],
        "submission_id": answer["submission_id"],
        "hits": answer["hits"],
    }


def _hits(_: str, __: Any, answer: Any) -> Note:
    return {"event_id": answer["event_id"], "hits": answer["hits"]}


def _request(_: str, sent: Any, answer: Any) -> Note:
    return {"object_id": answer["request_id"], "hit_id": sent["hit_id"]}


def _reading(object_id: str, _: Any, answer: Any) -> Note:
    return {"object_id": object_id, "event_id": answer["event_id"]}


def _take_up(request_id: str, _: Any, answer: Any) -> Note:
    return {"object_id": request_id, "event_id": answer["event_id"], "token": answer["token"]}


def _request_reading(request_id: str, _: Any, answer: Any) -> Note:
    """A requester reads whose answers there are; a holder its own."""
    given = answer["answers"] if answer["direction"] == "outgoing" else []
    named = [[each["institution"], each["outcome"]] for each in given if each["institution"]]
    return {"object_id": request_id, "event_id": answer["event_id"], "answers": named}


def _answer(request_id: str, sent: Any, _: Any) -> Note:
    return {"object_id": request_id, "outcome": sent["outcome"]}


def _query(_: str, __: Any, answer: Any) -> Note:
    return {"object_id": answer["query_id"]}


def _query_reading(query_id: str, _: Any, answer: Any) -> Note:
    hits = [result["token"] for result in answer["results"] or () if result["hit"]]
    return {"object_id": query_id, "event_id": answer["event_id"], "state": answer["state"], "hit_tokens": hits}


def _withdrawal(_: str, sent: Any, answer: Any) -> Note:
    told = {"object_id": answer["withdrawal_id"], "event_id": answer["event_id"], "rows": answer["withdrawn"]}
    return {**told, "tokens": sent["tokens"], "submission_id": sent["submission_id"]}


def _acknowledgement(correction_id: str, _: Any, __: Any) -> Note:
    return {"object_id": correction_id}


_TELLING: tuple[tuple[str, str, str, _Telling], ...] = (
    ("POST", "/v1/submissions", "submission", _submission),
    ("GET", "/v1/hits", "hits", _hits),
    ("POST", "/v1/requests", "request", _request),
    ("GET", "/v1/requests", "reading", _reading),
    ("GET", f"/v1/requests/{_ID}", "request_reading", _request_reading),
    ("POST", f"/v1/requests/{_ID}/take-up", "take_up", _take_up),
    ("POST", f"/v1/requests/{_ID}/answer", "answer", _answer),
    ("POST", "/v1/queries", "query", _query),
    ("GET", "/v1/queries", "reading", _reading),
    ("GET", f"/v1/queries/{_ID}", "query_reading", _query_reading),
    ("POST", f"/v1/queries/{_ID}/approve", "query_reading", _query_reading),
    ("POST", "/v1/withdrawals", "withdrawal", _withdrawal),
    ("GET", "/v1/corrections", "reading", _reading),
    ("GET", f"/v1/corrections/{_ID}", "reading", _reading),
    ("POST", f"/v1/corrections/{_ID}/acknowledgement", "acknowledgement", _acknowledgement),
)
