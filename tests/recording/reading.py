"""Reads a recording as items that can be compared: requests with their answers, commands, entries of the log."""

from __future__ import annotations

import base64
import io
import json
import re
import shlex
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from pypdf import PdfReader

from tests.recording.masking import Masking, said_lines
from tests.recording.playing import STORIES

_KEY_ID = re.compile(r'keyid="([^"]*)"')
_SENT_HEADERS = ("accept", "content-type", "idempotency-key", "authorization")
_OWN_HEADERS = frozenset({"date", "content-length", "server", "connection"})
"""Of answers: those that the server adds, or that follow from the body."""
_ANY_HEADER = frozenset({"x-request-id", "etag", "last-modified"})
_ANY_QUERY = frozenset({"after", "cursor", "quorum", "batch", "added_after", "next"})
"""Where a page begins, and which key holders are asked."""
_BY_THE_CLOCK = frozenset({"day_head"})
"""Kinds of entries that are made at hours of the day, whatever anybody does."""
_POLLED = "corrections"
"""What the tour asks for again until it is there: how often it was not there yet is left out."""
_READING = ("read", "listed", "told")
"""How the kinds of entries end that tell that something was read: their number depends on who waited how often."""


@dataclass(frozen=True)
class Item:
    """Something that passed: what it is (`key`), what it holds, masked, and the sentences in it. How often it passed is
    compared where `is_counted`; a question may be repeated. What `may_lack` is compared where both recordings have it.
    """

    key: str
    document: Any
    prose: tuple[tuple[str, str], ...] = ()
    is_counted: bool = True
    may_lack: bool = False

    @property
    def text(self) -> str:
        """The document as JSON, by which two items are the same."""
        return json.dumps(self.document, sort_keys=True, ensure_ascii=False)


def read_recording(folder: Path) -> list[Item]:
    """All items of a recording, in no order."""
    day = date.fromisoformat(json.loads((folder / "recording.json").read_text())["day"])
    items: list[Item] = []
    for story in STORIES:
        for path in sorted((folder / story).glob("*.jsonl")):
            for line in path.read_text(encoding="utf-8").splitlines():
                record = json.loads(line)
                read = read_request if record["record"] == "request" else read_command
                items.extend(parts_of(read(record, story, day)))
        items.extend(read_log(folder / story / "exchange.db", story, day))
    return [item for item in items if not _was_not_there_yet(item)]


def parts_of(item: Item) -> Iterator[Item]:
    """An item, and each entry of the log that it shows as one of its own: which are there at a moment differs from run
    to run, and each of them is compared with the log.
    """
    for name in ("answer", "printed"):
        shown = item.document.get(name)
        for listed in ("entries", "waiting", "notices"):
            if isinstance(shown, dict) and isinstance(shown.get(listed), list):
                for entry in shown[listed]:
                    yield Item(f"{item.key}: {listed}: {kind_of(entry)}", entry, is_counted=False, may_lack=True)
                shown[listed] = "<list>"
        if isinstance(shown, dict) and isinstance(shown.get("pending"), list):
            shown["pending"] = "<list>"
    yield item


def kind_of(entry: dict[str, Any]) -> str:
    """Of what kind an entry of a list is."""
    view = entry.get("view")
    inside = view.get("decoded", view) if isinstance(view, dict) else entry
    return str(inside.get("kind", "")) if isinstance(inside, dict) else ""


def read_request(record: dict[str, Any], story: str, day: date) -> Item:
    """A request and its answer; of a key holder how often is not compared: a member may ask any t of them."""
    masking = Masking(day)
    headers = record["headers"]
    asker = _KEY_ID.search(headers.get("signature-input", ""))
    path = re.sub(r"/log/tile/.*", "/log/tile/<tile>", masking.text(record["path"]))
    key = f"{story}: {record['service']}: {record['method']} {path} by {asker[1] if asker else 'nobody'}"
    types = {name.lower(): value for name, value in record["answer_headers"]}
    document = {
        "query": {
            name: "<any>" if name in _ANY_QUERY else masking.text(value)
            for name, value in parse_qsl(record["query"], keep_blank_values=True)
        },
        "headers": {name: masking.text(headers[name]) for name in _SENT_HEADERS if name in headers},
        "body": body_of(masking, record["body"], headers.get("content-type", ""), "body"),
        "status": record["status"],
        "answer headers": {
            name: "<any>" if name in _ANY_HEADER else masking.text(value)
            for name, value in sorted(types.items())
            if name not in _OWN_HEADERS
        },
        "answer": body_of(masking, record["answer"], types.get("content-type", ""), "answer"),
    }
    if "<tile>" in path:
        document["answer"] = "<tile>"
    counted = record["service"] == "exchange" and record["method"] == "POST"
    return Item(key, document, tuple(masking.prose), counted)


def body_of(masking: Masking, encoded: str, content_type: str, name: str) -> Any:
    """A body by its type: JSON decoded, text and the text of a PDF masked, of other bytes how many."""
    data = base64.b64decode(encoded)
    kind = content_type.partition(";")[0]
    if not data:
        return None
    if kind.endswith("json"):
        return masking.document(json.loads(data), name)
    if kind == "application/pdf":
        return [masking.text(page.extract_text()) for page in PdfReader(io.BytesIO(data)).pages]
    if kind.startswith("text/") or kind.endswith("xml"):
        return masking.text(data.decode("utf-8"))
    return f"<{len(data)} bytes>"


def read_command(record: dict[str, Any], story: str, day: date) -> Item:
    """A command: its exit status, and the document that it printed; what it said is prose."""
    masking = Masking(day)
    given = [argument for argument in record["arguments"] if argument != "--json"]
    key = masking.text(f"{story}: {record['program']} {shlex.join(given)}")
    printed = base64.b64decode(record["printed"]).decode("utf-8")
    try:
        document = masking.document(without_clock(json.loads(printed)), "printed")
    except ValueError:
        document = masking.text(printed)
    said = said_lines(masking.text(base64.b64decode(record["said"]).decode("utf-8")))
    prose = (*masking.prose, *(("said", line) for line in said))
    counted = f"{_POLLED} list" not in key
    return Item(key, {"status": record["status"], "printed": document}, prose, counted)


def _was_not_there_yet(item: Item) -> bool:
    """Whether nothing was there of what is asked for again and again."""
    shown = item.document.get("answer", item.document.get("printed"))
    if isinstance(shown, dict) and shown.get(_POLLED) == []:
        return True
    view = item.document.get("view", item.document)
    entry = view.get("decoded", view) if isinstance(view, dict) else {}
    return isinstance(entry, dict) and (entry.get("kind"), entry.get("count")) == (f"{_POLLED}_read", 0)


def without_clock(value: Any) -> Any:
    """A document without counts of what is recorded by the clock."""
    if isinstance(value, dict):
        return {name: without_clock(item) for name, item in value.items() if name not in _BY_THE_CLOCK}
    return [without_clock(item) for item in value] if isinstance(value, list) else value


def read_log(database: Path, story: str, day: date) -> Iterator[Item]:
    """Every entry of the log, as its member reads it."""
    with closing(sqlite3.connect(database)) as connection:
        for member, kind, view in connection.execute("SELECT member_id, kind, view FROM log_entries"):
            masking = Masking(day)
            document = masking.document(json.loads(view), "view")
            if kind in _BY_THE_CLOCK:
                continue
            counted = not kind.endswith(_READING)
            yield Item(f"{story}: log of {member}: {kind}", document, tuple(masking.prose), counted)
