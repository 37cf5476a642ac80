"""What banks are shown, and whether two runs of the same story show them the same.

A bank is shown what its own program prints (`member hits`, `request list` …), and what lies under it: every document of
the exchange that it may read, with status, headers and length, over the same signed requests, and the feeds.

Two runs are two sandboxes with keys of their own. Masked, in place and by a mark, is therefore what is random or a time
by itself: ids (UUID), times, hashes, tokens, keys and signatures (base64 and hex; their length is kept), the sandbox's
folder and ports. Three things more, and why:
- the size of the log's tree, its root and an entry's index: the tree holds a salted hash of each party's entry, so that
  everyone sees how many there are. That agencies work at all makes it larger; whose work, about whom, is not to be seen
  in it. A bank's own entries, their running numbers and what they say are compared.
- how many evaluations a key holder has counted: a member deals its rows into bins at random, and each that is not empty
  is one more. Key holders know of the member's asking alone.
- the order within lists that come in the order of random ids or tokens, hits and entries of one tick: they are sorted.
Nothing else is masked: counts, bands, kinds and order of notices, corrections, requests and headers are held
against each other as they are.
"""

from __future__ import annotations

import base64
import difflib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from member.commands.shared.passphrases import unlock_representative
from member.commands.shared.session import default_environment
from member.errors import RefusedError
from member.identity.home import Home
from member.transport.channel import Channel
from tests.sandbox_process import RunningSandbox

Seen = dict[str, list[str]]
"""By what was asked, what was shown, line by line."""

GROUP = "taskforce"
_MASKS = (
    (re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"), "<id>"),
    (re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|\+00:00)"), "<time>"),
    (re.compile(r"[0-9]{1,2} [A-Z][a-z]+ [0-9]{4}, [0-9]{2}:[0-9]{2} UTC"), "<time>"),
    (re.compile(r'(?<="timestamp": ")[0-9]{10}(?=")'), "<time>"),
    (re.compile(r"[0-9]{4,6}-[A-Z][A-Z0-9_-]*"), "<reference>"),
    (re.compile(r"127\.0\.0\.1:[0-9]+"), "<host>"),
)
_RANDOM = re.compile(
    r"(?<![\w/+-])([0-9a-f]{64}|[A-Za-z0-9+/]{43}=|[A-Za-z0-9+/]{44}|[A-Za-z0-9+/]{86,}={0,2})(?![\w/+=])"
)
_PLACE = re.compile(r'"(index|size|tree_size|used|remaining)": [0-9]+')
_OF_ANOTHER_MOMENT = frozenset({"date", "last-modified", "x-request-id", "content-length"})
"""Headers: times, the second of which is left out while a feed is younger than a minute, and an id; the length is taken
of the masked body, since numbers that are masked have more or fewer digits.
"""
_BY_RANDOM_IDS = frozenset({"hits", "entries"})
_TARGETS = (
    *("/log/entries", "/log/checkpoint", "/v1/status", "/v1/notices", "/v1/hits", "/v1/requests", "/v1/corrections"),
    *("/v1/outcomes", "/v1/outcomes/received", "/v1/queries", "/v1/alerts"),
)
"""The log's first: reading some of the others writes an entry, which is in the log a tick later."""

_CURSORS = {"/v1/hits": "cursor", "/log/entries": "after"}
_COMMANDS = (
    ("log", "entries"),
    ("status",),
    ("hits",),
    ("request", "list"),
    ("corrections", "list", "--all"),
    ("outcome", "list"),
    ("outcome", "list", "--received"),
)
"""The first waits for entries that have no place in the log yet."""

_FEEDS = (f"/feeds/{GROUP}.atom", f"/feeds/{GROUP}.json", f"/feeds/misp/{GROUP}/manifest.json")


def masked(text: str, folder: Path) -> str:
    """A text without what differs between any two runs."""
    text = text.replace(str(folder), "<folder>")
    for pattern, mark in _MASKS:
        text = pattern.sub(mark, text)
    text = _RANDOM.sub(lambda match: f"<{len(match[0])} random signs>", text)
    return _PLACE.sub(lambda match: f'"{match[1]}": 0', text)


def _in_order(document: Any, folder: Path) -> Any:
    """Lists in the order of random ids are put into the order of what else they say."""
    if isinstance(document, list):
        return [_in_order(item, folder) for item in document]
    if not isinstance(document, dict):
        return document
    ordered = {name: _in_order(value, folder) for name, value in document.items()}
    for name in _BY_RANDOM_IDS & ordered.keys():
        if isinstance(ordered[name], list):
            ordered[name].sort(key=lambda item: masked(json.dumps(_unnumbered(item), sort_keys=True), folder))
    return ordered


def _unnumbered(item: Any) -> Any:
    return {name: value for name, value in item.items() if name != "number"} if isinstance(item, dict) else item


def _numbers_apart(document: Any) -> Any:
    """The entries' numbers as a list of their own: within a tick they are dealt at random."""
    if not isinstance(document, dict) or not isinstance(document.get("entries"), list):
        return document
    numbers = sorted(entry["number"] for entry in document["entries"])
    entries = [_opened(_unnumbered(entry)) for entry in document["entries"]]
    return {**document, "entries": entries, "numbers": numbers}


def _opened(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry with its view as it reads; on the wire it is base64 of canonical JSON."""
    view = entry.get("view")
    return {**entry, "view": json.loads(base64.b64decode(view))} if isinstance(view, str) else entry


def lines_of(document: Any, folder: Path) -> list[str]:
    """A JSON document, masked, line by line, with its length in signs."""
    ordered = _in_order(_numbers_apart(document), folder)
    text = masked(json.dumps(ordered, indent=1, sort_keys=True), folder)
    return [f"{len(text)} signs", *text.splitlines()]


class Look:
    """A look at everything that some banks are shown now."""

    def __init__(self, sandbox: RunningSandbox) -> None:
        self._sandbox = sandbox
        self._folder = sandbox.folder
        self._url: str = sandbox.description["exchange_url"]

    def lines(self, document: Any) -> list[str]:
        """A document that a program printed, masked."""
        return lines_of(document, self._folder)

    def printed(self, bank: str) -> Seen:
        """What the bank's own program prints."""
        seen: Seen = {}
        for command in _COMMANDS:
            done = self._sandbox.member(bank, *command)
            seen[f"{bank}: member {' '.join(command)}"] = [str(done.status), *self.lines(done.document)]
        return seen

    def answered(self, bank: str, *more: str) -> Seen:
        """What the exchange answers the bank, and its feed readers; `more` are further targets."""
        home = Home.open(Path(self._sandbox.home(bank)))
        identity = unlock_representative(home, "analyst").identity
        channel = Channel(self._url, identity, default_environment())
        try:
            targets = {f"{bank}: GET {masked(target, self._folder)}": target for target in (*_TARGETS, *more)}
            seen = {asked: self._get(channel, target) for asked, target in targets.items()}
        finally:
            channel.close()
        return {**seen, **dict(self._feeds(bank))}

    def _get(self, channel: Channel, target: str) -> list[str]:
        """The answer, to its last page: pages are cut where random ids happen to lie."""
        try:
            answer = channel.get(target)
            document = _read_json(answer.headers, answer.body)
            while document is not None and document.get("next") is not None:
                more = json.loads(channel.get(target, {_CURSORS[target]: document["next"]}).body)
                joined = {name: [*value, *more[name]] for name, value in document.items() if isinstance(value, list)}
                document = more | joined
        except RefusedError as refused:
            return [f"refused: {masked(str(refused), self._folder)}"]
        body = self._body(answer.headers, answer.body) if document is None else lines_of(document, self._folder)
        return [str(answer.status), *self._headers(answer.headers), *body]

    def _feeds(self, bank: str) -> Iterator[tuple[str, list[str]]]:
        description = self._sandbox.description
        token = description["members"][bank]["feed_token"]
        headers = {"Authorization": f"Bearer {token}"}
        taxii = {**headers, "Accept": "application/taxii+json;version=2.1"}
        with httpx.Client(base_url=self._url, trust_env=False, timeout=60) as client:
            for target in _FEEDS:
                yield f"{bank}: GET {target}", self._read(client.get(target, headers=headers))
            for name, collection in sorted(description["taxii"]["collections"].items()):
                target = f"/taxii2/api/collections/{collection}/objects/"
                yield f"{bank}: TAXII {name}", self._read(client.get(target, headers=taxii))

    def _read(self, answer: httpx.Response) -> list[str]:
        return [str(answer.status_code), *self._headers(answer.headers), *self._body(answer.headers, answer.content)]

    def _headers(self, headers: httpx.Headers) -> list[str]:
        shown = {name: value for name, value in headers.items() if name not in _OF_ANOTHER_MOMENT}
        if "etag" in shown:
            shown["etag"] = f"{len(shown['etag'])} signs"
        return [f"{name}: {masked(value, self._folder)}" for name, value in sorted(shown.items())]

    def _body(self, headers: httpx.Headers, body: bytes) -> list[str]:
        document = _read_json(headers, body)
        if document is not None:
            return lines_of(document, self._folder)
        if headers.get("content-type", "").startswith("text/plain"):
            return masked(body.decode(), self._folder).splitlines()[
                :1
            ]  # a checkpoint: its origin; size, root and signature are masked
        text = masked(body.decode(), self._folder)
        return [f"{len(text)} signs", *text.splitlines()]


def _read_json(headers: httpx.Headers, body: bytes) -> dict[str, Any] | None:
    return dict(json.loads(body)) if "json" in headers.get("content-type", "") else None


def differences(one: Seen, other: Seen) -> dict[str, list[str]]:
    """By what was asked, the lines in which two runs differ; what one run alone asked differs too."""
    found = {}
    for asked in sorted(one.keys() | other.keys()):
        lines = list(difflib.unified_diff(one.get(asked, []), other.get(asked, []), lineterm="", n=1))
        if lines:
            found[asked] = lines[2:12]
    return found
